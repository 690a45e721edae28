#include "training/qrnn.h"

#include <algorithm>
#include <vector>

#include "base/pool.h"
#include "training/qrnn_kernel.h"

namespace speechq::training {

template <class T>
void qrnn_forward(const Qrnn<T>& a, T* h, T* c, T* c_last, int threads) {
  const auto kernel = SPEECHQ_KERNEL(qrnn_forward_row<T>);
  const std::int64_t blocks = (a.hidden + kQrnnUnits - 1) / kQrnnUnits;
  for_tiles(a.batch * blocks, threads, [&](std::int64_t tile) {
    const std::int64_t begin = tile % blocks * kQrnnUnits;
    kernel(a, h, c, c_last, tile / blocks, begin, std::min(a.hidden, begin + kQrnnUnits));
  });
}

template <class T>
void qrnn_backward(const Qrnn<T>& a, const T* c, const T* grad_h, const T* grad_c_last,
                   const QrnnGradients<T>& grads, int threads) {
  const auto kernel = SPEECHQ_KERNEL(qrnn_backward_row<T>);
  const std::int64_t blocks = (a.hidden + kQrnnUnits - 1) / kQrnnUnits, shared = a.gates * a.hidden;
  std::vector<T> bias(static_cast<std::size_t>(a.batch * shared));
  std::vector<double> steps(static_cast<std::size_t>(a.batch * blocks));
  for_tiles(a.batch * blocks, threads, [&](std::int64_t tile) {
    const std::int64_t row = tile / blocks, begin = tile % blocks * kQrnnUnits;
    kernel(a, c, grad_h, grad_c_last, grads, bias.data() + row * shared, &steps[tile], row, begin,
           std::min(a.hidden, begin + kQrnnUnits));
  });
  std::fill(grads.bias, grads.bias + shared, T(0));
  for (std::int64_t row = 0; row < a.batch; ++row)
    for (std::int64_t j = 0; j < shared; ++j) grads.bias[j] += bias[row * shared + j];
  double total = 0;
  for (double step : steps) total += step;
  *grads.cell_step = static_cast<T>(total);
}

#define SPEECHQ_INSTANTIATE(T)                                 \
  template void qrnn_forward(const Qrnn<T>&, T*, T*, T*, int); \
  template void qrnn_backward(const Qrnn<T>&, const T*, const T*, const T*, const QrnnGradients<T>&, int);
SPEECHQ_INSTANTIATE(float)
SPEECHQ_INSTANTIATE(double)

}  // namespace speechq::training
