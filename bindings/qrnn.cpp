#include "training/qrnn.h"

#include "arrays.h"
#include "bind.h"

namespace speechq::bindings {
namespace {

template <class T>
training::Qrnn<T> problem(const Input& u, const Input& bias, const Input& c0,
                          const std::optional<Input>& x_skip, const std::optional<Input>& keep_mask,
                          const Input& lengths, bool tanh_in, bool tanh_out,
                          const std::optional<GridTuple>& cell, std::int64_t gate_qmax) {
  const std::int64_t frames = extent(u, 0, 4, "u"), batch = extent(u, 1, 4, "u"),
                     gates = extent(u, 2, 4, "u"), hidden = extent(u, 3, 4, "u");
  if (gates != 3 && gates != 4) throw std::invalid_argument("u must have 3 (fo) or 4 (ifo) gates");
  return {frames,
          batch,
          gates,
          hidden,
          input<T>(u, {frames, batch, gates, hidden}, "u"),
          input<T>(bias, {gates, hidden}, "bias"),
          input<T>(c0, {batch, hidden}, "c0"),
          input<T>(x_skip, {frames, batch, hidden}, "x_skip"),
          input<T>(keep_mask, {frames, batch, hidden}, "keep_mask"),
          row_lengths(lengths, frames, batch),
          tanh_in,
          tanh_out,
          static_cast<T>(gate_qmax),
          grid<T>(cell)};
}

void forward(const Input& u, const Input& bias, const Input& c0, std::optional<Input> x_skip,
             std::optional<Input> keep_mask, const Input& lengths, bool tanh_in, bool tanh_out,
             std::optional<GridTuple> cell, std::int64_t gate_qmax, const Output& h, const Output& c,
             const Output& c_last, int threads) {
  with_number(u, "u", [&](auto number) {
    using T = decltype(number);
    const auto a = problem<T>(u, bias, c0, x_skip, keep_mask, lengths, tanh_in, tanh_out, cell, gate_qmax);
    T* hs = output<T>(h, {a.frames, a.batch, a.hidden}, "h");
    T* cs = output<T>(c, {a.frames, a.batch, a.hidden}, "c");
    T* last = output<T>(c_last, {a.batch, a.hidden}, "c_last");
    nb::gil_scoped_release release;
    training::qrnn_forward(a, hs, cs, last, threads);
  });
}

void backward(const Input& u, const Input& bias, const Input& c0, std::optional<Input> x_skip,
              std::optional<Input> keep_mask, const Input& lengths, bool tanh_in, bool tanh_out,
              std::optional<GridTuple> cell, std::int64_t gate_qmax, const Input& c, const Input& grad_h,
              const Input& grad_c_last, const Output& grad_u, const Output& grad_bias, const Output& grad_c0,
              std::optional<Output> grad_x_skip, const Output& grad_cell_step, int threads) {
  with_number(u, "u", [&](auto number) {
    using T = decltype(number);
    const auto a = problem<T>(u, bias, c0, x_skip, keep_mask, lengths, tanh_in, tanh_out, cell, gate_qmax);
    if (x_skip.has_value() != grad_x_skip.has_value())
      throw std::invalid_argument("grad_x_skip is needed with x_skip, and only then");
    const T* cs = input<T>(c, {a.frames, a.batch, a.hidden}, "c");
    const T* gh = input<T>(grad_h, {a.frames, a.batch, a.hidden}, "grad_h");
    const T* gc = input<T>(grad_c_last, {a.batch, a.hidden}, "grad_c_last");
    const training::QrnnGradients<T> grads{
        output<T>(grad_u, {a.frames, a.batch, a.gates, a.hidden}, "grad_u"),
        output<T>(grad_bias, {a.gates, a.hidden}, "grad_bias"),
        output<T>(grad_c0, {a.batch, a.hidden}, "grad_c0"),
        grad_x_skip ? output<T>(*grad_x_skip, {a.frames, a.batch, a.hidden}, "grad_x_skip") : nullptr,
        output<T>(grad_cell_step, {1}, "grad_cell_step")};
    nb::gil_scoped_release release;
    training::qrnn_backward(a, cs, gh, gc, grads, threads);
  });
}

}  // namespace

void bind_qrnn(nb::module_& m) {
  m.def("qrnn_forward", &forward, nb::arg("u").noconvert(), nb::arg("bias").noconvert(),
        nb::arg("c0").noconvert(), nb::arg("x_skip").noconvert().none(),
        nb::arg("keep_mask").noconvert().none(), nb::arg("lengths").noconvert(), nb::arg("tanh_in"),
        nb::arg("tanh_out"), nb::arg("cell").none(), nb::arg("gate_qmax"), nb::arg("h").noconvert(),
        nb::arg("c").noconvert(), nb::arg("c_last").noconvert(), nb::arg("threads"));
  m.def("qrnn_backward", &backward, nb::arg("u").noconvert(), nb::arg("bias").noconvert(),
        nb::arg("c0").noconvert(), nb::arg("x_skip").noconvert().none(),
        nb::arg("keep_mask").noconvert().none(), nb::arg("lengths").noconvert(), nb::arg("tanh_in"),
        nb::arg("tanh_out"), nb::arg("cell").none(), nb::arg("gate_qmax"), nb::arg("c").noconvert(),
        nb::arg("grad_h").noconvert(), nb::arg("grad_c_last").noconvert(), nb::arg("grad_u").noconvert(),
        nb::arg("grad_bias").noconvert(), nb::arg("grad_c0").noconvert(),
        nb::arg("grad_x_skip").noconvert().none(), nb::arg("grad_cell_step").noconvert(), nb::arg("threads"));
}

}  // namespace speechq::bindings
