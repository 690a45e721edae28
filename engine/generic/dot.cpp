// The inner products in plain C++: the meaning of those of every instruction set.
#include "generic/dot.h"

#include <algorithm>
#include <cstring>

namespace speechq::engine::generic {

void dot(const Rows& rows, const PackedInput& x, std::int32_t* out, Place place) {
  constexpr int kColumns = 8;
  std::int8_t weights[8 * kLine];
  for (int block = 0; block < rows.count; ++block)
    for (int first = 0; first < x.count; first += kColumns) {
      const int count = std::min(kColumns, x.count - first);
      std::int32_t sums[kColumns][kRows] = {};
      for (std::int64_t d = 0; d < rows.depth_blocks(); ++d) {
        unpack_superblock(rows.bits, rows.first + block * rows.block_stride + d * rows.stride, weights);
        for (int v = 0; v < 8; ++v)
          for (int n = 0; n < count; ++n) {
            std::int8_t codes[4];
            std::memcpy(codes, &x.words[(d * 8 + v) * x.stride + (first + n) * x.step], 4);
            for (int i = 0; i < kLine; ++i) sums[n][i / 4] += weights[v * kLine + i] * codes[i % 4];
          }
      }
      for (int n = 0; n < count; ++n)
        std::memcpy(out + (first + n) * place.column_stride + block * place.block_stride, sums[n],
                    sizeof sums[n]);
    }
}

void coded_dot(const Rows& rows, const PackedInput& x, std::int32_t* out, Place place) {
  dot(rows, x, out, place);
}

}  // namespace speechq::engine::generic
