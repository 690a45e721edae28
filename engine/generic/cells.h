// Loops over the units of a tile: what stands between two products (docs/fixed-point.md, hybrid mode).
//
// A tile is up to 64 units, a multiple of 16; the units that pad a layer have zero weights and give zeros. A
// tile's values of one column (a frame of a stream) are [part][kTile]. Vectors of a layer are [part][stride]
// with the pointer at the tile's first unit.
#pragma once

#include <cstdint>

#include "model/model.h"

namespace speechq::engine {

constexpr int kTile = 64;

struct TileShape {
  int units = 0, parts = 1, columns = 0;
};

// out[n][part][j] = sums * scale (+ bias). With `wide`, columns come in pairs of the high and the low byte's
// sums of 16-bit codes, see pack_codes.
struct ScaleTask {
  TileShape shape;
  const std::int32_t* sums = nullptr;  // [columns or 2 * columns][parts][kTile]
  const float* scale = nullptr;
  const float* bias = nullptr;             // may be null
  const std::int32_t* row_sums = nullptr;  // wide: the sum of each row's weight codes
  std::int64_t stride = 0;                 // of scale, bias and row_sums
};

// What the cell of one column reads and writes, at the tile's first unit.
struct Column {
  float* c = nullptr;          // in: the cell before the frame; out: after it
  const void* skip = nullptr;  // int16 codes if skip_step is not 0, else float values; may be null
  void* h = nullptr;           // int16 codes if the output has a grid, else float
  float* inner = nullptr;      // residual LSTM only: the output gate goes here and tanh(c) to h
};

struct CellTask {
  int units = 0, columns = 0;
  const float* u = nullptr;  // [columns][parts][kTile]
  const Column* column = nullptr;
  Grid gate, cell, h;
  float skip_step = 0;
};

struct SruTask : CellTask {
  const float* v = nullptr;  // [2][stride], null for variant 1
  std::int64_t stride = 0;
  bool tanh = false;
  float scale_x = 1;
};

struct LstmTask : CellTask {
  const float* recurrent = nullptr;  // [columns][4][kTile], added to u
  const float* peepholes = nullptr;  // [3][stride], may be null
  std::int64_t stride = 0;
  bool residual = false;
};

struct QrnnTask : CellTask {
  int parts = 3;
};

struct CellKernels {
  // codes[i] = code(x[i])
  void (*quantize)(const float* x, std::int64_t count, Grid grid, std::int16_t* codes);
  // values[i] = float(codes[i]) * step
  void (*values)(const std::int16_t* codes, std::int64_t count, float step, float* values);
  // 8-bit codes [count][stride], `width` of them each, to the words of a PackedInput and their sums. Words
  // hold 4 codes and are zero behind the last; there are 8 * depth_blocks per column. With `wide`, 16-bit
  // codes give two columns each, the high byte and the low byte minus 128: code = 256 high + low + 128.
  void (*pack_codes)(const std::int16_t* codes, std::int64_t stride, std::int64_t width, int count, bool wide,
                     std::int32_t* words, std::int64_t word_stride, std::int64_t step, std::int32_t* sums);
  void (*scale)(const ScaleTask& task, float* out);
  void (*scale_floats)(const ScaleTask& task, const float* sums, float* out);  // scale may be null
  void (*conv)(int taps, const std::int16_t* const* x, const std::int8_t* w, int units, std::int32_t* sums);
  void (*conv_floats)(int taps, const float* const* x, const float* w, int units, float* sums);
  void (*sru)(const SruTask& task);
  void (*lstm)(const LstmTask& task);
  // h = o * (projected + skip): the second half of a residual LSTM; u is the projection, inner the gate.
  void (*residual)(const CellTask& task);
  void (*qrnn)(const QrnnTask& task);
  void (*isru)(const CellTask& task);
  void (*log_softmax)(const float* logits, std::int64_t count, float* out);
};

// The gate functions as scalars, for tables.
float gate_sigmoid(float x);
float gate_tanh(float x);

}  // namespace speechq::engine
