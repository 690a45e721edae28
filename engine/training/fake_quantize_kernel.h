// The loops of fake_quantize.cpp, over contiguous runs of n elements.
#pragma once

#include <cstdint>

#include "training/dispatch.h"

namespace speechq::training {

// clang-format off
SPEECHQ_DECLARE_KERNEL(template <class T> void quantize_run(const T* x, T step, T qmax, T* out, std::int64_t n))
SPEECHQ_DECLARE_KERNEL(template <class T> void quantize_columns(const T* x, const T* steps, T qmax, T* out, std::int64_t n))
// Returns the gradient of the step.
SPEECHQ_DECLARE_KERNEL(template <class T> double quantize_run_backward(const T* x, T step, T qmax, const T* grad, T* grad_x, std::int64_t n))
// Adds to the gradients of the steps.
SPEECHQ_DECLARE_KERNEL(template <class T> void quantize_columns_backward(const T* x, const T* steps, T qmax, const T* grad, T* grad_x, T* grad_steps, std::int64_t n))
// clang-format on

}  // namespace speechq::training
