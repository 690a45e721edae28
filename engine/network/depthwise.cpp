#include "network/depthwise.h"

#include <algorithm>
#include <cstring>

#include "network/cells.h"

namespace speechq::engine {

Depthwise::Depthwise(const Matrix& matrix, const Grid& input, const std::vector<float>& bias,
                     const Grid& output, Mode mode, WeightStore& store)
    : panels_(pack_panels(matrix, 1, store.take(stored_bytes(matrix, 1)))),
      input_(input),
      output_(output),
      mode_(mode) {
  if (mode == Mode::integer) {
    std::vector<float> steps(static_cast<std::size_t>(matrix.rows));
    for (std::size_t row = 0; row < steps.size(); ++row)
      steps[row] = matrix.steps[matrix.steps.size() == 1 ? 0 : row];
    ratios_ = ratios_of(steps, 1, static_cast<double>(input.step) * kQ12);
    std::vector<std::int32_t> rounded(bias.size());
    std::transform(bias.begin(), bias.end(), rounded.begin(), q12);
    integer_bias_ = padded(rounded, 1);
    code_ratio_ = ratio_of(1.0 / kQ12 / static_cast<double>(output.step));
    return;
  }
  bias_ = padded(bias, 1);
  if (matrix.bits == 32) return;
  std::vector<float> scale(static_cast<std::size_t>(matrix.rows));
  for (std::size_t row = 0; row < scale.size(); ++row) {
    const float step = matrix.steps[matrix.steps.size() == 1 ? 0 : row];
    scale[row] = input.on() ? input.step * step : step;
  }
  scale_ = padded(scale, 1);
}

void Depthwise::unpack(std::int64_t tile, Taps& taps) const {
  const std::int64_t first = tile * (kTile / kRows);
  const std::int64_t blocks = std::min<std::int64_t>(kTile / kRows, panels_.unit_blocks() - first);
  std::int8_t superblock[8 * kLine];
  for (std::int64_t block = 0; block < blocks; ++block) {
    const std::uint8_t* rows = panels_.row_block(first + block);
    for (std::int64_t k = 0; k < panels_.columns; ++k) {
      const std::int64_t at = k * kTile + block * kRows;
      if (panels_.bits == 32) {
        std::memcpy(taps.values + at, rows + k * panels_.stride(), kRows * 4);
        continue;
      }
      if (k % kDepth == 0) {
        const auto left = static_cast<int>(std::min<std::int64_t>(panels_.columns - k, kDepth));
        unpack_superblock(panels_.bits, rows + k / kDepth * panels_.stride(), superblock, (left + 3) / 4);
      }
      for (int row = 0; row < kRows; ++row) {
        const std::int8_t code = superblock[(k % kDepth) / 4 * kLine + row * 4 + k % 4];
        taps.codes[at + row] = code;
        if (!integer()) taps.values[at + row] = static_cast<float>(code);
      }
    }
  }
}

void Depthwise::run(std::int64_t tile, const Taps& taps, const void* const* frames, void* out) const {
  const std::int64_t unit = tile * kTile;
  const int units = static_cast<int>(std::min<std::int64_t>(kTile, panels_.unit_blocks() * kRows - unit));
  const int count = static_cast<int>(panels_.columns);
  const CellKernels& cells = kernels().cells;
  alignas(kLine) std::int32_t sums[kTile];
  alignas(kLine) float y[kTile];
  ScaleTask task;
  task.shape = {units, 1, 1};
  task.scale = scale_.empty() ? nullptr : scale_.data() + unit;
  task.bias = bias_.empty() ? nullptr : bias_.data() + unit;
  task.sums = sums;
  if (integer()) {
    cells.conv(count, reinterpret_cast<const std::int16_t* const*>(frames), taps.codes, units, sums);
    if (mode_ == Mode::integer)
      return kernels().integer.conv_codes(sums, units, ratios_.multiplier.data() + unit,
                                          ratios_.shift.data() + unit, integer_bias_.data() + unit,
                                          code_ratio_, output_.qmax(), static_cast<std::int16_t*>(out));
    cells.scale(task, y);
  } else if (input_.on()) {
    alignas(kLine) float values[129][kTile];
    const float* rows[129];
    for (int k = 0; k < count; ++k) {
      cells.values(static_cast<const std::int16_t*>(frames[k]), units, input_.step, values[k]);
      rows[k] = values[k];
    }
    cells.conv_floats(count, rows, taps.values, units, y);
    cells.scale_floats(task, y, y);
  } else {
    cells.conv_floats(count, reinterpret_cast<const float* const*>(frames), taps.values, units, y);
    cells.scale_floats(task, y, y);
  }
  if (output_.on())
    cells.quantize(y, units, output_, static_cast<std::int16_t*>(out));
  else
    std::memcpy(out, y, static_cast<std::size_t>(units) * sizeof(float));
}

}  // namespace speechq::engine
