// A matrix packed once per call for products with the few rows of a time step, in tiles of its columns.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

#include "base/pool.h"
#include "training/product_kernel.h"

namespace speechq::training {

constexpr std::int64_t kGateTile = 16;   // units per tile of a GateMatrix, each with its four gates
constexpr std::int64_t kPlainTile = 32;  // columns per tile of a PlainMatrix

template <class T>
struct AlignedDelete {
  void operator()(T* p) const { ::operator delete(p, std::align_val_t(64)); }
};
template <class T>
using AlignedArray = std::unique_ptr<T[], AlignedDelete<T>>;
template <class T>
AlignedArray<T> aligned_array(std::int64_t count) {
  return AlignedArray<T>(
      static_cast<T*>(::operator new(static_cast<std::size_t>(count) * sizeof(T), std::align_val_t(64))));
}

// Shared by both: tiles * tile columns (padded with zeros), cut into panels of `vectors` vectors.
template <class T, int Vectors, std::int64_t Tile>
class PackedMatrix {
 public:
  using Kernel = void (*)(const T* const*, int, const T*, std::int64_t, T*, std::int64_t, std::int64_t);

  // value(k, vector group's column): see the two makers below.
  template <class Value>
  PackedMatrix(std::int64_t columns, std::int64_t depth, int lanes, int most_rows, Kernel kernel, int threads,
               const Value& value)
      : columns_(columns),
        depth_(depth),
        lanes_(lanes),
        most_rows_(most_rows),
        kernel_(kernel),
        panel_columns_(Vectors == 4 ? lanes : Vectors * lanes),
        panels_((Tile + panel_columns_ - 1) / panel_columns_),
        data_(aligned_array<T>(tiles() * panels_ * depth * Vectors * lanes)) {
    for_tiles(tiles() * panels_, threads, [&](std::int64_t panel) {
      T* to = data_.get() + panel * depth_ * Vectors * lanes_;
      for (std::int64_t k = 0; k < depth_; ++k)
        for (int v = 0; v < Vectors; ++v)
          for (int lane = 0; lane < lanes_; ++lane) {
            const std::int64_t column = panel * panel_columns_ + (Vectors == 4 ? lane : v * lanes_ + lane);
            *to++ = column < columns_ ? value(k, v, column) : T(0);
          }
    });
  }

  std::int64_t tiles() const { return (columns_ + Tile - 1) / Tile; }
  std::int64_t begin(std::int64_t tile) const { return tile * Tile; }
  std::int64_t end(std::int64_t tile) const {
    return tile * Tile + Tile < columns_ ? tile * Tile + Tile : columns_;
  }
  int most_rows() const { return most_rows_; }

  // out: [count, Tile], or [count, 4, Tile] with one group of columns per gate
  void multiply(const T* const* rows, int count, std::int64_t tile, T* out) const {
    constexpr std::int64_t kWidth = Vectors == 4 ? 4 * Tile : Tile;
    for (std::int64_t p = 0; p < panels_; ++p)
      kernel_(rows, count, data_.get() + (tile * panels_ + p) * depth_ * Vectors * lanes_, depth_,
              out + p * panel_columns_, kWidth, Vectors == 4 ? Tile : lanes_);
  }

 private:
  std::int64_t columns_, depth_;
  int lanes_, most_rows_;
  Kernel kernel_;
  std::int64_t panel_columns_, panels_;
  AlignedArray<T> data_;
};

template <class T>
using GateMatrix = PackedMatrix<T, 4, kGateTile>;
template <class T>
using PlainMatrix = PackedMatrix<T, 2, kPlainTile>;

// x W^T for the four gates: w is [4, units, depth].
template <class T>
GateMatrix<T> gate_matrix(const T* w, std::int64_t units, std::int64_t depth, int threads) {
  const ProductShape shape = SPEECHQ_KERNEL(product_shape<T>)();
  return GateMatrix<T>(
      units, depth, shape.lanes, shape.gate_rows, SPEECHQ_KERNEL(gate_product<T>), threads,
      [=](std::int64_t k, int gate, std::int64_t unit) { return w[(gate * units + unit) * depth + k]; });
}

// x W, w [depth, columns]; or x W^T, w [columns, depth].
template <class T>
PlainMatrix<T> plain_matrix(const T* w, std::int64_t columns, std::int64_t depth, bool transposed,
                            int threads) {
  const ProductShape shape = SPEECHQ_KERNEL(product_shape<T>)();
  const std::int64_t k_stride = transposed ? 1 : columns, column_stride = transposed ? depth : 1;
  return PlainMatrix<T>(
      columns, depth, shape.lanes, shape.plain_rows, SPEECHQ_KERNEL(plain_product<T>), threads,
      [=](std::int64_t k, int, std::int64_t column) { return w[k * k_stride + column * column_stride]; });
}

}  // namespace speechq::training
