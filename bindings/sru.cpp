#include "training/sru.h"

#include "arrays.h"
#include "bind.h"

namespace speechq::bindings {
namespace {

template <class T>
training::Sru<T> problem(const Input& u, const Input& x_skip, const Input& v, const Input& bias,
                         const Input& c0, const Input& lengths, bool tanh, double scale_x,
                         const std::optional<GridTuple>& cell, std::int64_t gate_qmax) {
  const std::int64_t frames = extent(u, 0, 4, "u"), batch = extent(u, 1, 4, "u"),
                     hidden = extent(u, 3, 4, "u");
  return {frames,
          batch,
          hidden,
          input<T>(u, {frames, batch, 3, hidden}, "u"),
          input<T>(x_skip, {frames, batch, hidden}, "x_skip"),
          input<T>(v, {2, hidden}, "v"),
          input<T>(bias, {2, hidden}, "bias"),
          input<T>(c0, {batch, hidden}, "c0"),
          row_lengths(lengths, frames, batch),
          tanh,
          static_cast<T>(scale_x),
          static_cast<T>(gate_qmax),
          grid<T>(cell)};
}

void forward(const Input& u, const Input& x_skip, const Input& v, const Input& bias, const Input& c0,
             const Input& lengths, bool tanh, double scale_x, std::optional<GridTuple> cell,
             std::int64_t gate_qmax, const Output& h, const Output& c, const Output& c_last, int threads) {
  with_number(u, "u", [&](auto number) {
    using T = decltype(number);
    const auto a = problem<T>(u, x_skip, v, bias, c0, lengths, tanh, scale_x, cell, gate_qmax);
    T* hs = output<T>(h, {a.frames, a.batch, a.hidden}, "h");
    T* cs = output<T>(c, {a.frames, a.batch, a.hidden}, "c");
    T* last = output<T>(c_last, {a.batch, a.hidden}, "c_last");
    nb::gil_scoped_release release;
    training::sru_forward(a, hs, cs, last, threads);
  });
}

void backward(const Input& u, const Input& x_skip, const Input& v, const Input& bias, const Input& c0,
              const Input& lengths, bool tanh, double scale_x, std::optional<GridTuple> cell,
              std::int64_t gate_qmax, const Input& c, const Input& grad_h, const Input& grad_c_last,
              const Output& grad_u, const Output& grad_x_skip, const Output& grad_v, const Output& grad_bias,
              const Output& grad_c0, const Output& grad_cell_step, int threads) {
  with_number(u, "u", [&](auto number) {
    using T = decltype(number);
    const auto a = problem<T>(u, x_skip, v, bias, c0, lengths, tanh, scale_x, cell, gate_qmax);
    const T* cs = input<T>(c, {a.frames, a.batch, a.hidden}, "c");
    const T* gh = input<T>(grad_h, {a.frames, a.batch, a.hidden}, "grad_h");
    const T* gc = input<T>(grad_c_last, {a.batch, a.hidden}, "grad_c_last");
    const training::SruGradients<T> grads{
        output<T>(grad_u, {a.frames, a.batch, 3, a.hidden}, "grad_u"),
        output<T>(grad_x_skip, {a.frames, a.batch, a.hidden}, "grad_x_skip"),
        output<T>(grad_v, {2, a.hidden}, "grad_v"),
        output<T>(grad_bias, {2, a.hidden}, "grad_bias"),
        output<T>(grad_c0, {a.batch, a.hidden}, "grad_c0"),
        output<T>(grad_cell_step, {1}, "grad_cell_step")};
    nb::gil_scoped_release release;
    training::sru_backward(a, cs, gh, gc, grads, threads);
  });
}

}  // namespace

void bind_sru(nb::module_& m) {
  m.def("sru_forward", &forward, nb::arg("u").noconvert(), nb::arg("x_skip").noconvert(),
        nb::arg("v").noconvert(), nb::arg("bias").noconvert(), nb::arg("c0").noconvert(),
        nb::arg("lengths").noconvert(), nb::arg("tanh"), nb::arg("scale_x"), nb::arg("cell").none(),
        nb::arg("gate_qmax"), nb::arg("h").noconvert(), nb::arg("c").noconvert(),
        nb::arg("c_last").noconvert(), nb::arg("threads"));
  m.def("sru_backward", &backward, nb::arg("u").noconvert(), nb::arg("x_skip").noconvert(),
        nb::arg("v").noconvert(), nb::arg("bias").noconvert(), nb::arg("c0").noconvert(),
        nb::arg("lengths").noconvert(), nb::arg("tanh"), nb::arg("scale_x"), nb::arg("cell").none(),
        nb::arg("gate_qmax"), nb::arg("c").noconvert(), nb::arg("grad_h").noconvert(),
        nb::arg("grad_c_last").noconvert(), nb::arg("grad_u").noconvert(), nb::arg("grad_x_skip").noconvert(),
        nb::arg("grad_v").noconvert(), nb::arg("grad_bias").noconvert(), nb::arg("grad_c0").noconvert(),
        nb::arg("grad_cell_step").noconvert(), nb::arg("threads"));
}

}  // namespace speechq::bindings
