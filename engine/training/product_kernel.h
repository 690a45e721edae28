// Products of a few rows with a packed panel of a matrix: out[row][column] = sum over k of rows[row][k] *
// panel[k][column], k in order and one sum per output, so that a row's result does not depend on the other
// rows.
#pragma once

#include <cstdint>

#include "training/dispatch.h"

namespace speechq::training {

constexpr int kMaxRows = 12;

// How an instruction set cuts matrices: a gate panel is 4 vectors of `lanes` columns, a plain panel 2.
struct ProductShape {
  int lanes;
  int gate_rows, plain_rows;  // most rows per call
};

// panel: [depth, vectors, lanes], 64-byte aligned. Vector v of row r goes to out + r * row_stride + v *
// vector_stride.
// clang-format off
SPEECHQ_DECLARE_KERNEL(template <class T> ProductShape product_shape())
SPEECHQ_DECLARE_KERNEL(template <class T> void gate_product(const T* const* rows, int count, const T* panel, std::int64_t depth, T* out, std::int64_t row_stride, std::int64_t vector_stride))
SPEECHQ_DECLARE_KERNEL(template <class T> void plain_product(const T* const* rows, int count, const T* panel, std::int64_t depth, T* out, std::int64_t row_stride, std::int64_t vector_stride))
// clang-format on

}  // namespace speechq::training
