// Counts the memory that operator new hands out in this program (allocations.cpp replaces it).
#pragma once

#include <cstdint>

namespace speechq::testing {

class AllocationMeter {
 public:
  AllocationMeter();

  // The most bytes in use at any one time since the meter was made, beyond those in use then.
  std::int64_t peak() const;

 private:
  std::int64_t before_;
};

}  // namespace speechq::testing
