#include <limits>

#include "support.h"
#include "training/fake_quantize.h"

using namespace speechq::training;
using namespace speechq::testing;

namespace {

template <class T>
T plain(T x, T step, T qmax) {
  if (!(step > 0)) return x;
  const T code = std::min(std::floor(std::abs(x) / step + T(0.5)), qmax);
  return x < 0 ? -step * code : step * code;
}

template <class T>
void check_all() {
  struct Case {
    std::int64_t outer, rows, inner;
  };
  for (const Case s : {Case{1, 1, 1}, Case{1, 1, 33}, Case{1, 1, 40001}, Case{1, 5, 17}, Case{9, 13, 1},
                       Case{400, 100, 1}, Case{2, 3, 20000}, Case{1, 700, 64}}) {
    CAPTURE(s.outer);
    CAPTURE(s.rows);
    CAPTURE(s.inner);
    const std::int64_t count = s.outer * s.rows * s.inner;
    Values<T> x = random_values<T>(count, 1), grad = random_values<T>(count, 2);
    Values<T> steps = random_values<T>(s.rows, 3, 0.2);
    for (T& step : steps) step = std::abs(step);
    if (s.rows > 2) steps[1] = 0;
    x[0] = T(0.5) * steps[0];  // a tie goes away from zero
    const FakeQuantize<T> a{x.data(), steps.data(), s.outer, s.rows, s.inner, T(7)};
    Values<T> first_steps;
    for_each_isa([&] {
      for (int threads : {1, 2}) {
        Values<T> out(x.size()), grad_x(x.size()), grad_steps(steps.size());
        fake_quantize(a, out.data(), threads);
        fake_quantize_backward(a, grad.data(), grad_x.data(), grad_steps.data(), threads);
        Values<double> sums(steps.size(), 0.0);
        bool same = true;
        for (std::int64_t i = 0; i < count; ++i) {
          const std::int64_t row = i / s.inner % s.rows;
          const T step = steps[row];
          same = same && out[i] == plain(x[i], step, a.qmax);
          const bool outside = step > 0 && std::floor(std::abs(x[i]) / step + T(0.5)) > a.qmax;
          same = same && grad_x[i] == (outside ? T(0) : grad[i]);
          if (step > 0)
            sums[row] += double(grad[i]) * (double(out[i]) / step - (outside ? 0.0 : double(x[i]) / step));
        }
        CHECK(same);
        for (std::int64_t row = 0; row < s.rows; ++row) CHECK(close(grad_steps[row], sums[row], 1e-3));
        if (first_steps.empty()) first_steps = grad_steps;
        CHECK(grad_steps == first_steps);
      }
    });
  }
}

}  // namespace

TEST_CASE("fake quantization follows the rounding rule and has its gradients, in float") {
  check_all<float>();
}
TEST_CASE("fake quantization follows the rounding rule and has its gradients, in double") {
  check_all<double>();
}

TEST_CASE("not a number stays so") {
  Values<float> x(19, std::numeric_limits<float>::quiet_NaN()), out(19);
  const float step = 0.5f;
  for_each_isa([&] {
    fake_quantize(FakeQuantize<float>{x.data(), &step, 1, 1, 19, 3.0f}, out.data(), 1);
    for (float value : out) CHECK(std::isnan(value));
  });
}
