// Batch normalization over the valid frames of all rows, in as few passes over memory as it takes.
#pragma once

#include <cstdint>

namespace speechq::training {

// x is [frames, batch, features]; of row b the frames from lengths[b] on are padding.
template <class T>
struct Norm {
  const T* x;
  const std::int64_t* lengths;
  std::int64_t frames, batch, features;
};

// Mean and biased variance [features] of the valid frames. Sums have a fixed order.
template <class T>
void norm_statistics(const Norm<T>& a, T* mean, T* variance, int threads);

// out = (x - mean) * factor + shift, all [features]; padding becomes `shift`.
template <class T>
void norm_apply(const Norm<T>& a, const T* mean, const T* factor, const T* shift, T* out, int threads);

// Sums over valid frames: total = sum of grad, along = sum of grad * (x - mean). In a fixed order.
template <class T>
void norm_gradient_sums(const Norm<T>& a, const T* mean, const T* grad, T* total, T* along, int threads);

// grad_x = (grad - level - (x - mean) * slope) * factor, all [features]; 0 in the padding.
template <class T>
void norm_gradient(const Norm<T>& a, const T* mean, const T* factor, const T* level, const T* slope,
                   const T* grad, T* grad_x, int threads);

}  // namespace speechq::training
