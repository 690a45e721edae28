// The elementwise part of a time step, for one row of the batch and n units of it; pointers are at the first
// unit, gates are `hidden` apart. Flags of the options are worked out inside.
#pragma once

#include "training/dispatch.h"
#include "training/lstm.h"

namespace speechq::training {

template <class T>
struct LstmCell {
  std::int64_t n, hidden;
  const T* peepholes;  // of i, f, o: hidden apart
  T gate_qmax;
  Grid<T> cell, output;
};

// products: W h', gates `stride` apart; h null: only r is wanted, the output comes later.
template <class T>
struct LstmForwardRow {
  const T *u, *products;
  std::int64_t stride;
  const T* before;
  T *gates, *c, *r, *h;
};

// grad_h: the whole gradient of h. factor: what o multiplies (W_p r + shortcut), or null where that is r.
template <class T>
struct LstmBackwardRow {
  const T *gates, *c, *before, *factor;
  T* grad_h;     // changed by a learned grid of h
  T* grad_r;     // gradient of what o multiplies
  T* grad_u;     // 4 gates
  T* carried;    // gradient of c from the next frame; becomes that for the frame before
  T* peepholes;  // sums for i, f, o: hidden apart
  T *cell_step, *output_step;
};

// clang-format off
SPEECHQ_DECLARE_KERNEL(template <class T> void lstm_forward_row(const LstmCell<T>& a, const LstmForwardRow<T>& x))
// h = o * factor, rounded
SPEECHQ_DECLARE_KERNEL(template <class T> void lstm_output_row(const LstmCell<T>& a, const T* exact_o, const T* factor, T* h))
// From grad_h to grad_r and the o of grad_u ...
SPEECHQ_DECLARE_KERNEL(template <class T> void lstm_backward_output_row(const LstmCell<T>& a, const LstmBackwardRow<T>& x))
// ... and from grad_r to the rest.
SPEECHQ_DECLARE_KERNEL(template <class T> void lstm_backward_cell_row(const LstmCell<T>& a, const LstmBackwardRow<T>& x))
// clang-format on

}  // namespace speechq::training
