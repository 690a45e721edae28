#include "training/lstm.h"

#include "arrays.h"
#include "bind.h"

namespace speechq::bindings {
namespace {

template <class T>
training::Lstm<T> problem(const Input& u, const Input& recurrent, const Input& peepholes, const Input& c0,
                          const Input& h0, const std::optional<Input>& projection,
                          const std::optional<Input>& shortcut, const Input& lengths, std::int64_t gate_qmax,
                          const std::optional<GridTuple>& cell, const std::optional<GridTuple>& hidden_grid) {
  const std::int64_t frames = extent(u, 0, 4, "u"), batch = extent(u, 1, 4, "u"),
                     hidden = extent(u, 3, 4, "u");
  if (projection.has_value() != shortcut.has_value())
    throw std::invalid_argument("projection and shortcut go together");
  return {frames,
          batch,
          hidden,
          input<T>(u, {frames, batch, 4, hidden}, "u"),
          input<T>(recurrent, {4 * hidden, hidden}, "w_rec"),
          input<T>(peepholes, {3, hidden}, "peepholes"),
          input<T>(c0, {batch, hidden}, "c0"),
          input<T>(h0, {batch, hidden}, "h0"),
          row_lengths(lengths, frames, batch),
          input<T>(projection, {hidden, hidden}, "projection"),
          input<T>(shortcut, {frames, batch, hidden}, "shortcut"),
          static_cast<T>(gate_qmax),
          grid<T>(cell),
          grid<T>(hidden_grid)};
}

template <class T>
T* optional_output(const std::optional<Output>& array, Shape shape, const char* name) {
  return array ? output<T>(*array, shape, name) : nullptr;
}

template <class T>
training::LstmTrace<T> trace_of(const training::Lstm<T>& a, const Output& gates, const Output& c,
                                const std::optional<Output>& r, const std::optional<Output>& sum) {
  if (a.projection != nullptr && !(r && sum))
    throw std::invalid_argument("a projection needs the arrays r and sum");
  return {output<T>(gates, {a.frames, a.batch, 4, a.hidden}, "gates"),
          output<T>(c, {a.frames, a.batch, a.hidden}, "c"),
          optional_output<T>(r, {a.frames, a.batch, a.hidden}, "r"),
          optional_output<T>(sum, {a.frames, a.batch, a.hidden}, "sum")};
}

void forward(const Input& u, const Input& recurrent, const Input& peepholes, const Input& c0, const Input& h0,
             std::optional<Input> projection, std::optional<Input> shortcut, const Input& lengths,
             std::int64_t gate_qmax, std::optional<GridTuple> cell, std::optional<GridTuple> hidden_grid,
             const Output& gates, const Output& c, std::optional<Output> r, std::optional<Output> sum,
             const Output& h, const Output& h_last, const Output& c_last, int threads) {
  with_number(u, "u", [&](auto number) {
    using T = decltype(number);
    const auto a = problem<T>(u, recurrent, peepholes, c0, h0, projection, shortcut, lengths, gate_qmax, cell,
                              hidden_grid);
    const auto trace = trace_of<T>(a, gates, c, r, sum);
    T* hs = output<T>(h, {a.frames, a.batch, a.hidden}, "h");
    T* last_h = output<T>(h_last, {a.batch, a.hidden}, "h_last");
    T* last_c = output<T>(c_last, {a.batch, a.hidden}, "c_last");
    nb::gil_scoped_release release;
    training::lstm_forward(a, trace, hs, last_h, last_c, threads);
  });
}

void backward(const Input& u, const Input& recurrent, const Input& peepholes, const Input& c0,
              const Input& h0, std::optional<Input> projection, std::optional<Input> shortcut,
              const Input& lengths, std::int64_t gate_qmax, std::optional<GridTuple> cell,
              std::optional<GridTuple> hidden_grid, const Output& gates, const Output& c,
              std::optional<Output> r, std::optional<Output> sum, const Input& grad_h,
              const Input& grad_h_last, const Input& grad_c_last, const Output& grad_u,
              const Output& grad_peepholes, const Output& grad_c0, const Output& grad_h0,
              std::optional<Output> grad_shortcut, const Output& grad_steps, int threads) {
  with_number(u, "u", [&](auto number) {
    using T = decltype(number);
    const auto a = problem<T>(u, recurrent, peepholes, c0, h0, projection, shortcut, lengths, gate_qmax, cell,
                              hidden_grid);
    const auto trace = trace_of<T>(a, gates, c, r, sum);
    if (shortcut.has_value() != grad_shortcut.has_value())
      throw std::invalid_argument("grad_shortcut is needed with shortcut, and only then");
    const T* gh = input<T>(grad_h, {a.frames, a.batch, a.hidden}, "grad_h");
    const T* gh_last = input<T>(grad_h_last, {a.batch, a.hidden}, "grad_h_last");
    const T* gc_last = input<T>(grad_c_last, {a.batch, a.hidden}, "grad_c_last");
    const training::LstmGradients<T> grads{
        output<T>(grad_u, {a.frames, a.batch, 4, a.hidden}, "grad_u"),
        output<T>(grad_peepholes, {3, a.hidden}, "grad_peepholes"),
        output<T>(grad_c0, {a.batch, a.hidden}, "grad_c0"),
        output<T>(grad_h0, {a.batch, a.hidden}, "grad_h0"),
        optional_output<T>(grad_shortcut, {a.frames, a.batch, a.hidden}, "grad_shortcut"),
        output<T>(grad_steps, {2}, "grad_steps")};
    nb::gil_scoped_release release;
    training::lstm_backward(a, trace, gh, gh_last, gc_last, grads, threads);
  });
}

}  // namespace

void bind_lstm(nb::module_& m) {
  m.def("lstm_forward", &forward, nb::arg("u").noconvert(), nb::arg("w_rec").noconvert(),
        nb::arg("peepholes").noconvert(), nb::arg("c0").noconvert(), nb::arg("h0").noconvert(),
        nb::arg("projection").noconvert().none(), nb::arg("shortcut").noconvert().none(),
        nb::arg("lengths").noconvert(), nb::arg("gate_qmax"), nb::arg("cell").none(),
        nb::arg("hidden").none(), nb::arg("gates").noconvert(), nb::arg("c").noconvert(),
        nb::arg("r").noconvert().none(), nb::arg("sum").noconvert().none(), nb::arg("h").noconvert(),
        nb::arg("h_last").noconvert(), nb::arg("c_last").noconvert(), nb::arg("threads"));
  m.def("lstm_backward", &backward, nb::arg("u").noconvert(), nb::arg("w_rec").noconvert(),
        nb::arg("peepholes").noconvert(), nb::arg("c0").noconvert(), nb::arg("h0").noconvert(),
        nb::arg("projection").noconvert().none(), nb::arg("shortcut").noconvert().none(),
        nb::arg("lengths").noconvert(), nb::arg("gate_qmax"), nb::arg("cell").none(),
        nb::arg("hidden").none(), nb::arg("gates").noconvert(), nb::arg("c").noconvert(),
        nb::arg("r").noconvert().none(), nb::arg("sum").noconvert().none(), nb::arg("grad_h").noconvert(),
        nb::arg("grad_h_last").noconvert(), nb::arg("grad_c_last").noconvert(), nb::arg("grad_u").noconvert(),
        nb::arg("grad_peepholes").noconvert(), nb::arg("grad_c0").noconvert(), nb::arg("grad_h0").noconvert(),
        nb::arg("grad_shortcut").noconvert().none(), nb::arg("grad_steps").noconvert(), nb::arg("threads"));
}

}  // namespace speechq::bindings
