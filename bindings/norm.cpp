#include "training/norm.h"

#include "arrays.h"
#include "bind.h"

namespace speechq::bindings {
namespace {

template <class T>
training::Norm<T> problem(const Input& x, const Input& lengths) {
  const std::int64_t frames = extent(x, 0, 3, "x"), batch = extent(x, 1, 3, "x"),
                     features = extent(x, 2, 3, "x");
  return {input<T>(x, {frames, batch, features}, "x"), row_lengths(lengths, frames, batch), frames, batch,
          features};
}

void statistics(const Input& x, const Input& lengths, const Output& mean, const Output& variance,
                int threads) {
  with_number(x, "x", [&](auto number) {
    using T = decltype(number);
    const auto a = problem<T>(x, lengths);
    T* m = output<T>(mean, {a.features}, "mean");
    T* v = output<T>(variance, {a.features}, "variance");
    nb::gil_scoped_release release;
    training::norm_statistics(a, m, v, threads);
  });
}

void apply(const Input& x, const Input& lengths, const Input& mean, const Input& factor, const Input& shift,
           const Output& out, int threads) {
  with_number(x, "x", [&](auto number) {
    using T = decltype(number);
    const auto a = problem<T>(x, lengths);
    const T* m = input<T>(mean, {a.features}, "mean");
    const T* f = input<T>(factor, {a.features}, "factor");
    const T* s = input<T>(shift, {a.features}, "shift");
    T* result = output<T>(out, {a.frames, a.batch, a.features}, "out");
    nb::gil_scoped_release release;
    training::norm_apply(a, m, f, s, result, threads);
  });
}

void gradient_sums(const Input& x, const Input& lengths, const Input& mean, const Input& grad,
                   const Output& total, const Output& along, int threads) {
  with_number(x, "x", [&](auto number) {
    using T = decltype(number);
    const auto a = problem<T>(x, lengths);
    const T* m = input<T>(mean, {a.features}, "mean");
    const T* g = input<T>(grad, {a.frames, a.batch, a.features}, "grad");
    T* t = output<T>(total, {a.features}, "total");
    T* along_x = output<T>(along, {a.features}, "along");
    nb::gil_scoped_release release;
    training::norm_gradient_sums(a, m, g, t, along_x, threads);
  });
}

void gradient(const Input& x, const Input& lengths, const Input& mean, const Input& factor,
              const Input& level, const Input& slope, const Input& grad, const Output& grad_x, int threads) {
  with_number(x, "x", [&](auto number) {
    using T = decltype(number);
    const auto a = problem<T>(x, lengths);
    const T* m = input<T>(mean, {a.features}, "mean");
    const T* f = input<T>(factor, {a.features}, "factor");
    const T* l = input<T>(level, {a.features}, "level");
    const T* s = input<T>(slope, {a.features}, "slope");
    const T* g = input<T>(grad, {a.frames, a.batch, a.features}, "grad");
    T* gx = output<T>(grad_x, {a.frames, a.batch, a.features}, "grad_x");
    nb::gil_scoped_release release;
    training::norm_gradient(a, m, f, l, s, g, gx, threads);
  });
}

}  // namespace

void bind_norm(nb::module_& m) {
  m.def("norm_statistics", &statistics, nb::arg("x").noconvert(), nb::arg("lengths").noconvert(),
        nb::arg("mean").noconvert(), nb::arg("variance").noconvert(), nb::arg("threads"));
  m.def("norm_apply", &apply, nb::arg("x").noconvert(), nb::arg("lengths").noconvert(),
        nb::arg("mean").noconvert(), nb::arg("factor").noconvert(), nb::arg("shift").noconvert(),
        nb::arg("out").noconvert(), nb::arg("threads"));
  m.def("norm_gradient_sums", &gradient_sums, nb::arg("x").noconvert(), nb::arg("lengths").noconvert(),
        nb::arg("mean").noconvert(), nb::arg("grad").noconvert(), nb::arg("total").noconvert(),
        nb::arg("along").noconvert(), nb::arg("threads"));
  m.def("norm_gradient", &gradient, nb::arg("x").noconvert(), nb::arg("lengths").noconvert(),
        nb::arg("mean").noconvert(), nb::arg("factor").noconvert(), nb::arg("level").noconvert(),
        nb::arg("slope").noconvert(), nb::arg("grad").noconvert(), nb::arg("grad_x").noconvert(),
        nb::arg("threads"));
}

}  // namespace speechq::bindings
