#include "training/fake_quantize_kernel.h"

#include "training/math.h"

namespace speechq::training::SPEECHQ_ISA {

template <class T>
void quantize_run(const T* __restrict x, T step, T qmax, T* __restrict out, std::int64_t n) {
  if (!(step > 0)) {
    __builtin_memcpy(out, x, static_cast<std::size_t>(n) * sizeof(T));
    return;
  }
  for (std::int64_t i = 0; i < n; ++i) out[i] = quantized(x[i], step, qmax);
}

template <class T>
void quantize_columns(const T* __restrict x, const T* __restrict steps, T qmax, T* __restrict out,
                      std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const T value = quantized(x[i], steps[i], qmax);
    out[i] = steps[i] > 0 ? value : x[i];
  }
}

template <class T>
double quantize_run_backward(const T* __restrict x, T step, T qmax, const T* __restrict grad,
                             T* __restrict grad_x, std::int64_t n) {
  if (!(step > 0)) {
    __builtin_memcpy(grad_x, grad, static_cast<std::size_t>(n) * sizeof(T));
    return 0;
  }
  constexpr std::int64_t kLanes = 32;
  T sums[kLanes] = {};
  for (std::int64_t i = 0; i < n; ++i) grad_x[i] = saturated(x[i], step, qmax) ? T(0) : grad[i];
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (std::int64_t k = 0; k < kLanes; ++k) sums[k] += grad[i + k] * step_slope(x[i + k], step, qmax);
  for (std::int64_t k = 0; i + k < n; ++k) sums[k] += grad[i + k] * step_slope(x[i + k], step, qmax);
  double total = 0;
  for (T sum : sums) total += static_cast<double>(sum);
  return total;
}

template <class T>
void quantize_columns_backward(const T* __restrict x, const T* __restrict steps, T qmax,
                               const T* __restrict grad, T* __restrict grad_x, T* __restrict grad_steps,
                               std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const bool on = steps[i] > 0;
    grad_x[i] = on && saturated(x[i], steps[i], qmax) ? T(0) : grad[i];
    grad_steps[i] += on ? grad[i] * step_slope(x[i], steps[i], qmax) : T(0);
  }
}

#define SPEECHQ_INSTANTIATE(T)                                                       \
  template void quantize_run(const T*, T, T, T*, std::int64_t);                      \
  template void quantize_columns(const T*, const T*, T, T*, std::int64_t);           \
  template double quantize_run_backward(const T*, T, T, const T*, T*, std::int64_t); \
  template void quantize_columns_backward(const T*, const T*, T, const T*, T*, T*, std::int64_t);
SPEECHQ_INSTANTIATE(float)
SPEECHQ_INSTANTIATE(double)

}  // namespace speechq::training::SPEECHQ_ISA
