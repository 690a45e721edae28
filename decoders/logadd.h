// Sums of probabilities in the log domain.
#pragma once

#include <cmath>
#include <limits>

namespace speechq::decoders {

constexpr double kImpossible = -std::numeric_limits<double>::infinity();

// log(exp(a) + exp(b)). What is impossible stays so: two impossible states give an impossible one.
inline double log_add(double a, double b) {
  if (a < b) {
    const double smaller = a;
    a = b;
    b = smaller;
  }
  // Beyond 37 the smaller one is below half a unit in the last place of 1.
  const double difference = b - a;
  return b == kImpossible || difference < -37.0 ? a : a + std::log1p(std::exp(difference));
}

}  // namespace speechq::decoders
