// One row of the batch, units begin to end (at most kQrnnUnits) over all its frames.
#pragma once

#include "training/dispatch.h"
#include "training/qrnn.h"

namespace speechq::training {

constexpr std::int64_t kQrnnUnits = 256;

// clang-format off
SPEECHQ_DECLARE_KERNEL(template <class T> void qrnn_forward_row(const Qrnn<T>& a, T* h, T* c, T* c_last, std::int64_t row, std::int64_t begin, std::int64_t end))
// bias [gates, hidden] and cell_step are of this row: the caller adds up the rows in order.
SPEECHQ_DECLARE_KERNEL(template <class T> void qrnn_backward_row(const Qrnn<T>& a, const T* c, const T* grad_h, const T* grad_c_last, const QrnnGradients<T>& grads, T* bias, double* cell_step, std::int64_t row, std::int64_t begin, std::int64_t end))
// clang-format on

}  // namespace speechq::training
