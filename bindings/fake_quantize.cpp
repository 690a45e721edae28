#include "training/fake_quantize.h"

#include "arrays.h"
#include "bind.h"

namespace speechq::bindings {
namespace {

template <class T>
training::FakeQuantize<T> problem(const Input& x, const Input& steps, std::int64_t qmax) {
  const std::int64_t outer = extent(x, 0, 3, "x"), rows = extent(x, 1, 3, "x"), inner = extent(x, 2, 3, "x");
  return {input<T>(x, {outer, rows, inner}, "x"),
          input<T>(steps, {rows}, "steps"),
          outer,
          rows,
          inner,
          static_cast<T>(qmax)};
}

void forward(const Input& x, const Input& steps, std::int64_t qmax, const Output& out, int threads) {
  with_number(x, "x", [&](auto number) {
    using T = decltype(number);
    const auto a = problem<T>(x, steps, qmax);
    T* result = output<T>(out, {a.outer, a.rows, a.inner}, "out");
    nb::gil_scoped_release release;
    training::fake_quantize(a, result, threads);
  });
}

void backward(const Input& x, const Input& steps, std::int64_t qmax, const Input& grad, const Output& grad_x,
              const Output& grad_steps, int threads) {
  with_number(x, "x", [&](auto number) {
    using T = decltype(number);
    const auto a = problem<T>(x, steps, qmax);
    const T* g = input<T>(grad, {a.outer, a.rows, a.inner}, "grad");
    T* gx = output<T>(grad_x, {a.outer, a.rows, a.inner}, "grad_x");
    T* gs = output<T>(grad_steps, {a.rows}, "grad_steps");
    nb::gil_scoped_release release;
    training::fake_quantize_backward(a, g, gx, gs, threads);
  });
}

}  // namespace

void bind_fake_quantize(nb::module_& m) {
  m.def("fake_quantize", &forward, nb::arg("x").noconvert(), nb::arg("steps").noconvert(), nb::arg("qmax"),
        nb::arg("out").noconvert(), nb::arg("threads"));
  m.def("fake_quantize_backward", &backward, nb::arg("x").noconvert(), nb::arg("steps").noconvert(),
        nb::arg("qmax"), nb::arg("grad").noconvert(), nb::arg("grad_x").noconvert(),
        nb::arg("grad_steps").noconvert(), nb::arg("threads"));
}

}  // namespace speechq::bindings
