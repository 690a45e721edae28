#include "support.h"
#include "training/lstm.h"

using namespace speechq::training;
using namespace speechq::testing;

namespace {

template <class T>
struct Example {
  std::int64_t frames, batch, hidden;
  bool residual;
  std::vector<std::int64_t> lengths;
  Values<T> u, w, peepholes, c0, h0, projection, shortcut, grad_h, grad_h_last, grad_c_last;
  Values<T> gates, c, r, sum, h, h_last, c_last;
  Values<T> grad_u, grad_peepholes, grad_c0, grad_h0, grad_shortcut, grad_steps;
  T gate_qmax = 0;
  Grid<T> cell, output;

  Example(std::int64_t frames, std::vector<std::int64_t> row_lengths, std::int64_t hidden, bool residual)
      : frames(frames),
        batch(static_cast<std::int64_t>(row_lengths.size())),
        hidden(hidden),
        residual(residual),
        lengths(row_lengths),
        u(random_values<T>(frames * batch * 4 * hidden, 1)),
        w(random_values<T>(4 * hidden * hidden, 2, 0.3)),
        peepholes(random_values<T>(3 * hidden, 3)),
        c0(random_values<T>(batch * hidden, 4)),
        h0(random_values<T>(batch * hidden, 5)),
        projection(random_values<T>(hidden * hidden, 6, 0.3)),
        shortcut(random_values<T>(frames * batch * hidden, 7)),
        grad_h(random_values<T>(shortcut.size(), 8)),
        grad_h_last(random_values<T>(h0.size(), 9)),
        grad_c_last(random_values<T>(c0.size(), 10)),
        gates(u.size()),
        c(shortcut.size()),
        r(c.size()),
        sum(c.size()),
        h(c.size()),
        h_last(h0.size()),
        c_last(c0.size()),
        grad_u(u.size()),
        grad_peepholes(peepholes.size()),
        grad_c0(c0.size()),
        grad_h0(h0.size()),
        grad_shortcut(shortcut.size()),
        grad_steps(2) {}

  Lstm<T> problem() const {
    return {frames,
            batch,
            hidden,
            u.data(),
            w.data(),
            peepholes.data(),
            c0.data(),
            h0.data(),
            lengths.data(),
            residual ? projection.data() : nullptr,
            residual ? shortcut.data() : nullptr,
            gate_qmax,
            cell,
            output};
  }
  LstmTrace<T> trace() {
    return {gates.data(), c.data(), residual ? r.data() : nullptr, residual ? sum.data() : nullptr};
  }
  double forward(int threads = 1) {
    lstm_forward(problem(), trace(), h.data(), h_last.data(), c_last.data(), threads);
    return dot(h, grad_h) + dot(h_last, grad_h_last) + dot(c_last, grad_c_last);
  }
  void backward(int threads = 1) {
    lstm_backward(problem(), trace(), grad_h.data(), grad_h_last.data(), grad_c_last.data(),
                  LstmGradients<T>{grad_u.data(), grad_peepholes.data(), grad_c0.data(), grad_h0.data(),
                                   residual ? grad_shortcut.data() : nullptr, grad_steps.data()},
                  threads);
  }
};

}  // namespace

TEST_CASE("LSTM gradients are those of finite differences") {
  for (bool residual : {false, true})
    for_each_isa([&] {
      CAPTURE(residual);
      Example<double> a(6, {6, 0, 3, 1}, 35, residual);
      a.forward();
      a.backward();
      const auto check = [&](Values<double>& values, const Values<double>& gradient, unsigned seed) {
        const Values<double> direction = random_values<double>(values.size(), seed);
        CHECK(close(slope_along(values, direction, [&] { return a.forward(); }), dot(gradient, direction)));
      };
      check(a.u, a.grad_u, 11);
      check(a.peepholes, a.grad_peepholes, 12);
      check(a.c0, a.grad_c0, 13);
      check(a.h0, a.grad_h0, 14);
      if (residual) check(a.shortcut, a.grad_shortcut, 15);
    });
}

TEST_CASE(
    "LSTM: same bits for any number of threads and alone as in a batch, close to double, zeros in the "
    "padding") {
  for (std::int64_t hidden : {1, 16, 33, 130})
    for (bool residual : {false, true})
      for_each_isa([&] {
        CAPTURE(hidden);
        CAPTURE(residual);
        const std::vector<std::int64_t> lengths{5, 2, 0, 4, 5, 5, 5, 3, 5, 5, 5, 5, 5, 1, 5};
        const std::int64_t batch = static_cast<std::int64_t>(lengths.size());
        Example<float> first(5, lengths, hidden, residual);
        first.forward();
        first.backward();
        CHECK(padding_is_zero(first.h, 5, batch, lengths, hidden));
        CHECK(padding_is_zero(first.grad_u, 5, batch, lengths, 4 * hidden));
        CHECK(padding_is_zero(first.grad_shortcut, 5, batch, lengths, hidden));
        Example<float> two = first;
        two.forward(2);
        two.backward(2);
        CHECK(two.h == first.h);
        CHECK(two.grad_u == first.grad_u);
        CHECK(two.grad_peepholes == first.grad_peepholes);
        CHECK(two.grad_h0 == first.grad_h0);

        Example<float> alone(5, {4}, hidden, residual);
        alone.w = first.w;
        alone.peepholes = first.peepholes;
        alone.projection = first.projection;
        const std::int64_t row = 3;
        const auto take = [&](Values<float>& to, const Values<float>& from, std::int64_t count,
                              std::int64_t width) {
          for (std::int64_t t = 0; t < count; ++t)
            for (std::int64_t j = 0; j < width; ++j) to[t * width + j] = from[(t * batch + row) * width + j];
        };
        take(alone.u, first.u, 5, 4 * hidden);
        take(alone.shortcut, first.shortcut, 5, hidden);
        take(alone.c0, first.c0, 1, hidden);
        take(alone.h0, first.h0, 1, hidden);
        alone.forward(2);
        Values<float> expected(alone.h.size());
        take(expected, first.h, 5, hidden);
        CHECK(alone.h == expected);

        Example<double> exact(5, lengths, hidden, residual);
        exact.forward();
        double worst = 0;
        for (std::size_t i = 0; i < exact.h.size(); ++i)
          worst = std::max(worst, std::abs(exact.h[i] - first.h[i]));
        CHECK(worst < 1e-3);
      });
}

TEST_CASE("LSTM with fixed-point signals: outputs are on their grids, and learned steps have gradients") {
  for (bool residual : {false, true}) {
    Example<float> a(7, {7, 3}, 40, residual);
    a.gate_qmax = 127;
    a.cell = {0.25f, 7, true};
    a.output = {0.125f, 5, true};
    a.forward(2);
    a.backward(2);
    for (float value : a.h) CHECK((value * 8 == std::floor(value * 8) && std::abs(value) <= 5 * 0.125f));
    for (float value : a.c) CHECK((value * 4 == std::floor(value * 4) && std::abs(value) <= 7 * 0.25f));
    CHECK(a.grad_steps[0] != 0);
    CHECK(a.grad_steps[1] != 0);
  }
}
