// The inner products of each instruction set; see Kernels::dot.
#pragma once

#include "generic/kernels.h"

namespace speechq::engine {

namespace generic {
void dot(const Rows& rows, const PackedInput& x, std::int32_t* out, Place place);
}
namespace avx2 {
void dot(const Rows& rows, const PackedInput& x, std::int32_t* out, Place place);
}
namespace avx512 {
void dot(const Rows& rows, const PackedInput& x, std::int32_t* out, Place place);
}
namespace neon {
void dot(const Rows& rows, const PackedInput& x, std::int32_t* out, Place place);
}

}  // namespace speechq::engine
