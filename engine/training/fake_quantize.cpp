#include "training/fake_quantize.h"

#include <algorithm>
#include <vector>

#include "base/pool.h"
#include "training/fake_quantize_kernel.h"

namespace speechq::training {
namespace {

constexpr std::int64_t kTile = 16384;  // elements: some microseconds of work

std::int64_t divided_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// The runs of equal step, cut into pieces of at most kTile, a tile being as many whole pieces as reach kTile.
// The cutting depends on the shape only, so that sums over pieces always have the same order.
template <class T>
struct Pieces {
  explicit Pieces(const FakeQuantize<T>& a)
      : inner(a.inner),
        rows(a.rows),
        per_run(divided_up(a.inner, kTile)),
        count(a.outer * a.rows * per_run),
        per_tile(std::max<std::int64_t>(1, kTile / std::max<std::int64_t>(1, a.inner))) {}

  std::int64_t tiles() const { return divided_up(count, per_tile); }

  // f(piece, row, begin, length) for the pieces of a tile
  template <class F>
  void visit(std::int64_t tile, const F& f) const {
    for (std::int64_t piece = tile * per_tile; piece < std::min(count, (tile + 1) * per_tile); ++piece) {
      const std::int64_t run = piece / per_run, offset = piece % per_run * kTile;
      f(piece, run % rows, run * inner + offset, std::min(kTile, inner - offset));
    }
  }

  std::int64_t inner, rows, per_run, count, per_tile;
};

template <class T>
bool by_columns(const FakeQuantize<T>& a) {
  return a.inner == 1 && a.rows > 1;
}

template <class T>
std::int64_t rows_per_column_tile(const FakeQuantize<T>& a) {
  return std::max<std::int64_t>(1, kTile / a.rows);
}

}  // namespace

template <class T>
void fake_quantize(const FakeQuantize<T>& a, T* out, int threads) {
  if (by_columns(a)) {
    const auto kernel = SPEECHQ_KERNEL(quantize_columns<T>);
    const std::int64_t group = rows_per_column_tile(a);
    for_tiles(divided_up(a.outer, group), threads, [&](std::int64_t tile) {
      for (std::int64_t i = tile * group; i < std::min(a.outer, (tile + 1) * group); ++i)
        kernel(a.x + i * a.rows, a.steps, a.qmax, out + i * a.rows, a.rows);
    });
    return;
  }
  const auto kernel = SPEECHQ_KERNEL(quantize_run<T>);
  const Pieces<T> pieces(a);
  for_tiles(pieces.tiles(), threads, [&](std::int64_t tile) {
    pieces.visit(tile, [&](std::int64_t, std::int64_t row, std::int64_t begin, std::int64_t n) {
      kernel(a.x + begin, a.steps[row], a.qmax, out + begin, n);
    });
  });
}

template <class T>
void fake_quantize_backward(const FakeQuantize<T>& a, const T* grad, T* grad_x, T* grad_steps, int threads) {
  std::vector<double> sums(static_cast<std::size_t>(a.rows), 0.0);
  if (by_columns(a)) {
    const auto kernel = SPEECHQ_KERNEL(quantize_columns_backward<T>);
    const std::int64_t group = rows_per_column_tile(a), tiles = divided_up(a.outer, group);
    std::vector<T> partial(static_cast<std::size_t>(tiles * a.rows), T(0));
    for_tiles(tiles, threads, [&](std::int64_t tile) {
      for (std::int64_t i = tile * group; i < std::min(a.outer, (tile + 1) * group); ++i)
        kernel(a.x + i * a.rows, a.steps, a.qmax, grad + i * a.rows, grad_x + i * a.rows,
               partial.data() + tile * a.rows, a.rows);
    });
    for (std::int64_t tile = 0; tile < tiles; ++tile)
      for (std::int64_t row = 0; row < a.rows; ++row) sums[row] += partial[tile * a.rows + row];
  } else {
    const auto kernel = SPEECHQ_KERNEL(quantize_run_backward<T>);
    const Pieces<T> pieces(a);
    std::vector<double> partial(static_cast<std::size_t>(pieces.count), 0.0);
    for_tiles(pieces.tiles(), threads, [&](std::int64_t tile) {
      pieces.visit(tile, [&](std::int64_t piece, std::int64_t row, std::int64_t begin, std::int64_t n) {
        partial[piece] = kernel(a.x + begin, a.steps[row], a.qmax, grad + begin, grad_x + begin, n);
      });
    });
    for (std::int64_t piece = 0; piece < pieces.count; ++piece)
      sums[piece / pieces.per_run % a.rows] += partial[piece];
  }
  for (std::int64_t row = 0; row < a.rows; ++row) grad_steps[row] = static_cast<T>(sums[row]);
}

#define SPEECHQ_INSTANTIATE(T)                                  \
  template void fake_quantize(const FakeQuantize<T>&, T*, int); \
  template void fake_quantize_backward(const FakeQuantize<T>&, const T*, T*, T*, int);
SPEECHQ_INSTANTIATE(float)
SPEECHQ_INSTANTIATE(double)

}  // namespace speechq::training
