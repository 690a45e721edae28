// A matrix product prepared for one kind of input, with what turns sums into values: steps and bias in hybrid
// mode, ratios and bias in Q12 in integer mode.
#pragma once

#include <cstdint>
#include <vector>

#include "generic/kernels.h"
#include "network/layer.h"

namespace speechq::engine {

// Columns that are worked on at a time, so that what lies between product and cell stays in the cache.
constexpr int kColumns = 16;

// A signal as products read it; of some or all of its columns. Codes are packed in groups of kColumns columns
// one behind the other: the words of a group lie side by side and do not fall on the same few places of a
// cache. For coded weights the words of a column lie side by side.
struct Operand {
  PackedInput codes;
  FloatInput values;
};

// Fetches what is needed behind the products, before they push it out of the near caches.
template <class T>
void fetch(const T* values, std::int64_t count) {
  for (std::int64_t i = 0; i < count; i += kLine / static_cast<std::int64_t>(sizeof(T)))
    __builtin_prefetch(values + i);
}

class Affine {
 public:
  // `bias` [parts * units] may be null. `limit` saturates in integer mode.
  Affine(const Matrix& matrix, std::int64_t parts, const Grid& input, const std::vector<float>* bias,
         Mode mode, WeightStore& store, std::int32_t limit = kPreLimit);

  std::int64_t tiles() const { return blocks_of(panels_.units, kTile); }
  std::int64_t units() const { return panels_.units; }
  // Units of a tile, a multiple of 16.
  int tile_units(std::int64_t tile) const;

  // Packs `columns` columns of x from `first`; memory from the arena.
  Operand operand(const Signal& x, std::int64_t first, int columns, Arena& arena) const;
  // The same for an operand of as many columns again, into its memory.
  void refill(const Signal& x, std::int64_t first, const Operand& operand) const;

  // out[n][part][kTile] of `columns` (at most kColumns) columns from `first`, a multiple of kColumns, in
  // hybrid or in integer mode.
  void run(std::int64_t tile, const Operand& x, int first, int columns, float* out, Profile* profile) const;
  void run(std::int64_t tile, const Operand& x, int first, int columns, std::int32_t* out,
           Profile* profile) const;

 private:
  bool coded() const { return panels_.bits == kCoded; }
  bool integer() const { return panels_.bits != 32 && input_.on(); }
  bool wide() const { return integer() && input_.bits > 8; }
  int columns_of(int columns) const { return wide() ? 2 * columns : columns; }
  std::int64_t words_of_column() const { return panels_.depth_blocks() * (kDepth / 4); }
  PackedInput group_of(const PackedInput& x, int first) const;
  void prepare_hybrid(const Matrix& matrix, const std::vector<float>* bias);
  void prepare_integer(const Matrix& matrix, const std::vector<float>* bias);
  template <class T>
  void products(std::int64_t tile, const Operand& x, int first, int columns, T* sums, Profile* profile) const;
  TileShape shape(std::int64_t tile, int columns) const;
  // Fetches the tile's part of a vector [part][stride], which may be empty.
  template <class T>
  void fetch_rows(std::int64_t tile, const std::vector<T>& vector) const {
    for (std::int64_t row = tile * kTile; row < static_cast<std::int64_t>(vector.size()); row += stride_)
      fetch(vector.data() + row, tile_units(tile));
  }

  Panels panels_;
  Grid input_;
  std::int32_t limit_;
  std::int64_t stride_;
  std::vector<float> scale_, bias_;
  std::vector<std::int32_t> row_sums_, multiplier_, shift_, integer_bias_;
};

// Bytes that the matrix takes in a WeightStore.
std::int64_t stored_bytes(const Matrix& matrix, std::int64_t parts);

// A vector [parts * units] as [part][stride], zeros behind the units.
template <class T>
std::vector<T> padded(const std::vector<T>& vector, std::int64_t parts) {
  const std::int64_t units = static_cast<std::int64_t>(vector.size()) / parts;
  const std::int64_t stride = blocks_of(units, kRows) * kRows;
  std::vector<T> result(static_cast<std::size_t>(parts * stride));
  for (std::int64_t part = 0; part < parts; ++part)
    for (std::int64_t j = 0; j < units; ++j)
      result[static_cast<std::size_t>(part * stride + j)] =
          vector[static_cast<std::size_t>(part * units + j)];
  return result;
}

}  // namespace speechq::engine
