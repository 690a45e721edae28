#include "training/sru.h"

#include <algorithm>
#include <vector>

#include "base/pool.h"
#include "training/sru_kernel.h"

namespace speechq::training {

template <class T>
void sru_forward(const Sru<T>& a, T* h, T* c, T* c_last, int threads) {
  const auto kernel = SPEECHQ_KERNEL(sru_forward_row<T>);
  const std::int64_t blocks = (a.hidden + kUnits - 1) / kUnits;
  for_tiles(a.batch * blocks, threads, [&](std::int64_t tile) {
    const std::int64_t begin = tile % blocks * kUnits;
    kernel(a, h, c, c_last, tile / blocks, begin, std::min(a.hidden, begin + kUnits));
  });
}

template <class T>
void sru_backward(const Sru<T>& a, const T* c, const T* grad_h, const T* grad_c_last,
                  const SruGradients<T>& grads, int threads) {
  const auto kernel = SPEECHQ_KERNEL(sru_backward_row<T>);
  const std::int64_t blocks = (a.hidden + kUnits - 1) / kUnits, shared = 2 * a.hidden;
  std::vector<T> v(static_cast<std::size_t>(a.batch * shared)), bias(v.size());
  std::vector<double> steps(static_cast<std::size_t>(a.batch * blocks));
  for_tiles(a.batch * blocks, threads, [&](std::int64_t tile) {
    const std::int64_t row = tile / blocks, begin = tile % blocks * kUnits;
    const SruRowSums<T> sums{v.data() + row * shared, bias.data() + row * shared,
                             steps.data() + row * blocks};
    kernel(a, c, grad_h, grad_c_last, grads, sums, row, begin, std::min(a.hidden, begin + kUnits));
  });
  std::fill(grads.v, grads.v + shared, T(0));
  std::fill(grads.bias, grads.bias + shared, T(0));
  for (std::int64_t row = 0; row < a.batch; ++row)
    for (std::int64_t j = 0; j < shared; ++j) {
      grads.v[j] += v[row * shared + j];
      grads.bias[j] += bias[row * shared + j];
    }
  double total = 0;
  for (double step : steps) total += step;
  *grads.cell_step = static_cast<T>(total);
}

#define SPEECHQ_INSTANTIATE(T)                               \
  template void sru_forward(const Sru<T>&, T*, T*, T*, int); \
  template void sru_backward(const Sru<T>&, const T*, const T*, const T*, const SruGradients<T>&, int);
SPEECHQ_INSTANTIATE(float)
SPEECHQ_INSTANTIATE(double)

}  // namespace speechq::training
