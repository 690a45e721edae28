#include "training/lstm_kernel.h"

#include "training/math.h"

namespace speechq::training::SPEECHQ_ISA {
namespace {

// Tells the compiler the usual number of units, so that its loops need no remainder.
template <class F>
SPEECHQ_INLINE void with_count(std::int64_t n, const F& f) {
  if (n == 16)
    f(16);
  else if (n == 32)
    f(32);
  else
    f(n);
}

}  // namespace

template <class T>
void lstm_forward_row(const LstmCell<T>& a, const LstmForwardRow<T>& x) {
  choose_flags(
      [&](auto with_gates, auto with_cell, auto with_output) {
        with_count(a.n, [&](std::int64_t n) __attribute__((always_inline)) {
          const T* __restrict ui = x.u;
          const T* __restrict uf = ui + a.hidden;
          const T* __restrict ug = uf + a.hidden;
          const T* __restrict uo = ug + a.hidden;
          const T* __restrict pi = x.products;
          const T* __restrict pf = pi + x.stride;
          const T* __restrict pg = pf + x.stride;
          const T* __restrict po = pg + x.stride;
          const T* __restrict wi = a.peepholes;
          const T* __restrict wf = wi + a.hidden;
          const T* __restrict wo = wf + a.hidden;
          const T* __restrict before = x.before;
          T* __restrict gi = x.gates;
          T* __restrict gf = gi + a.hidden;
          T* __restrict gg = gf + a.hidden;
          T* __restrict go = gg + a.hidden;
          T* __restrict c = x.c;
          const T gate_step = T(1) / a.gate_qmax, gate_qmax = a.gate_qmax;
          const T cell_step = a.cell.step, cell_qmax = a.cell.qmax;
          const T output_step = a.output.step, output_qmax = a.output.qmax;
          T rs[32], hs[32];
          SPEECHQ_VECTORIZE
          for (std::int64_t j = 0; j < n; ++j) {
            const T old = before[j];
            const T i = sigmoid(ui[j] + pi[j] + wi[j] * old);
            const T f = sigmoid(uf[j] + pf[j] + wf[j] * old);
            const T g = tanh_of(ug[j] + pg[j]);
            const T exact_c = maybe_quantized<with_gates.value>(f, gate_step, gate_qmax) * old +
                              maybe_quantized<with_gates.value>(i, gate_step, gate_qmax) *
                                  maybe_quantized<with_gates.value>(g, gate_step, gate_qmax);
            const T now = maybe_quantized<with_cell.value>(exact_c, cell_step, cell_qmax);
            const T o = sigmoid(uo[j] + po[j] + wo[j] * now);
            const T r = maybe_quantized<with_gates.value>(tanh_of(now), gate_step, gate_qmax);
            gi[j] = i;
            gf[j] = f;
            gg[j] = g;
            go[j] = o;
            c[j] = now;
            rs[j] = r;
            hs[j] = maybe_quantized<with_output.value>(
                maybe_quantized<with_gates.value>(o, gate_step, gate_qmax) * r, output_step, output_qmax);
          }
          if (x.r != nullptr) __builtin_memcpy(x.r, rs, static_cast<std::size_t>(n) * sizeof(T));
          if (x.h != nullptr) __builtin_memcpy(x.h, hs, static_cast<std::size_t>(n) * sizeof(T));
        });
      },
      a.gate_qmax > 0, a.cell.on(), a.output.on());
}

template <class T>
void lstm_output_row(const LstmCell<T>& a, const T* __restrict exact_o, const T* __restrict factor,
                     T* __restrict h) {
  choose_flags(
      [&](auto with_gates, auto with_output) {
        const T gate_step = T(1) / a.gate_qmax, gate_qmax = a.gate_qmax;
        for (std::int64_t j = 0; j < a.n; ++j)
          h[j] = maybe_quantized<with_output.value>(
              maybe_quantized<with_gates.value>(exact_o[j], gate_step, gate_qmax) * factor[j], a.output.step,
              a.output.qmax);
      },
      a.gate_qmax > 0, a.output.on());
}

template <class T>
void lstm_backward_output_row(const LstmCell<T>& a, const LstmBackwardRow<T>& x) {
  choose_flags(
      [&](auto with_gates, auto with_output, auto own_factor) {
        with_count(a.n, [&](std::int64_t n) __attribute__((always_inline)) {
          const T* __restrict exact_os = x.gates + 3 * a.hidden;
          const T* __restrict c = x.c;
          const T* __restrict factors = x.factor;
          T* __restrict grad_h = x.grad_h;
          T* __restrict grad_r = x.grad_r;
          T* __restrict grad_o = x.grad_u + 3 * a.hidden;
          T* __restrict step_sum = x.output_step;
          const T gate_step = T(1) / a.gate_qmax, gate_qmax = a.gate_qmax;
          SPEECHQ_VECTORIZE
          for (std::int64_t j = 0; j < n; ++j) {
            const T exact_o = exact_os[j],
                    o = maybe_quantized<with_gates.value>(exact_o, gate_step, gate_qmax);
            T factor;
            if constexpr (own_factor.value)
              factor = factors[j];
            else
              factor = maybe_quantized<with_gates.value>(tanh_of(c[j]), gate_step, gate_qmax);
            T grad = grad_h[j];
            if constexpr (with_output.value) {
              const T exact = o * factor;
              step_sum[j] += grad * step_slope(exact, a.output.step, a.output.qmax);
              grad = saturated(exact, a.output.step, a.output.qmax) ? T(0) : grad;
            }
            grad_r[j] = grad * o;
            grad_o[j] = grad * factor * exact_o * (T(1) - exact_o);
          }
        });
      },
      a.gate_qmax > 0, a.output.on() && a.output.learned, x.factor != nullptr);
}

template <class T>
void lstm_backward_cell_row(const LstmCell<T>& a, const LstmBackwardRow<T>& x) {
  choose_flags(
      [&](auto with_gates, auto with_cell) {
        with_count(a.n, [&](std::int64_t n) __attribute__((always_inline)) {
          const T* __restrict is = x.gates;
          const T* __restrict fs = is + a.hidden;
          const T* __restrict gs = fs + a.hidden;
          const T* __restrict c = x.c;
          const T* __restrict before = x.before;
          const T* __restrict grad_r = x.grad_r;
          const T* __restrict wi = a.peepholes;
          const T* __restrict wf = wi + a.hidden;
          const T* __restrict wo = wf + a.hidden;
          T* __restrict grad_i = x.grad_u;
          T* __restrict grad_f = grad_i + a.hidden;
          T* __restrict grad_g = grad_f + a.hidden;
          T* __restrict grad_o = grad_g + a.hidden;
          T* __restrict carried = x.carried;
          T* __restrict sum_i = x.peepholes;
          T* __restrict sum_f = sum_i + a.hidden;
          T* __restrict sum_o = sum_f + a.hidden;
          T* __restrict step_sum = x.cell_step;
          const T gate_step = T(1) / a.gate_qmax, gate_qmax = a.gate_qmax;
          SPEECHQ_VECTORIZE
          for (std::int64_t j = 0; j < n; ++j) {
            const T exact_i = is[j], exact_f = fs[j], exact_g = gs[j], now = c[j], old = before[j];
            const T i = maybe_quantized<with_gates.value>(exact_i, gate_step, gate_qmax);
            const T f = maybe_quantized<with_gates.value>(exact_f, gate_step, gate_qmax);
            const T g = maybe_quantized<with_gates.value>(exact_g, gate_step, gate_qmax);
            const T r = tanh_of(now);
            T grad = carried[j] + grad_r[j] * (T(1) - r * r) + wo[j] * grad_o[j];
            sum_o[j] += grad_o[j] * now;
            if constexpr (with_cell.value) {
              const T exact = f * old + i * g;
              step_sum[j] += grad * step_slope(exact, a.cell.step, a.cell.qmax);
              grad = saturated(exact, a.cell.step, a.cell.qmax) ? T(0) : grad;
            }
            const T to_i = grad * g * exact_i * (T(1) - exact_i);
            const T to_f = grad * old * exact_f * (T(1) - exact_f);
            grad_i[j] = to_i;
            grad_f[j] = to_f;
            grad_g[j] = grad * i * (T(1) - exact_g * exact_g);
            sum_i[j] += to_i * old;
            sum_f[j] += to_f * old;
            carried[j] = grad * f + wi[j] * to_i + wf[j] * to_f;
          }
        });
      },
      a.gate_qmax > 0, a.cell.on() && a.cell.learned);
}

#define SPEECHQ_INSTANTIATE(T)                                                           \
  template void lstm_forward_row(const LstmCell<T>&, const LstmForwardRow<T>&);          \
  template void lstm_output_row(const LstmCell<T>&, const T*, const T*, T*);             \
  template void lstm_backward_output_row(const LstmCell<T>&, const LstmBackwardRow<T>&); \
  template void lstm_backward_cell_row(const LstmCell<T>&, const LstmBackwardRow<T>&);
SPEECHQ_INSTANTIATE(float)
SPEECHQ_INSTANTIATE(double)

}  // namespace speechq::training::SPEECHQ_ISA
