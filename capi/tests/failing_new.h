// An operator new that fails when it is told to (failing_new.cpp replaces that of the program).
#pragma once

namespace speechq::testing {

// The allocation after the next `count` ones fails, once; negative: none does. Those that may fail in silence
// (std::nothrow) are not meant.
void fail_allocation(long count);

}  // namespace speechq::testing
