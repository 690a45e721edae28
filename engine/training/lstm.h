// The LSTM recurrence with peepholes and optional fixed-point signals, forward and backward; with a
// projection it is the residual LSTM (Kim et al., 1701.03360).
//
//   i = sig(u_i + W_i h' + w_ci c')    f = sig(u_f + W_f h' + w_cf c')    g = tanh(u_g + W_g h')
//   c = f c' + i g                     o = sig(u_o + W_o h' + w_co c)     r = tanh(c)
//   h = o r                            residual: h = o (W_p r + shortcut)
//
// i, f, g, o and r are rounded to multiples of 1 / gate_qmax if that is positive; c and h are rounded to
// their grids before they are used and carried.
#pragma once

#include <cstdint>

#include "training/grid.h"

namespace speechq::training {

template <class T>
struct Lstm {
  std::int64_t frames, batch, hidden;
  const T* u;                   // [frames, batch, 4, hidden] in the order i, f, g, o, biases included
  const T* recurrent;           // [4, hidden, hidden]: the output's unit, then the input's
  const T* peepholes;           // [3, hidden] for i, f, o
  const T* c0;                  // [batch, hidden]
  const T* h0;                  // [batch, hidden]
  const std::int64_t* lengths;  // [batch], 0 to frames
  const T* projection;          // [hidden, hidden] or null
  const T* shortcut;            // [frames, batch, hidden], with projection only
  T gate_qmax;
  Grid<T> cell, output;
};

// What the forward pass keeps for the backward pass.
template <class T>
struct LstmTrace {
  T* gates;  // [frames, batch, 4, hidden]: i, f, g, o before rounding
  T* c;      // [frames, batch, hidden]
  T* r;      // [frames, batch, hidden], with projection only
  T* sum;    // [frames, batch, hidden], with projection only: W_p r + shortcut
};

// h [frames, batch, hidden] and the trace's c and r are 0 beyond a row's length (its gates and sum are left
// alone); h_last, c_last [batch, hidden] are the state at the row's length.
template <class T>
void lstm_forward(const Lstm<T>& a, const LstmTrace<T>& trace, T* h, T* h_last, T* c_last, int threads);

// The gradients of the two matrices are products over all frames, which the caller does:
// recurrent = sum_t u_t^T h_{t-1}, projection = sum_t shortcut_t^T r_t.
template <class T>
struct LstmGradients {
  T* u;          // as the input
  T* peepholes;  // [3, hidden]
  T* c0;         // [batch, hidden]
  T* h0;         // [batch, hidden]
  T* shortcut;   // as the input, with projection only
  T* steps;      // two elements, cell and output: 0 unless the grid is learned
};

template <class T>
void lstm_backward(const Lstm<T>& a, const LstmTrace<T>& trace, const T* grad_h, const T* grad_h_last,
                   const T* grad_c_last, const LstmGradients<T>& grads, int threads);

}  // namespace speechq::training
