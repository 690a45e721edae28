// Loops over a block of units, with the options outside of the loops; included only by *_kernel.cpp.
#pragma once

#include "training/math.h"

namespace speechq::training::SPEECHQ_ISA {

template <class T>
void sigmoid_loop(const T* __restrict x, const T* __restrict bias, T* __restrict out, std::int64_t n) {
  for (std::int64_t j = 0; j < n; ++j) out[j] = sigmoid(x[j] + bias[j]);
}

template <class T>
void tanh_loop(const T* __restrict x, T* __restrict out, std::int64_t n) {
  for (std::int64_t j = 0; j < n; ++j) out[j] = tanh_of(x[j]);
}

// x rounded to the grid where it has one; out may be x.
template <class T>
void quantize_loop(const T* x, T step, T qmax, T* out, std::int64_t n) {
  if (!(step > 0)) {
    if (out != x) __builtin_memcpy(out, x, static_cast<std::size_t>(n) * sizeof(T));
    return;
  }
  SPEECHQ_VECTORIZE
  for (std::int64_t j = 0; j < n; ++j) out[j] = quantized(x[j], step, qmax);
}

// Multiplies the gradient of a rounded value so that it becomes that of the exact one (LSQ), and adds the
// step's.
template <class T>
void learned_step_loop(const T* __restrict exact, T step, T qmax, T* __restrict grad, T* __restrict grad_step,
                       std::int64_t n) {
  for (std::int64_t j = 0; j < n; ++j) {
    grad_step[j] += grad[j] * step_slope(exact[j], step, qmax);
    grad[j] = saturated(exact[j], step, qmax) ? T(0) : grad[j];
  }
}

}  // namespace speechq::training::SPEECHQ_ISA
