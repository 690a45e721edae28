// Coded products that take the columns of an input by fours: what AVX2 and NEON share around their inner
// loops.
#pragma once

#include <utility>

#include "generic/dot.h"

namespace speechq::engine {

// A row block times some columns.
struct CodedTask {
  const std::uint8_t* rows;
  std::int64_t next, depth;  // from a superblock to the next; superblocks
  const std::int32_t* words;
  std::int64_t step;  // from a column to the next
  std::int32_t* out;
  std::int64_t column_stride;
};

// Calls tile(size, task) for every row block and 4, 2 or 1 columns; size is an integral constant. `tile` has
// to be of an unnamed namespace or a lambda, as each instruction set compiles this anew.
template <class Tile>
void coded_tiles(const Rows& rows, const PackedInput& x, std::int32_t* out, Place place, const Tile& tile) {
  for (int block = 0; block < rows.count; ++block) {
    CodedTask a{
        rows.first + block * rows.block_stride, rows.stride,        rows.depth_blocks(), x.words, x.step,
        out + block * place.block_stride,       place.column_stride};
    int columns = x.count;
    const auto step = [&](auto size) {
      tile(size, a);
      a.words += size.value * a.step;
      a.out += size.value * a.column_stride;
      columns -= size.value;
    };
    while (columns >= 4) step(std::integral_constant<int, 4>{});
    if (columns >= 2) step(std::integral_constant<int, 2>{});
    if (columns == 1) step(std::integral_constant<int, 1>{});
  }
}

}  // namespace speechq::engine
