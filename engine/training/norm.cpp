#include "training/norm.h"

#include <algorithm>
#include <vector>

#include "base/pool.h"
#include "training/norm_kernel.h"

namespace speechq::training {
namespace {

// The cutting depends on the shape only, so that sums always have the same order; few enough that sums of
// floats lose nothing.
constexpr std::int64_t kFramesPerTile = 64;

template <class T>
std::int64_t tiles_of(const Norm<T>& a) {
  return (a.frames * a.batch + kFramesPerTile - 1) / kFramesPerTile;
}

// f(offset of a frame's features, whether the frame is valid)
template <class T, class F>
void for_frames(const Norm<T>& a, std::int64_t tile, const F& f) {
  const std::int64_t end = std::min(a.frames * a.batch, (tile + 1) * kFramesPerTile);
  for (std::int64_t i = tile * kFramesPerTile; i < end; ++i)
    f(i * a.features, i / a.batch < a.lengths[i % a.batch]);
}

// Adds up what add(offset of a valid frame, sums) puts into `sums` [width], into `out` [width], over `count`.
template <class T, class F>
void sum_up(const Norm<T>& a, std::int64_t width, double count, T* out, int threads, const F& add) {
  const std::int64_t tiles = tiles_of(a);
  std::vector<T> partial(static_cast<std::size_t>(tiles * width), T(0));
  for_tiles(tiles, threads, [&](std::int64_t tile) {
    T* sums = partial.data() + tile * width;
    for_frames(a, tile, [&](std::int64_t offset, bool valid) {
      if (valid) add(offset, sums);
    });
  });
  std::vector<double> total(static_cast<std::size_t>(width), 0.0);
  for (std::int64_t tile = 0; tile < tiles; ++tile)
    for (std::int64_t j = 0; j < width; ++j) total[j] += static_cast<double>(partial[tile * width + j]);
  for (std::int64_t j = 0; j < width; ++j) out[j] = static_cast<T>(total[j] / count);
}

}  // namespace

template <class T>
void norm_statistics(const Norm<T>& a, T* mean, T* variance, int threads) {
  const auto add = SPEECHQ_KERNEL(norm_add<T>);
  const auto add_squares = SPEECHQ_KERNEL(norm_add_squares<T>);
  std::int64_t frames = 0;
  for (std::int64_t row = 0; row < a.batch; ++row) frames += a.lengths[row];
  const auto count = static_cast<double>(std::max<std::int64_t>(1, frames));
  sum_up(a, a.features, count, mean, threads,
         [&](std::int64_t offset, T* sums) { add(a.x + offset, sums, a.features); });
  sum_up(a, a.features, count, variance, threads,
         [&](std::int64_t offset, T* sums) { add_squares(a.x + offset, mean, sums, a.features); });
}

template <class T>
void norm_apply(const Norm<T>& a, const T* mean, const T* factor, const T* shift, T* out, int threads) {
  const auto kernel = SPEECHQ_KERNEL(norm_frame<T>);
  for_tiles(tiles_of(a), threads, [&](std::int64_t tile) {
    for_frames(a, tile, [&](std::int64_t offset, bool valid) {
      if (valid)
        kernel(a.x + offset, mean, factor, shift, out + offset, a.features);
      else
        std::copy(shift, shift + a.features, out + offset);
    });
  });
}

template <class T>
void norm_gradient_sums(const Norm<T>& a, const T* mean, const T* grad, T* total, T* along, int threads) {
  const auto kernel = SPEECHQ_KERNEL(norm_add_gradients<T>);
  std::vector<T> both(static_cast<std::size_t>(2 * a.features));
  sum_up(a, 2 * a.features, 1.0, both.data(), threads, [&](std::int64_t offset, T* sums) {
    kernel(a.x + offset, mean, grad + offset, sums, sums + a.features, a.features);
  });
  std::copy(both.begin(), both.begin() + a.features, total);
  std::copy(both.begin() + a.features, both.end(), along);
}

template <class T>
void norm_gradient(const Norm<T>& a, const T* mean, const T* factor, const T* level, const T* slope,
                   const T* grad, T* grad_x, int threads) {
  const auto kernel = SPEECHQ_KERNEL(norm_gradient_frame<T>);
  for_tiles(tiles_of(a), threads, [&](std::int64_t tile) {
    for_frames(a, tile, [&](std::int64_t offset, bool valid) {
      if (valid)
        kernel(a.x + offset, mean, factor, level, slope, grad + offset, grad_x + offset, a.features);
      else
        std::fill(grad_x + offset, grad_x + offset + a.features, T(0));
    });
  });
}

#define SPEECHQ_INSTANTIATE(T)                                                       \
  template void norm_statistics(const Norm<T>&, T*, T*, int);                        \
  template void norm_apply(const Norm<T>&, const T*, const T*, const T*, T*, int);   \
  template void norm_gradient_sums(const Norm<T>&, const T*, const T*, T*, T*, int); \
  template void norm_gradient(const Norm<T>&, const T*, const T*, const T*, const T*, const T*, T*, int);
SPEECHQ_INSTANTIATE(float)
SPEECHQ_INSTANTIATE(double)

}  // namespace speechq::training
