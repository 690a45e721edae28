#include "training/qrnn_kernel.h"

#include "training/loops.h"

namespace speechq::training::SPEECHQ_ISA {
namespace {

// What one frame of a block of units computes on the way to its cell; exact_* before rounding.
template <class T>
struct Frame {
  T exact_z[kQrnnUnits], exact_f[kQrnnUnits], exact_o[kQrnnUnits], exact_i[kQrnnUnits];
  T z[kQrnnUnits], f[kQrnnUnits], o[kQrnnUnits], i[kQrnnUnits];
  T exact_c[kQrnnUnits];

  void compute(const Qrnn<T>& a, std::int64_t frame, std::int64_t begin, std::int64_t n,
               const T* __restrict before) {
    const T* u = a.u + frame * a.gates * a.hidden + begin;
    const T* bias = a.bias + begin;
    const T gate_step = a.gate_qmax > 0 ? T(1) / a.gate_qmax : T(0);
    for (std::int64_t j = 0; j < n; ++j) exact_z[j] = u[j] + bias[j];
    if (a.tanh_in) {
      for (std::int64_t j = 0; j < n; ++j) exact_z[j] = tanh_of(exact_z[j]);
      quantize_loop(exact_z, gate_step, a.gate_qmax, z, n);
    } else {
      quantize_loop(exact_z, T(0), T(0), z, n);
    }
    sigmoid_loop(u + a.hidden, bias + a.hidden, exact_f, n);
    quantize_loop(exact_f, gate_step, a.gate_qmax, f, n);
    sigmoid_loop(u + 2 * a.hidden, bias + 2 * a.hidden, exact_o, n);
    quantize_loop(exact_o, gate_step, a.gate_qmax, o, n);
    const T* __restrict mask = a.keep_mask != nullptr ? a.keep_mask + frame * a.hidden + begin : nullptr;
    if (mask != nullptr)
      for (std::int64_t j = 0; j < n; ++j) f[j] = T(1) - mask[j] * (T(1) - f[j]);
    if (a.gates == 4) {
      sigmoid_loop(u + 3 * a.hidden, bias + 3 * a.hidden, exact_i, n);
      quantize_loop(exact_i, gate_step, a.gate_qmax, i, n);
      if (mask != nullptr)
        for (std::int64_t j = 0; j < n; ++j) i[j] *= mask[j];
    } else {
      for (std::int64_t j = 0; j < n; ++j) i[j] = T(1) - f[j];
    }
    for (std::int64_t j = 0; j < n; ++j) exact_c[j] = f[j] * before[j] + i[j] * z[j];
  }
};

}  // namespace

template <class T>
void qrnn_forward_row(const Qrnn<T>& a, T* h, T* c, T* c_last, std::int64_t row, std::int64_t begin,
                      std::int64_t end) {
  const std::int64_t n = end - begin, hidden = a.hidden;
  const T gate_step = a.gate_qmax > 0 ? T(1) / a.gate_qmax : T(0);
  Frame<T> now;
  T g[kQrnnUnits];
  const T* before = a.c0 + row * hidden + begin;
  for (std::int64_t t = 0; t < a.lengths[row]; ++t) {
    const std::int64_t frame = t * a.batch + row, at = frame * hidden + begin;
    now.compute(a, frame, begin, n, before);
    T* cells = c + at;
    quantize_loop(now.exact_c, a.cell.step, a.cell.qmax, cells, n);
    if (a.tanh_out) {
      tanh_loop(cells, g, n);
      quantize_loop(g, gate_step, a.gate_qmax, g, n);
    }
    const T* __restrict used = a.tanh_out ? g : cells;
    T* __restrict out = h + at;
    if (a.x_skip != nullptr) {
      const T* __restrict x = a.x_skip + at;
      for (std::int64_t j = 0; j < n; ++j) out[j] = now.o[j] * used[j] + (T(1) - now.o[j]) * x[j];
    } else {
      for (std::int64_t j = 0; j < n; ++j) out[j] = now.o[j] * used[j];
    }
    before = cells;
  }
  for (std::int64_t j = 0; j < n; ++j) c_last[row * hidden + begin + j] = before[j];
  for (std::int64_t t = a.lengths[row]; t < a.frames; ++t)
    for (std::int64_t j = 0; j < n; ++j)
      h[(t * a.batch + row) * hidden + begin + j] = c[(t * a.batch + row) * hidden + begin + j] = 0;
}

template <class T>
void qrnn_backward_row(const Qrnn<T>& a, const T* c, const T* grad_h, const T* grad_c_last,
                       const QrnnGradients<T>& grads, T* bias, double* cell_step, std::int64_t row,
                       std::int64_t begin, std::int64_t end) {
  const std::int64_t n = end - begin, hidden = a.hidden;
  const T gate_step = a.gate_qmax > 0 ? T(1) / a.gate_qmax : T(0);
  Frame<T> now;
  T g[kQrnnUnits], slope[kQrnnUnits], grad_o[kQrnnUnits], grad_c[kQrnnUnits], carried[kQrnnUnits];
  T step_sum[kQrnnUnits], bias_sum[4][kQrnnUnits];
  for (std::int64_t j = 0; j < n; ++j) {
    carried[j] = grad_c_last[row * hidden + begin + j];
    step_sum[j] = 0;
    for (auto& sum : bias_sum) sum[j] = 0;
  }
  for (std::int64_t t = a.lengths[row] - 1; t >= 0; --t) {
    const std::int64_t frame = t * a.batch + row, at = frame * hidden + begin;
    const T* __restrict cells = c + at;
    const T* __restrict before = t > 0 ? cells - a.batch * hidden : a.c0 + row * hidden + begin;
    const T* __restrict dh = grad_h + at;
    now.compute(a, frame, begin, n, before);
    if (a.tanh_out) {
      tanh_loop(cells, g, n);
      for (std::int64_t j = 0; j < n; ++j) slope[j] = T(1) - g[j] * g[j];
      quantize_loop(g, gate_step, a.gate_qmax, g, n);
    } else {
      for (std::int64_t j = 0; j < n; ++j) {
        g[j] = cells[j];
        slope[j] = 1;
      }
    }
    for (std::int64_t j = 0; j < n; ++j) {
      grad_o[j] = dh[j] * g[j];
      grad_c[j] = carried[j] + dh[j] * now.o[j] * slope[j];
    }
    if (a.x_skip != nullptr) {
      const T* __restrict x = a.x_skip + at;
      T* __restrict dx = grads.x_skip + at;
      for (std::int64_t j = 0; j < n; ++j) {
        grad_o[j] = dh[j] * (g[j] - x[j]);
        dx[j] = dh[j] * (T(1) - now.o[j]);
      }
    }
    if (a.cell.on() && a.cell.learned)
      learned_step_loop(now.exact_c, a.cell.step, a.cell.qmax, grad_c, step_sum, n);
    const T* __restrict mask = a.keep_mask != nullptr ? a.keep_mask + at : nullptr;
    const bool ifo = a.gates == 4;
    T* __restrict du = grads.u + frame * a.gates * hidden + begin;
    for (std::int64_t j = 0; j < n; ++j) {
      const T z = now.exact_z[j];
      du[j] = grad_c[j] * now.i[j] * (a.tanh_in ? T(1) - z * z : T(1));
      bias_sum[0][j] += du[j];
      carried[j] = grad_c[j] * now.f[j];
    }
    T* __restrict du_f = du + hidden;
    T* __restrict du_o = du_f + hidden;
    for (std::int64_t j = 0; j < n; ++j) {
      const T f = now.exact_f[j], o = now.exact_o[j], m = mask != nullptr ? mask[j] : T(1);
      const T grad_f = grad_c[j] * (ifo ? before[j] : before[j] - now.z[j]);
      du_f[j] = grad_f * m * f * (T(1) - f);
      du_o[j] = grad_o[j] * o * (T(1) - o);
      bias_sum[1][j] += du_f[j];
      bias_sum[2][j] += du_o[j];
    }
    if (ifo) {
      T* __restrict du_i = du_o + hidden;
      for (std::int64_t j = 0; j < n; ++j) {
        const T i = now.exact_i[j], m = mask != nullptr ? mask[j] : T(1);
        du_i[j] = grad_c[j] * now.z[j] * m * i * (T(1) - i);
        bias_sum[3][j] += du_i[j];
      }
    }
  }
  for (std::int64_t t = a.lengths[row]; t < a.frames; ++t) {
    const std::int64_t frame = t * a.batch + row;
    for (std::int64_t j = begin; j < end; ++j) {
      if (a.x_skip != nullptr) grads.x_skip[frame * hidden + j] = 0;
      for (std::int64_t k = 0; k < a.gates; ++k) grads.u[(frame * a.gates + k) * hidden + j] = 0;
    }
  }
  double total = 0;
  for (std::int64_t j = 0; j < n; ++j) {
    grads.c0[row * hidden + begin + j] = carried[j];
    for (std::int64_t k = 0; k < a.gates; ++k) bias[k * hidden + begin + j] = bias_sum[k][j];
    total += static_cast<double>(step_sum[j]);
  }
  *cell_step = total;
}

#define SPEECHQ_INSTANTIATE(T)                                                                               \
  template void qrnn_forward_row(const Qrnn<T>&, T*, T*, T*, std::int64_t, std::int64_t, std::int64_t);      \
  template void qrnn_backward_row(const Qrnn<T>&, const T*, const T*, const T*, const QrnnGradients<T>&, T*, \
                                  double*, std::int64_t, std::int64_t, std::int64_t);
SPEECHQ_INSTANTIATE(float)
SPEECHQ_INSTANTIATE(double)

}  // namespace speechq::training::SPEECHQ_ISA
