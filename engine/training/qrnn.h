// QRNN pooling (Bradbury et al., 1611.01576) and the ifo form that i-SRU shares, with optional fixed-point
// signals.
//
//   z = tanh(u0 + b0) or u0 + b0    f = sig(u1 + b1)    o = sig(u2 + b2)
//   fo:  i = 1 - f                  ifo: i = sig(u3 + b3)
//   c = f c' + i z                  h = o g(c) [+ (1 - o) x_skip]        g identity or tanh
//
// f keeps the old value (the paper's convention). keep_mask m: f <- 1 - m (1 - f) and i <- m i, so 0 keeps
// the state. Outputs of sigmoid and tanh are rounded to multiples of 1 / gate_qmax if that is positive; c is
// rounded to its grid before it is used and carried.
#pragma once

#include <cstdint>

#include "training/grid.h"

namespace speechq::training {

template <class T>
struct Qrnn {
  std::int64_t frames, batch, gates, hidden;  // gates: 3 (fo) or 4 (ifo)
  const T* u;                                 // [frames, batch, gates, hidden]
  const T* bias;                              // [gates, hidden]
  const T* c0;                                // [batch, hidden]
  const T* x_skip;                            // [frames, batch, hidden] or null
  const T* keep_mask;                         // [frames, batch, hidden] or null
  const std::int64_t* lengths;                // [batch], 0 to frames
  bool tanh_in, tanh_out;
  T gate_qmax;
  Grid<T> cell;
};

// h and c: [frames, batch, hidden], 0 beyond a row's length; c_last [batch, hidden].
template <class T>
void qrnn_forward(const Qrnn<T>& a, T* h, T* c, T* c_last, int threads);

template <class T>
struct QrnnGradients {
  T* u;          // as the input
  T* bias;       // [gates, hidden]
  T* c0;         // [batch, hidden]
  T* x_skip;     // as the input, or null without it
  T* cell_step;  // one element: 0 unless the cell's grid is learned
};

// c is what the forward pass wrote.
template <class T>
void qrnn_backward(const Qrnn<T>& a, const T* c, const T* grad_h, const T* grad_c_last,
                   const QrnnGradients<T>& grads, int threads);

}  // namespace speechq::training
