#include "support.h"
#include "training/qrnn.h"

using namespace speechq::training;
using namespace speechq::testing;

namespace {

template <class T>
struct Example {
  std::int64_t frames, batch, gates, hidden;
  std::vector<std::int64_t> lengths;
  Values<T> u, bias, c0, x, mask, grad_h, grad_c;
  Values<T> h, c, c_last;
  Values<T> grad_u, grad_bias, grad_c0, grad_x, grad_step;
  bool tanh_in = true, tanh_out = false, highway = false, masked = false;
  T gate_qmax = 0;
  Grid<T> cell;

  Example(std::int64_t frames, std::vector<std::int64_t> row_lengths, std::int64_t gates, std::int64_t hidden)
      : frames(frames),
        batch(static_cast<std::int64_t>(row_lengths.size())),
        gates(gates),
        hidden(hidden),
        lengths(row_lengths),
        u(random_values<T>(frames * batch * gates * hidden, 1)),
        bias(random_values<T>(gates * hidden, 2)),
        c0(random_values<T>(batch * hidden, 3)),
        x(random_values<T>(frames * batch * hidden, 4)),
        mask(random_values<T>(x.size(), 5)),
        grad_h(random_values<T>(x.size(), 6)),
        grad_c(random_values<T>(c0.size(), 7)),
        h(x.size()),
        c(x.size()),
        c_last(c0.size()),
        grad_u(u.size()),
        grad_bias(bias.size()),
        grad_c0(c0.size()),
        grad_x(x.size()),
        grad_step(1) {
    for (T& value : mask) value = value > 0 ? T(1) : T(0);
  }

  Qrnn<T> problem() const {
    return {frames,
            batch,
            gates,
            hidden,
            u.data(),
            bias.data(),
            c0.data(),
            highway ? x.data() : nullptr,
            masked ? mask.data() : nullptr,
            lengths.data(),
            tanh_in,
            tanh_out,
            gate_qmax,
            cell};
  }
  double forward(int threads = 1) {
    qrnn_forward(problem(), h.data(), c.data(), c_last.data(), threads);
    return dot(h, grad_h) + dot(c_last, grad_c);
  }
  void backward(int threads = 1) {
    qrnn_backward(problem(), c.data(), grad_h.data(), grad_c.data(),
                  QrnnGradients<T>{grad_u.data(), grad_bias.data(), grad_c0.data(),
                                   highway ? grad_x.data() : nullptr, grad_step.data()},
                  threads);
  }
};

}  // namespace

TEST_CASE("QRNN gradients are those of finite differences") {
  for (int options = 0; options < 32; ++options) {
    CAPTURE(options);
    Example<double> a(6, {6, 0, 3, 1}, options & 1 ? 4 : 3, 19);
    a.tanh_in = options & 2;
    a.tanh_out = options & 4;
    a.highway = options & 8;
    a.masked = options & 16;
    a.forward();
    a.backward();
    const auto check = [&](Values<double>& values, const Values<double>& gradient, unsigned seed) {
      const Values<double> direction = random_values<double>(values.size(), seed);
      CHECK(close(slope_along(values, direction, [&] { return a.forward(); }), dot(gradient, direction)));
    };
    check(a.u, a.grad_u, 11);
    check(a.bias, a.grad_bias, 12);
    check(a.c0, a.grad_c0, 13);
    if (a.highway) check(a.x, a.grad_x, 14);
  }
}

TEST_CASE("QRNN: same bits for every instruction set and number of threads, zeros in the padding") {
  for (std::int64_t hidden : {1, 17, 64, 300})
    for (std::int64_t gates : {3, 4}) {
      CAPTURE(hidden);
      CAPTURE(gates);
      Example<float> first(5, {5, 2, 0, 4}, gates, hidden);
      first.gate_qmax = hidden == 64 ? 0 : 127;
      first.cell = {0.125f, 15, true};
      first.highway = first.tanh_out = hidden == 17;
      first.masked = gates == 4;
      first.forward();
      first.backward();
      CHECK(padding_is_zero(first.h, 5, 4, first.lengths, hidden));
      CHECK(padding_is_zero(first.grad_u, 5, 4, first.lengths, gates * hidden));
      for_each_isa([&] {
        for (int threads : {1, 2}) {
          Example<float> a = first;
          for (Values<float>* values : {&a.h, &a.c_last, &a.grad_u, &a.grad_c0})
            values->assign(values->size(), 9.0f);
          a.forward(threads);
          a.backward(threads);
          CHECK(a.h == first.h);
          CHECK(a.c_last == first.c_last);
          CHECK(a.grad_u == first.grad_u);
          CHECK(a.grad_bias == first.grad_bias);
          CHECK(a.grad_c0 == first.grad_c0);
          CHECK(a.grad_step == first.grad_step);
        }
      });
    }
}
