// What an instruction set overrides: the inner products and the loops over units. Each function exists once
// per instruction set; all give the same bits.
#pragma once

#include <cstdint>

#include "generic/integer_cells.h"
#include "generic/panel.h"

namespace speechq::engine {

// Row blocks: those of one unit block, or of neighbouring unit blocks of one part. Row r of block b for
// column n goes to out[n * column_stride + b * block_stride + r].
struct Rows {
  const std::uint8_t* first = nullptr;
  int bits = 0, count = 0;
  std::int64_t columns = 0;       // of the matrix
  std::int64_t block_stride = 0;  // bytes from a row block to the next
  std::int64_t stride = 0;        // bytes from a piece (generic/panel.h) of a row block to the next
  // Sums of the rows of 8-bit codes, kRows a row block; from a row block to the next.
  const std::int32_t* sums = nullptr;
  std::int64_t sums_stride = 0;
  std::int64_t depth_blocks() const { return blocks_of(columns, kDepth); }
};
struct Place {
  std::int64_t column_stride = 0, block_stride = 0;
};

// Codes of `count` columns (frames), four of the matrix's columns in a 32-bit word: word (k / 4) of column n
// is words[(k / 4) * stride + n * step], 8-bit codes, zero behind the last. sums[n] is the sum of column n's
// codes. Coded weights need stride 1, all others step 1.
struct PackedInput {
  const std::int32_t* words = nullptr;
  const std::int32_t* sums = nullptr;
  std::int64_t stride = 0;
  int count = 0;
  std::int64_t step = 1;
};

// Values of `count` columns: value k of column n is values[n * stride + k].
struct FloatInput {
  const float* values = nullptr;
  std::int64_t stride = 0;
  int count = 0;
};

struct Kernels {
  // Exact sums of code * code.
  void (*dot)(const Rows& rows, const PackedInput& x, std::int32_t* out, Place place);
  // The same for coded weights (generic/panel.h).
  void (*coded_dot)(const Rows& rows, const PackedInput& x, std::int32_t* out, Place place);
  // acc = 0; acc = acc + x_k * w_k for k = 0, 1, ... in float32, w the code or the float weight.
  void (*float_dot)(const Rows& rows, const FloatInput& x, float* out, Place place);
  CellKernels cells;
  IntegerKernels integer;
};

// Those of the instruction set in use (base/isa.h).
const Kernels& kernels();

}  // namespace speechq::engine
