// The inner products of each instruction set; see Kernels::dot and coded_dot.
#pragma once

#include "generic/kernels.h"

namespace speechq::engine {

namespace generic {
void dot(const Rows& rows, const PackedInput& x, std::int32_t* out, Place place);
void coded_dot(const Rows& rows, const PackedInput& x, std::int32_t* out, Place place);
}  // namespace generic
namespace avx2 {
void dot(const Rows& rows, const PackedInput& x, std::int32_t* out, Place place);
void coded_dot(const Rows& rows, const PackedInput& x, std::int32_t* out, Place place);
}  // namespace avx2
namespace avx512 {
void dot(const Rows& rows, const PackedInput& x, std::int32_t* out, Place place);
void coded_dot(const Rows& rows, const PackedInput& x, std::int32_t* out, Place place);
}  // namespace avx512
namespace neon {
void dot(const Rows& rows, const PackedInput& x, std::int32_t* out, Place place);
void coded_dot(const Rows& rows, const PackedInput& x, std::int32_t* out, Place place);
}  // namespace neon

}  // namespace speechq::engine
