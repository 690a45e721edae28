// Scalar functions that the kernels' loops are made of; included only by *_kernel.cpp, so that every copy is
// compiled for the instruction set of its file and lives in its namespace.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__clang__)
#define SPEECHQ_VECTORIZE _Pragma("clang loop vectorize(assume_safety)")
#else
#define SPEECHQ_VECTORIZE _Pragma("GCC ivdep")
#endif

#define SPEECHQ_INLINE inline __attribute__((always_inline))

namespace speechq::training::SPEECHQ_ISA {

template <bool Value>
struct Flag {
  static constexpr bool value = Value;
};

// Calls f with a Flag per bool, so that options cost nothing inside the loops.
template <class F, class... Rest>
void choose_flags(const F& f, bool first, Rest... rest) {
  const auto go = [&](auto flag) {
    if constexpr (sizeof...(rest) == 0)
      f(flag);
    else
      choose_flags([&](auto... others) { f(flag, others...); }, rest...);
  };
  if (first)
    go(Flag<true>{});
  else
    go(Flag<false>{});
}

SPEECHQ_INLINE float floor_of(float x) { return __builtin_floorf(x); }
SPEECHQ_INLINE double floor_of(double x) { return __builtin_floor(x); }
SPEECHQ_INLINE float abs_of(float x) { return __builtin_fabsf(x); }
SPEECHQ_INLINE double abs_of(double x) { return __builtin_fabs(x); }
SPEECHQ_INLINE float with_sign(float x, float sign) { return __builtin_copysignf(x, sign); }
SPEECHQ_INLINE double with_sign(double x, double sign) { return __builtin_copysign(x, sign); }

// e^x for |x| < 87 and the value at that bound beyond it; about one unit in the last place. NaN stays NaN.
// x = n ln 2 + r, and a polynomial fitted to e^r at Chebyshev nodes.
SPEECHQ_INLINE float exp_of(float x) {
  x = x > 87.0f ? 87.0f : x;
  x = x < -87.0f ? -87.0f : x;
  const float shifted = x * 1.44269504f + 12582912.0f;  // adding 1.5 * 2^23 rounds; n is in the low bits
  const float n = shifted - 12582912.0f;
  const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.3935454e-3f;
  p = p * r + 8.3643831e-3f;
  p = p * r + 4.1666448e-2f;
  p = p * r + 1.6666570e-1f;
  p = p * r + 0.5f;
  p = p * (r * r) + r + 1.0f;
  std::uint32_t bits;
  __builtin_memcpy(&bits, &shifted, sizeof bits);
  bits = (bits << 23) + 0x3f800000u;
  float power;
  __builtin_memcpy(&power, &bits, sizeof power);
  return p * power;
}
SPEECHQ_INLINE double exp_of(double x) { return __builtin_exp(x); }

template <class T>
SPEECHQ_INLINE T sigmoid(T x) {
  return T(1) / (T(1) + exp_of(-x));
}

SPEECHQ_INLINE float tanh_of(float x) {
  const float s = x * x;
  float p = -6.1049480e-3f;
  p = p * s + 2.1003643e-2f;
  p = p * s - 5.3852499e-2f;
  p = p * s + 1.3332783e-1f;
  p = p * s - 3.3333328e-1f;
  const float near = x + x * s * p;
  const float far = with_sign(1.0f - 2.0f / (exp_of(2.0f * abs_of(x)) + 1.0f), x);
  return abs_of(x) < 0.625f ? near : far;
}
SPEECHQ_INLINE double tanh_of(double x) { return __builtin_tanh(x); }

// The code's magnitude before saturation. NaN stays NaN here and in quantized().
template <class T>
SPEECHQ_INLINE T rounded(T x, T step) {
  return floor_of(abs_of(x) / step + T(0.5));
}
template <class T>
SPEECHQ_INLINE T quantized(T x, T step, T qmax) {
  const T code = rounded(x, step);
  return with_sign(step * (code > qmax ? qmax : code), x);
}
template <bool On, class T>
SPEECHQ_INLINE T maybe_quantized(T x, T step, T qmax) {
  if constexpr (On)
    return quantized(x, step, qmax);
  else
    return x;
}

// LSQ: d value / d step, and whether x passes no gradient. Saturated means that the rounded code is beyond
// qmax.
template <class T>
SPEECHQ_INLINE T step_slope(T x, T step, T qmax) {
  const T code = rounded(x, step);
  const T slope = code > qmax ? qmax : code - abs_of(x) / step;
  return x < T(0) ? -slope : slope;
}
template <class T>
SPEECHQ_INLINE bool saturated(T x, T step, T qmax) {
  return rounded(x, step) > qmax;
}

}  // namespace speechq::training::SPEECHQ_ISA
