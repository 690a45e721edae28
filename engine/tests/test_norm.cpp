// Batch normalization against its definition, over instruction sets and threads; every buffer exactly as long
// as it must be.
#include "support.h"
#include "training/norm.h"

namespace speechq::testing {
namespace {

using training::Norm;

struct Case {
  std::int64_t frames, batch, features;
  Values<std::int64_t> lengths;
  Values<double> x, gain, grad;
  Norm<double> norm() const { return {x.data(), lengths.data(), frames, batch, features}; }
  bool valid(std::int64_t i) const { return i / features / batch < lengths[i / features % batch]; }
};

Case random_case(std::int64_t frames, Values<std::int64_t> lengths, std::int64_t features) {
  const auto batch = static_cast<std::int64_t>(lengths.size()), count = frames * batch * features;
  return {frames,
          batch,
          features,
          std::move(lengths),
          random_values<double>(count, 1, 2.0),
          random_values<double>(features, 2),
          random_values<double>(count, 3)};
}

TEST_CASE("batch normalization is its definition") {
  for (std::int64_t features : {1, 7, 64, 100}) {
    const Case a = random_case(70, {70, 31, 0}, features);
    Values<double> mean(features), square(features), total(features), along(features);
    for (std::size_t i = 0; i < a.x.size(); ++i)
      if (a.valid(static_cast<std::int64_t>(i))) {
        const std::size_t j = i % static_cast<std::size_t>(features);
        mean[j] += a.x[i] / 101, square[j] += a.x[i] * a.x[i] / 101, total[j] += a.grad[i];
      }
    for (std::size_t i = 0; i < a.x.size(); ++i)
      if (a.valid(static_cast<std::int64_t>(i))) {
        const std::size_t j = i % static_cast<std::size_t>(features);
        along[j] += a.grad[i] * (a.x[i] - mean[j]);
      }
    for_each_isa([&] {
      for (int threads : {1, 3}) {
        Values<double> m(features), v(features), t(features), l(features), out(a.x.size()), grad(a.x.size());
        norm_statistics(a.norm(), m.data(), v.data(), threads);
        norm_gradient_sums(a.norm(), m.data(), a.grad.data(), t.data(), l.data(), threads);
        norm_apply(a.norm(), m.data(), a.gain.data(), t.data(), out.data(), threads);
        norm_gradient(a.norm(), m.data(), a.gain.data(), t.data(), v.data(), a.grad.data(), grad.data(),
                      threads);
        for (std::size_t j = 0; j < mean.size(); ++j) {
          CHECK(close(m[j], mean[j]));
          CHECK(close(v[j], square[j] - mean[j] * mean[j]));
          CHECK(close(t[j], total[j]));
          CHECK(close(l[j], along[j]));
        }
        for (std::size_t i = 0; i < out.size(); ++i) {
          const std::size_t j = i % static_cast<std::size_t>(features);
          const bool valid = a.valid(static_cast<std::int64_t>(i));
          CHECK(close(out[i], valid ? (a.x[i] - m[j]) * a.gain[j] + t[j] : t[j]));
          CHECK(close(grad[i], valid ? (a.grad[i] - t[j] - (a.x[i] - m[j]) * v[j]) * a.gain[j] : 0));
        }
      }
    });
  }
}

TEST_CASE("the statistics of nothing are zero") {
  const Case a = random_case(3, {0, 0}, 5);
  Values<double> mean(5), variance(5);
  norm_statistics(a.norm(), mean.data(), variance.data(), 1);
  CHECK(mean == Values<double>(5));
  CHECK(variance == Values<double>(5));
}

}  // namespace
}  // namespace speechq::testing
