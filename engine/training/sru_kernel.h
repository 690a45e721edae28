// One row of the batch, units begin to end (at most kUnits) over all its frames.
#pragma once

#include "training/dispatch.h"
#include "training/sru.h"

namespace speechq::training {

constexpr std::int64_t kUnits = 256;

// Gradients of what all rows share, of one row: the caller adds up the rows in order.
template <class T>
struct SruRowSums {
  T* v;               // [2, hidden]
  T* bias;            // [2, hidden]
  double* cell_step;  // one element per block of units
};

// clang-format off
SPEECHQ_DECLARE_KERNEL(template <class T> void sru_forward_row(const Sru<T>& a, T* h, T* c, T* c_last, std::int64_t row, std::int64_t begin, std::int64_t end))
SPEECHQ_DECLARE_KERNEL(template <class T> void sru_backward_row(const Sru<T>& a, const T* c, const T* grad_h, const T* grad_c_last, const SruGradients<T>& grads, const SruRowSums<T>& sums, std::int64_t row, std::int64_t begin, std::int64_t end))
// clang-format on

}  // namespace speechq::training
