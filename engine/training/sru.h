// The SRU recurrence (Lei et al., 1709.02755) with optional fixed-point signals, forward and backward.
//
//   f = sig(u1 + v_f c' + b_f)    r = sig(u2 + v_r c' + b_r)    c = f c' + (1 - f) u0
//   h = r g(c) + (1 - r) scale_x x_skip                         g identity or tanh
//
// Outputs of sigmoid and tanh are rounded to multiples of 1 / gate_qmax if that is positive; c is rounded to
// its grid before it is used and carried. The first published gates are v = 0.
#pragma once

#include <cstdint>

#include "training/grid.h"

namespace speechq::training {

template <class T>
struct Sru {
  std::int64_t frames, batch, hidden;
  const T* u;                   // [frames, batch, 3, hidden]
  const T* x_skip;              // [frames, batch, hidden]
  const T* v;                   // [2, hidden]
  const T* bias;                // [2, hidden]
  const T* c0;                  // [batch, hidden]
  const std::int64_t* lengths;  // [batch], 0 to frames: what lies beyond is neither read nor counted
  bool tanh;
  T scale_x;
  T gate_qmax;
  Grid<T> cell;
};

// h and c: [frames, batch, hidden], 0 beyond a row's length; c_last [batch, hidden].
template <class T>
void sru_forward(const Sru<T>& a, T* h, T* c, T* c_last, int threads);

template <class T>
struct SruGradients {
  T* u;          // as the input
  T* x_skip;     // as the input
  T* v;          // [2, hidden]
  T* bias;       // [2, hidden]
  T* c0;         // [batch, hidden]
  T* cell_step;  // one element: 0 unless the cell's grid is learned
};

// c is what the forward pass wrote.
template <class T>
void sru_backward(const Sru<T>& a, const T* c, const T* grad_h, const T* grad_c_last,
                  const SruGradients<T>& grads, int threads);

}  // namespace speechq::training
