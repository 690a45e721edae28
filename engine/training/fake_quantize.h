// Elementwise fake quantization with the rounding rule of grid.h, and its straight-through gradients.
#pragma once

#include <cstdint>

namespace speechq::training {

// x is [outer, rows, inner]; steps has one step per row. rows = 1 is one step for the whole tensor; inner = 1
// is one step per column. A step of zero or less leaves its elements as they are.
template <class T>
struct FakeQuantize {
  const T* x;
  const T* steps;
  std::int64_t outer, rows, inner;
  T qmax;
};

template <class T>
void fake_quantize(const FakeQuantize<T>& a, T* out, int threads);

// LSQ: grad_x is grad where the code is not saturated, else 0; grad_steps [rows] is the sum of
// grad * (code - x / step), of grad * (+-qmax) where saturated. Sums have a fixed order.
template <class T>
void fake_quantize_backward(const FakeQuantize<T>& a, const T* grad, T* grad_x, T* grad_steps, int threads);

}  // namespace speechq::training
