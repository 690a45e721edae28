// Depthwise convolution over time: one short filter per channel, kept packed like every matrix.
#pragma once

#include "network/affine.h"

namespace speechq::engine {

class Depthwise {
 public:
  // `matrix` [channels, taps]; `output` is the grid of the result.
  Depthwise(const Matrix& matrix, const Grid& input, const std::vector<float>& bias, const Grid& output,
            Mode mode, WeightStore& store);

  std::int64_t tiles() const { return blocks_of(panels_.units, kTile); }
  std::int64_t taps() const { return panels_.columns; }

  // The filter of a tile's channels, unpacked for as long as a block takes.
  struct Taps {
    alignas(kLine) std::int8_t codes[129 * kTile];
    alignas(kLine) float values[129 * kTile];
  };
  void unpack(std::int64_t tile, Taps& taps) const;

  // One frame of a tile: frames[k] points at the tile's first channel of the input under tap k.
  void run(std::int64_t tile, const Taps& taps, const void* const* frames, void* out) const;

 private:
  bool integer() const { return panels_.bits != 32 && input_.on(); }

  Panels panels_;
  Grid input_, output_;
  Mode mode_;
  std::vector<float> scale_, bias_;
  Ratios ratios_;
  std::vector<std::int32_t> integer_bias_;
  Ratio code_ratio_;
};

}  // namespace speechq::engine
