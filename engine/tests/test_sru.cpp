#include "support.h"
#include "training/sru.h"

using namespace speechq::training;
using namespace speechq::testing;

namespace {

template <class T>
struct Example {
  std::int64_t frames, batch, hidden;
  std::vector<std::int64_t> lengths;
  Values<T> u, x, v, bias, c0, grad_h, grad_c;
  Values<T> h, c, c_last;
  Values<T> grad_u, grad_x, grad_v, grad_bias, grad_c0, grad_step;
  bool tanh = false;
  T gate_qmax = 0;
  Grid<T> cell;

  Example(std::int64_t frames, std::vector<std::int64_t> row_lengths, std::int64_t hidden)
      : frames(frames),
        batch(static_cast<std::int64_t>(row_lengths.size())),
        hidden(hidden),
        lengths(row_lengths),
        u(random_values<T>(frames * batch * 3 * hidden, 1)),
        x(random_values<T>(frames * batch * hidden, 2)),
        v(random_values<T>(2 * hidden, 3)),
        bias(random_values<T>(2 * hidden, 4)),
        c0(random_values<T>(batch * hidden, 5)),
        grad_h(random_values<T>(x.size(), 6)),
        grad_c(random_values<T>(c0.size(), 7)),
        h(x.size()),
        c(x.size()),
        c_last(c0.size()),
        grad_u(u.size()),
        grad_x(x.size()),
        grad_v(v.size()),
        grad_bias(bias.size()),
        grad_c0(c0.size()),
        grad_step(1) {}

  Sru<T> problem() const {
    return {frames,    batch,          hidden, u.data(), x.data(),  v.data(), bias.data(),
            c0.data(), lengths.data(), tanh,   T(1.3),   gate_qmax, cell};
  }
  double forward(int threads = 1) {
    sru_forward(problem(), h.data(), c.data(), c_last.data(), threads);
    return dot(h, grad_h) + dot(c_last, grad_c);
  }
  void backward(int threads = 1) {
    sru_backward(problem(), c.data(), grad_h.data(), grad_c.data(),
                 SruGradients<T>{grad_u.data(), grad_x.data(), grad_v.data(), grad_bias.data(),
                                 grad_c0.data(), grad_step.data()},
                 threads);
  }
};

}  // namespace

TEST_CASE("SRU gradients are those of finite differences") {
  for (bool tanh : {false, true}) {
    Example<double> a(6, {6, 0, 3, 1}, 19);
    a.tanh = tanh;
    a.forward();
    a.backward();
    const auto check = [&](Values<double>& values, const Values<double>& gradient, unsigned seed) {
      const Values<double> direction = random_values<double>(values.size(), seed);
      CHECK(close(slope_along(values, direction, [&] { return a.forward(); }), dot(gradient, direction)));
    };
    check(a.u, a.grad_u, 11);
    check(a.x, a.grad_x, 12);
    check(a.v, a.grad_v, 13);
    check(a.bias, a.grad_bias, 14);
    check(a.c0, a.grad_c0, 15);
  }
}

TEST_CASE(
    "SRU: same bits for every instruction set and number of threads, close to double, zeros in the padding") {
  for (std::int64_t hidden : {1, 17, 64, 300})
    for (bool fixed : {false, true}) {
      CAPTURE(hidden);
      CAPTURE(fixed);
      Example<float> first(5, {5, 2, 0, 4}, hidden);
      if (fixed) {
        first.gate_qmax = 127;
        first.cell = {0.125f, 15, true};
      }
      first.tanh = hidden == 17;
      first.forward();
      first.backward();
      CHECK(padding_is_zero(first.h, 5, 4, first.lengths, hidden));
      CHECK(padding_is_zero(first.grad_u, 5, 4, first.lengths, 3 * hidden));
      CHECK(padding_is_zero(first.grad_x, 5, 4, first.lengths, hidden));
      for_each_isa([&] {
        for (int threads : {1, 2}) {
          Example<float> a = first;
          for (Values<float>* values : {&a.h, &a.c_last, &a.grad_u, &a.grad_v, &a.grad_c0})
            values->assign(values->size(), 9.0f);
          a.forward(threads);
          a.backward(threads);
          CHECK(a.h == first.h);
          CHECK(a.c_last == first.c_last);
          CHECK(a.grad_u == first.grad_u);
          CHECK(a.grad_v == first.grad_v);
          CHECK(a.grad_bias == first.grad_bias);
          CHECK(a.grad_c0 == first.grad_c0);
          CHECK(a.grad_step == first.grad_step);
        }
      });
      if (fixed) continue;
      Example<double> exact(5, first.lengths, hidden);
      exact.tanh = first.tanh;
      exact.forward();
      for (std::size_t i = 0; i < exact.h.size(); ++i) CHECK(close(exact.h[i], first.h[i], 1e-5));
    }
}
