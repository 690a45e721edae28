#include "training/sru_kernel.h"

#include "training/math.h"

namespace speechq::training::SPEECHQ_ISA {

template <class T>
void sru_forward_row(const Sru<T>& a, T* h, T* c, T* c_last, std::int64_t row, std::int64_t begin,
                     std::int64_t end) {
  choose_flags(
      [&](auto with_tanh, auto with_gates, auto with_cell) {
        const std::int64_t n = end - begin, hidden = a.hidden;
        const T* __restrict vf = a.v + begin;
        const T* __restrict vr = vf + hidden;
        const T* __restrict bf = a.bias + begin;
        const T* __restrict br = bf + hidden;
        const T gate_step = T(1) / a.gate_qmax, gate_qmax = a.gate_qmax, scale = a.scale_x;
        const T cell_step = a.cell.step, cell_qmax = a.cell.qmax;
        T state[kUnits];
        for (std::int64_t j = 0; j < n; ++j) state[j] = a.c0[row * hidden + begin + j];
        for (std::int64_t t = 0; t < a.lengths[row]; ++t) {
          const std::int64_t frame = t * a.batch + row;
          const T* __restrict u0 = a.u + frame * 3 * hidden + begin;
          const T* __restrict u1 = u0 + hidden;
          const T* __restrict u2 = u1 + hidden;
          const T* __restrict x = a.x_skip + frame * hidden + begin;
          T* __restrict out = h + frame * hidden + begin;
          T* __restrict cells = c + frame * hidden + begin;
          SPEECHQ_VECTORIZE
          for (std::int64_t j = 0; j < n; ++j) {
            const T old = state[j];
            const T f =
                maybe_quantized<with_gates.value>(sigmoid(u1[j] + vf[j] * old + bf[j]), gate_step, gate_qmax);
            const T r =
                maybe_quantized<with_gates.value>(sigmoid(u2[j] + vr[j] * old + br[j]), gate_step, gate_qmax);
            const T now =
                maybe_quantized<with_cell.value>(f * old + (T(1) - f) * u0[j], cell_step, cell_qmax);
            T g = now;
            if constexpr (with_tanh.value)
              g = maybe_quantized<with_gates.value>(tanh_of(now), gate_step, gate_qmax);
            state[j] = now;
            cells[j] = now;
            out[j] = r * g + (T(1) - r) * (scale * x[j]);
          }
        }
        for (std::int64_t t = a.lengths[row]; t < a.frames; ++t)
          for (std::int64_t j = 0; j < n; ++j)
            h[(t * a.batch + row) * hidden + begin + j] = c[(t * a.batch + row) * hidden + begin + j] = 0;
        for (std::int64_t j = 0; j < n; ++j) c_last[row * hidden + begin + j] = state[j];
      },
      a.tanh, a.gate_qmax > 0, a.cell.on());
}

template <class T>
void sru_backward_row(const Sru<T>& a, const T* c, const T* grad_h, const T* grad_c_last,
                      const SruGradients<T>& grads, const SruRowSums<T>& sums, std::int64_t row,
                      std::int64_t begin, std::int64_t end) {
  choose_flags(
      [&](auto with_tanh, auto with_gates, auto with_cell, auto learned) {
        const std::int64_t n = end - begin, hidden = a.hidden;
        const T* __restrict vf = a.v + begin;
        const T* __restrict vr = vf + hidden;
        const T* __restrict bf = a.bias + begin;
        const T* __restrict br = bf + hidden;
        const T gate_step = T(1) / a.gate_qmax, gate_qmax = a.gate_qmax, scale = a.scale_x;
        const T cell_step = a.cell.step, cell_qmax = a.cell.qmax;
        T carried[kUnits], dvf[kUnits], dvr[kUnits], dbf[kUnits], dbr[kUnits], dstep[kUnits];
        for (std::int64_t j = 0; j < n; ++j) {
          carried[j] = grad_c_last[row * hidden + begin + j];
          dvf[j] = dvr[j] = dbf[j] = dbr[j] = dstep[j] = 0;
        }
        for (std::int64_t t = a.lengths[row] - 1; t >= 0; --t) {
          const std::int64_t frame = t * a.batch + row;
          const T* __restrict u0 = a.u + frame * 3 * hidden + begin;
          const T* __restrict u1 = u0 + hidden;
          const T* __restrict u2 = u1 + hidden;
          const T* __restrict x = a.x_skip + frame * hidden + begin;
          const T* __restrict cells = c + frame * hidden + begin;
          const T* __restrict before = t > 0 ? cells - a.batch * hidden : a.c0 + row * hidden + begin;
          const T* __restrict dh = grad_h + frame * hidden + begin;
          T* __restrict du0 = grads.u + frame * 3 * hidden + begin;
          T* __restrict du1 = du0 + hidden;
          T* __restrict du2 = du1 + hidden;
          T* __restrict dx = grads.x_skip + frame * hidden + begin;
          SPEECHQ_VECTORIZE
          for (std::int64_t j = 0; j < n; ++j) {
            const T old = before[j], now = cells[j];
            const T exact_f = sigmoid(u1[j] + vf[j] * old + bf[j]);
            const T exact_r = sigmoid(u2[j] + vr[j] * old + br[j]);
            const T f = maybe_quantized<with_gates.value>(exact_f, gate_step, gate_qmax);
            const T r = maybe_quantized<with_gates.value>(exact_r, gate_step, gate_qmax);
            T g = now, slope = 1;
            if constexpr (with_tanh.value) {
              g = tanh_of(now);
              slope = T(1) - g * g;
              g = maybe_quantized<with_gates.value>(g, gate_step, gate_qmax);
            }
            const T dr = dh[j] * (g - scale * x[j]);
            dx[j] = dh[j] * (T(1) - r) * scale;
            T dc = carried[j] + dh[j] * r * slope;
            if constexpr (with_cell.value && learned.value) {
              const T exact = f * old + (T(1) - f) * u0[j];
              dstep[j] += dc * step_slope(exact, cell_step, cell_qmax);
              dc = saturated(exact, cell_step, cell_qmax) ? T(0) : dc;
            }
            const T df = dc * (old - u0[j]) * exact_f * (T(1) - exact_f);
            const T dpre_r = dr * exact_r * (T(1) - exact_r);
            du0[j] = dc * (T(1) - f);
            du1[j] = df;
            du2[j] = dpre_r;
            dbf[j] += df;
            dbr[j] += dpre_r;
            dvf[j] += df * old;
            dvr[j] += dpre_r * old;
            carried[j] = dc * f + vf[j] * df + vr[j] * dpre_r;
          }
        }
        for (std::int64_t t = a.lengths[row]; t < a.frames; ++t) {
          const std::int64_t frame = t * a.batch + row;
          for (std::int64_t j = begin; j < end; ++j) {
            grads.x_skip[frame * hidden + j] = 0;
            for (int k = 0; k < 3; ++k) grads.u[(frame * 3 + k) * hidden + j] = 0;
          }
        }
        double total = 0;
        for (std::int64_t j = 0; j < n; ++j) {
          grads.c0[row * hidden + begin + j] = carried[j];
          sums.v[begin + j] = dvf[j];
          sums.v[hidden + begin + j] = dvr[j];
          sums.bias[begin + j] = dbf[j];
          sums.bias[hidden + begin + j] = dbr[j];
          total += static_cast<double>(dstep[j]);
        }
        sums.cell_step[begin / kUnits] = total;
      },
      a.tanh, a.gate_qmax > 0, a.cell.on(), a.cell.learned);
}

#define SPEECHQ_INSTANTIATE(T)                                                                        \
  template void sru_forward_row(const Sru<T>&, T*, T*, T*, std::int64_t, std::int64_t, std::int64_t); \
  template void sru_backward_row(const Sru<T>&, const T*, const T*, const T*, const SruGradients<T>&, \
                                 const SruRowSums<T>&, std::int64_t, std::int64_t, std::int64_t);
SPEECHQ_INSTANTIATE(float)
SPEECHQ_INSTANTIATE(double)

}  // namespace speechq::training::SPEECHQ_ISA
