#include "training/norm_kernel.h"

namespace speechq::training::SPEECHQ_ISA {

template <class T>
void norm_add(const T* __restrict x, T* __restrict sum, std::int64_t n) {
  for (std::int64_t j = 0; j < n; ++j) sum[j] += x[j];
}

template <class T>
void norm_add_squares(const T* __restrict x, const T* __restrict mean, T* __restrict sum, std::int64_t n) {
  for (std::int64_t j = 0; j < n; ++j) sum[j] += (x[j] - mean[j]) * (x[j] - mean[j]);
}

template <class T>
void norm_frame(const T* __restrict x, const T* __restrict mean, const T* __restrict factor,
                const T* __restrict shift, T* __restrict out, std::int64_t n) {
  for (std::int64_t j = 0; j < n; ++j) out[j] = (x[j] - mean[j]) * factor[j] + shift[j];
}

template <class T>
void norm_add_gradients(const T* __restrict x, const T* __restrict mean, const T* __restrict grad,
                        T* __restrict total, T* __restrict along, std::int64_t n) {
  for (std::int64_t j = 0; j < n; ++j) {
    total[j] += grad[j];
    along[j] += grad[j] * (x[j] - mean[j]);
  }
}

template <class T>
void norm_gradient_frame(const T* __restrict x, const T* __restrict mean, const T* __restrict factor,
                         const T* __restrict level, const T* __restrict slope, const T* __restrict grad,
                         T* __restrict grad_x, std::int64_t n) {
  for (std::int64_t j = 0; j < n; ++j)
    grad_x[j] = (grad[j] - level[j] - (x[j] - mean[j]) * slope[j]) * factor[j];
}

#define SPEECHQ_INSTANTIATE(T)                                                                      \
  template void norm_add(const T*, T*, std::int64_t);                                               \
  template void norm_add_squares(const T*, const T*, T*, std::int64_t);                             \
  template void norm_frame(const T*, const T*, const T*, const T*, T*, std::int64_t);               \
  template void norm_add_gradients(const T*, const T*, const T*, T*, T*, std::int64_t);             \
  template void norm_gradient_frame(const T*, const T*, const T*, const T*, const T*, const T*, T*, \
                                    std::int64_t);
SPEECHQ_INSTANTIATE(float)
SPEECHQ_INSTANTIATE(double)

}  // namespace speechq::training::SPEECHQ_ISA
