#include "generic/integer_cells.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace speechq::engine {
namespace {

constexpr double kMost = 2147483647.0;

double nearest(double x) { return std::copysign(std::floor(std::fabs(x) + 0.5), x); }

// The largest shift (at most 62) at which the ratio's multiplier is below 2^31.
int shift_of(double largest) {
  int exponent;
  std::frexp(std::fabs(largest), &exponent);
  const int shift = std::min(31 - exponent, 62);
  if (!(shift >= 1))
    throw ModelError("steps that differ by a factor of " + std::to_string(largest) +
                     " leave the integer range");
  return shift;
}

std::int32_t multiplier_of(double value, int shift) {
  return static_cast<std::int32_t>(std::clamp(nearest(std::ldexp(value, shift)), -kMost, kMost));
}

}  // namespace

Ratio ratio_of(double value) {
  const int shift = shift_of(value);
  return {multiplier_of(value, shift), shift};
}

Mix mix_of(double first, double second) {
  const int shift = shift_of(std::max(std::fabs(first), std::fabs(second)));
  return {multiplier_of(first, shift), multiplier_of(second, shift), shift};
}

Mix mix_of(double only) { return mix_of(only, 0.0); }

std::int32_t q12(float value) {
  return static_cast<std::int32_t>(
      std::clamp(nearest(static_cast<double>(value) * 4096.0), -1.0 * kPreLimit, 1.0 * kPreLimit));
}

}  // namespace speechq::engine
