// The functions of docs/fixed-point.md, one IEEE operation each, as scalars that loops over units turn into
// vectors; included only by *_kernel.cpp, so that every copy is compiled for the instruction set of its file.
#pragma once

#include <cstdint>

#define SPEECHQ_INLINE inline __attribute__((always_inline))
#if defined(__clang__)
#define SPEECHQ_VECTORIZE _Pragma("clang loop vectorize(assume_safety)")
#else
#define SPEECHQ_VECTORIZE _Pragma("GCC ivdep")
#endif

namespace speechq::engine::SPEECHQ_ISA {

// Comparisons are written so that NaN stays what it is.
SPEECHQ_INLINE float clamped(float x, float low, float high) {
  x = x < low ? low : x;
  return x > high ? high : x;
}

// e^x for x within [-86, 88]: as exp(), whose callers have clamped it.
SPEECHQ_INLINE float exp_within(float x) {
  const float n = __builtin_floorf(x * 1.44269504f + 0.5f);
  float r = x - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  float q = 1.38145988e-3f * r + 8.36871658e-3f;
  q = q * r + 4.16683890e-2f;
  q = q * r + 0.166665211f;
  q = q * r + 0.499999940f;
  float y = q * (r * r) + r;
  y = y + 1.0f;
  const std::int32_t bits = static_cast<std::int32_t>(
      (static_cast<std::uint32_t>(static_cast<std::int32_t>(n == n ? n : 0.0f)) + 127u) << 23);
  float power;
  __builtin_memcpy(&power, &bits, sizeof power);
  return y * power;
}
SPEECHQ_INLINE float exp_of(float x) { return exp_within(clamped(x, -86.0f, 88.0f)); }

SPEECHQ_INLINE float sigmoid_of(float x) { return 1.0f / (1.0f + exp_within(-clamped(x, -30.0f, 30.0f))); }

SPEECHQ_INLINE float tanh_of(float x) {
  float magnitude = __builtin_fabsf(x);
  magnitude = magnitude > 10.0f ? 10.0f : magnitude;
  const float t = exp_within(-2.0f * magnitude);
  return __builtin_copysignf((1.0f - t) / (1.0f + t), x);
}

// The code of x as a float with the sign of x; NaN gives qmax.
SPEECHQ_INLINE float code_of(float x, float step, float qmax) {
  const float magnitude = __builtin_floorf(__builtin_fabsf(x) / step + 0.5f);
  return __builtin_copysignf(magnitude < qmax ? magnitude : qmax, x);
}
template <bool On>
SPEECHQ_INLINE float on_grid(float x, float step, float qmax) {
  if constexpr (On)
    return code_of(x, step, qmax) * step;
  else
    return x;
}

template <bool Value>
struct Flag {
  static constexpr bool value = Value;
};

// Calls f with a Flag per bool, so that options cost nothing inside the loops.
template <class F, class... Rest>
SPEECHQ_INLINE void choose_flags(const F& f, bool first, Rest... rest) {
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

}  // namespace speechq::engine::SPEECHQ_ISA
