// Random numbers, the loop over instruction sets and threads, and gradients by finite differences.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "base/isa.h"

namespace speechq::testing {

template <class T>
using Values = std::vector<T>;

// Exactly as long as asked, so that the address sanitizer sees every step beyond the end.
template <class T>
Values<T> random_values(std::int64_t count, unsigned seed, double scale = 1.0) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal(0.0, scale);
  Values<T> result(static_cast<std::size_t>(count));
  for (T& value : result) value = static_cast<T>(normal(generator));
  return result;
}

template <class T>
double dot(const Values<T>& a, const Values<T>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

// Sets each instruction set of this processor in turn, then the best one again.
template <class F>
void for_each_isa(const F& f) {
  const auto all = available_isas();
  for (Isa isa : all) {
    set_isa(isa);
    INFO("instruction set " << isa_name(isa));
    f();
  }
  set_isa(all.back());
}

// The derivative of loss() along `direction` at `values`, by a central difference.
template <class F>
double slope_along(Values<double>& values, const Values<double>& direction, const F& loss) {
  constexpr double kStep = 1e-6;
  const Values<double> start = values;
  double ends[2];
  for (int side = 0; side < 2; ++side) {
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = start[i] + (side ? kStep : -kStep) * direction[i];
    ends[side] = loss();
  }
  values = start;
  return (ends[1] - ends[0]) / (2 * kStep);
}

inline bool close(double a, double b, double tolerance = 1e-6) {
  return std::abs(a - b) <= tolerance * (1 + std::abs(a) + std::abs(b));
}

// The frames beyond a row's length hold exactly zero.
template <class T>
bool padding_is_zero(const Values<T>& values, std::int64_t frames, std::int64_t batch,
                     const std::vector<std::int64_t>& lengths, std::int64_t width) {
  for (std::int64_t row = 0; row < batch; ++row)
    for (std::int64_t t = lengths[static_cast<std::size_t>(row)]; t < frames; ++t)
      for (std::int64_t j = 0; j < width; ++j)
        if (values[static_cast<std::size_t>((t * batch + row) * width + j)] != T(0)) return false;
  return true;
}

}  // namespace speechq::testing
