// Loops over the units of a tile in integer mode: everything between two products in integers
// (docs/fixed-point.md, integer mode). Tiles, columns and vectors are as in generic/cells.h.
#pragma once

#include <cstdint>
#include <vector>

#include "generic/cells.h"

namespace speechq::engine {

// Pre-activations in Q12 saturate here, so that three of them still add up within 32 bits.
constexpr std::int32_t kPreLimit = (1 << 29) - 1;
// Linear signals in Q12 saturate at ±256.
constexpr std::int32_t kValueLimit = (1 << 20) - 1;
// Gate tables have an entry every 1/512 from -8 up to (not including) 8.
constexpr int kIndexBits = 9;
constexpr std::int32_t kTableHalf = 8 << kIndexBits;

// x * multiplier / 2^shift to the nearest integer, ties away from zero: a ratio as integers.
struct Ratio {
  std::int32_t multiplier = 0;
  std::int32_t shift = 1;
};
// Ratios of the units of a layer, [part][stride].
struct Ratios {
  std::vector<std::int32_t> multiplier, shift;
};

// Throws ModelError for a ratio out of range.
Ratio ratio_of(double value);
// Multipliers of two ratios with the one shift that the larger of them gives.
struct Mix {
  std::int32_t first = 0, second = 0, shift = 1;
};
Mix mix_of(double first, double second);
Mix mix_of(double only);
std::int32_t q12(float value);

struct RequantizeTask {
  TileShape shape;
  const std::int32_t* sums = nullptr;      // as in ScaleTask
  const std::int32_t* row_sums = nullptr;  // not null: wide
  const std::int32_t* multiplier = nullptr;
  const std::int32_t* shift = nullptr;
  const std::int32_t* bias = nullptr;  // may be null
  std::int64_t stride = 0;
  std::int32_t limit = 0;
};

// The gate functions of all codes, one unused entry behind them; null where a layer does not use one.
struct GateTables {
  const std::int16_t* sigmoid = nullptr;
  const std::int16_t* tanh = nullptr;
};

struct IntegerColumn {
  std::int32_t* c = nullptr;
  const void* skip = nullptr;  // int16 codes of the input, or int32 Q12 values if skip_is_value
  std::int16_t* h = nullptr;
  std::int16_t* inner = nullptr;  // residual LSTM: the output gate
};

struct IntegerTask {
  int units = 0, columns = 0;
  const std::int32_t* u = nullptr;  // Q12, [columns][parts][kTile]
  const IntegerColumn* column = nullptr;
  GateTables table;
  std::int32_t one = 0;  // the code of 1 on the gate grid
  std::int32_t cell_qmax = 0, h_qmax = 0;
  Ratio cell_index;  // from a cell code to a table index
  Mix cell, output;
  bool skip_is_value = false;
};

struct IntegerSruTask : IntegerTask {
  const std::int32_t* v_multiplier = nullptr;  // [2][stride], null for variant 1
  const std::int32_t* v_shift = nullptr;
  std::int64_t stride = 0;
  bool tanh = false;
};

struct IntegerLstmTask : IntegerTask {
  const std::int32_t* recurrent = nullptr;
  const std::int32_t* p_multiplier = nullptr;  // [3][stride], may be null
  const std::int32_t* p_shift = nullptr;
  std::int64_t stride = 0;
  bool residual = false;
};

struct IntegerQrnnTask : IntegerTask {
  int parts = 3;
};

struct IntegerKernels {
  void (*requantize)(const RequantizeTask& task, std::int32_t* out);
  // out[i] = requant(x[i], ratio, limit) of int16 codes.
  void (*requantize_codes)(const std::int16_t* x, int count, Ratio ratio, std::int32_t limit,
                           std::int32_t* out);
  // codes[i] = requant(requant(sums[i]) + bias[i], onto the grid of the convolution)
  void (*conv_codes)(const std::int32_t* sums, int count, const std::int32_t* multiplier,
                     const std::int32_t* shift, const std::int32_t* bias, Ratio ratio, std::int32_t qmax,
                     std::int16_t* codes);
  void (*sru)(const IntegerSruTask& task);
  void (*lstm)(const IntegerLstmTask& task);
  void (*residual)(const IntegerTask& task);
  void (*qrnn)(const IntegerQrnnTask& task);
  void (*isru)(const IntegerTask& task);
};

}  // namespace speechq::engine
