#include "network/affine.h"

#include <algorithm>
#include <chrono>
#include <type_traits>

namespace speechq::engine {

std::int64_t stored_bytes(const Matrix& matrix, std::int64_t parts) {
  const Panels panels{panel_bits(matrix), parts, matrix.rows / parts, matrix.columns, nullptr};
  return static_cast<std::int64_t>(aligned_size(static_cast<std::size_t>(panels.bytes()), kPage));
}

Affine::Affine(const Matrix& matrix, std::int64_t parts, const Grid& input, const std::vector<float>* bias,
               Mode mode, WeightStore& store, std::int32_t limit)
    : panels_(pack_panels(matrix, parts, store.take(stored_bytes(matrix, parts)))),
      input_(input),
      limit_(limit),
      stride_(panels_.unit_blocks() * kRows) {
  if (wide() || (integer() && panels_.bits == 8)) {
    std::vector<std::int32_t> sums(static_cast<std::size_t>(matrix.rows));
    std::vector<std::int8_t> codes(static_cast<std::size_t>(matrix.columns));
    for (std::int64_t row = 0; row < matrix.rows; ++row) {
      unpack_codes(matrix, row * matrix.columns, matrix.columns, codes.data());
      for (std::int8_t code : codes) sums[static_cast<std::size_t>(row)] += code;
    }
    row_sums_ = padded(sums, parts);
  }
  if (mode == Mode::integer)
    prepare_integer(matrix, bias);
  else
    prepare_hybrid(matrix, bias);
}

void Affine::prepare_hybrid(const Matrix& matrix, const std::vector<float>* bias) {
  if (matrix.bits != 32) {
    std::vector<float> scale(static_cast<std::size_t>(matrix.rows));
    for (std::size_t row = 0; row < scale.size(); ++row) {
      const float step = matrix.steps[matrix.steps.size() == 1 ? 0 : row];
      scale[row] = input_.on() ? input_.step * step : step;
    }
    scale_ = padded(scale, panels_.parts);
  }
  if (bias != nullptr) bias_ = padded(*bias, panels_.parts);
}

void Affine::prepare_integer(const Matrix& matrix, const std::vector<float>* bias) {
  std::vector<std::int32_t> multiplier(static_cast<std::size_t>(matrix.rows)), shift(multiplier.size());
  for (std::size_t row = 0; row < multiplier.size(); ++row) {
    const double step = matrix.steps[matrix.steps.size() == 1 ? 0 : row];
    const Ratio ratio = ratio_of(step * (static_cast<double>(input_.step) * 4096.0));
    multiplier[row] = ratio.multiplier;
    shift[row] = ratio.shift;
  }
  multiplier_ = padded(multiplier, panels_.parts);
  shift_ = padded(shift, panels_.parts);
  std::replace(shift_.begin(), shift_.end(), 0, 1);
  if (bias == nullptr) return;
  std::vector<std::int32_t> rounded(bias->size());
  std::transform(bias->begin(), bias->end(), rounded.begin(), q12);
  integer_bias_ = padded(rounded, panels_.parts);
}

int Affine::tile_units(std::int64_t tile) const {
  return static_cast<int>(std::min<std::int64_t>(kTile, stride_ - tile * kTile));
}

TileShape Affine::shape(std::int64_t tile, int columns) const {
  return {tile_units(tile), static_cast<int>(panels_.parts), columns};
}

Operand Affine::operand(const Signal& x, std::int64_t first, int columns, Arena& arena) const {
  Operand result;
  if (integer()) {
    const int packed = columns_of(columns);
    result.codes = {arena.take<std::int32_t>(words_of_column() * packed), arena.take<std::int32_t>(packed),
                    std::min(packed, columns_of(kColumns)), packed};
  } else if (x.grid.on()) {
    result.values = {arena.take<float>(columns * x.stride), x.stride, columns};
  } else {
    result.values = {x.values + first * x.stride, x.stride, columns};
  }
  refill(x, first, result);
  return result;
}

PackedInput Affine::group_of(const PackedInput& x, int first) const {
  const int at = columns_of(first), count = std::min(columns_of(kColumns), x.count - at);
  if (coded()) return {x.words + at * words_of_column(), x.sums + at, 1, count, words_of_column()};
  return {x.words + at * words_of_column(), x.sums + at, count, count};
}

void Affine::refill(const Signal& x, std::int64_t first, const Operand& operand) const {
  if (integer()) {
    const int columns = wide() ? operand.codes.count / 2 : operand.codes.count;
    for (int begin = 0; begin < columns; begin += kColumns) {
      const PackedInput group = group_of(operand.codes, begin);
      const int count = std::min(kColumns, columns - begin);
      kernels().cells.pack_codes(x.codes + (first + begin) * x.stride, x.stride, panels_.columns, count,
                                 wide(), const_cast<std::int32_t*>(group.words), group.stride, group.step,
                                 const_cast<std::int32_t*>(group.sums));
    }
  } else if (x.grid.on()) {
    kernels().cells.values(x.codes + first * x.stride, operand.values.count * x.stride, x.grid.step,
                           const_cast<float*>(operand.values.values));
  }
}

template <class T>
void Affine::products(std::int64_t tile, const Operand& x, int first, int columns, T* sums,
                      Profile* profile) const {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point begin = profile != nullptr ? Clock::now() : Clock::time_point();
  const std::int64_t parts = panels_.parts, block = tile * (kTile / kRows);
  const int unit_blocks = tile_units(tile) / kRows;
  const Place place{parts * kTile, parts == 1 ? kRows : kTile};
  // The parts of 16 units are neighbours in memory; a single part's unit blocks are.
  const int groups = parts == 1 ? 1 : unit_blocks, count = parts == 1 ? unit_blocks : static_cast<int>(parts);
  for (int group = 0; group < groups; ++group) {
    Rows rows;
    rows.first = panels_.row_block(block + group);
    rows.bits = panels_.bits;
    rows.count = count;
    rows.columns = panels_.columns;
    rows.block_stride = parts == 1 ? panels_.unit_block_bytes() : panels_.piece_bytes();
    rows.stride = panels_.stride();
    if (!row_sums_.empty()) rows.sums = row_sums_.data() + (block + group) * kRows;
    rows.sums_stride = parts == 1 ? kRows : stride_;
    if constexpr (std::is_same_v<T, std::int32_t>) {
      PackedInput input = group_of(x.codes, first);
      input.count = columns_of(columns);
      (coded() ? kernels().coded_dot : kernels().dot)(rows, input, sums + group * kRows, place);
    } else {
      kernels().float_dot(rows, {x.values.values + first * x.values.stride, x.values.stride, columns},
                          sums + group * kRows, place);
    }
  }
  if (profile != nullptr) profile->products += std::chrono::duration<double>(Clock::now() - begin).count();
}

void Affine::run(std::int64_t tile, const Operand& x, int first, int columns, float* out,
                 Profile* profile) const {
  const std::int64_t unit = tile * kTile;
  ScaleTask task;
  task.shape = shape(tile, columns);
  task.scale = scale_.empty() ? nullptr : scale_.data() + unit;
  task.bias = bias_.empty() ? nullptr : bias_.data() + unit;
  task.stride = stride_;
  fetch_rows(tile, row_sums_);
  fetch_rows(tile, scale_);
  fetch_rows(tile, bias_);
  if (integer()) {
    alignas(kLine) std::int32_t sums[2 * kColumns * 4 * kTile];
    products(tile, x, first, columns, sums, profile);
    task.sums = sums;
    task.row_sums = wide() ? row_sums_.data() + unit : nullptr;
    kernels().cells.scale(task, out);
  } else {
    products(tile, x, first, columns, out, profile);
    if (task.scale != nullptr || task.bias != nullptr) kernels().cells.scale_floats(task, out, out);
  }
}

void Affine::run(std::int64_t tile, const Operand& x, int first, int columns, std::int32_t* out,
                 Profile* profile) const {
  const std::int64_t unit = tile * kTile;
  alignas(kLine) std::int32_t sums[2 * kColumns * 4 * kTile];
  fetch_rows(tile, row_sums_);
  fetch_rows(tile, multiplier_);
  fetch_rows(tile, shift_);
  fetch_rows(tile, integer_bias_);
  products(tile, x, first, columns, sums, profile);
  RequantizeTask task;
  task.shape = shape(tile, columns);
  task.sums = sums;
  task.row_sums = wide() ? row_sums_.data() + unit : nullptr;
  task.multiplier = multiplier_.data() + unit;
  task.shift = shift_.data() + unit;
  task.bias = integer_bias_.empty() ? nullptr : integer_bias_.data() + unit;
  task.stride = stride_;
  task.limit = limit_;
  kernels().integer.requantize(task, out);
}

}  // namespace speechq::engine
