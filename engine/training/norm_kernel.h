// The loops of norm.cpp, over the n features of a frame.
#pragma once

#include <cstdint>

#include "training/dispatch.h"

namespace speechq::training {

// clang-format off
SPEECHQ_DECLARE_KERNEL(template <class T> void norm_add(const T* x, T* sum, std::int64_t n))
SPEECHQ_DECLARE_KERNEL(template <class T> void norm_add_squares(const T* x, const T* mean, T* sum, std::int64_t n))
SPEECHQ_DECLARE_KERNEL(template <class T> void norm_frame(const T* x, const T* mean, const T* factor, const T* shift, T* out, std::int64_t n))
SPEECHQ_DECLARE_KERNEL(template <class T> void norm_add_gradients(const T* x, const T* mean, const T* grad, T* total, T* along, std::int64_t n))
SPEECHQ_DECLARE_KERNEL(template <class T> void norm_gradient_frame(const T* x, const T* mean, const T* factor, const T* level, const T* slope, const T* grad, T* grad_x, std::int64_t n))
// clang-format on

}  // namespace speechq::training
