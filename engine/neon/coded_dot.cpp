// Products of coded weights (generic/panel.h): the inputs of a group and their complements are a table of 16
// bytes, in which one instruction looks up one half of 16 rows.
#include <arm_neon.h>

#include "generic/coded_tiles.h"

namespace speechq::engine::neon {
namespace {

#define SPEECHQ_INLINE inline __attribute__((always_inline))

// Superblocks whose sums fit 16 bits: four groups with two values of at most 128 each.
constexpr std::int64_t kNarrow = 16;

// The inputs of a group, followed by their complements.
SPEECHQ_INLINE int8x16_t table_of(const std::int32_t* words) {
  const int8x8_t x = vreinterpret_s8_s32(vld1_s32(words));
  return vcombine_s8(x, vmvn_s8(x));
}

// Sixteen rows times C columns.
template <int C>
void tile(const CodedTask& a) {
  const int8x16_t last_out = vsetq_lane_s8(0, vdupq_n_s8(-1), 15);
  int32x4_t acc[C][4];
  const auto* negatives = reinterpret_cast<const std::int32_t*>(a.rows + a.depth * a.next);
  for (auto& sum : acc)
    for (int k = 0; k < 4; ++k) sum[k] = vld1q_s32(negatives + 4 * k);
  const std::uint8_t* p = a.rows;
  const std::int32_t* x = a.words;
  for (std::int64_t d = 0; d < a.depth;) {
    int16x8_t narrow[C][2];
    for (auto& sum : narrow) sum[0] = sum[1] = vdupq_n_s16(0);
    for (const std::int64_t end = a.depth - d < kNarrow ? a.depth : d + kNarrow; d < end; ++d) {
#pragma GCC unroll 4
      for (int group = 0; group < 4; ++group) {
        const uint8x16_t v = vld1q_u8(p + group * kRows);
        const uint8x16_t low = vandq_u8(v, vdupq_n_u8(15)), high = vshrq_n_u8(v, 4);
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c) {
          const int8x16_t table = table_of(x + c * a.step + 2 * group);
          const int8x16_t first = vqtbl1q_s8(table, low);
          const int8x16_t second = vqtbl1q_s8(vandq_s8(table, last_out), high);
          narrow[c][0] = vaddq_s16(narrow[c][0], vaddl_s8(vget_low_s8(first), vget_low_s8(second)));
          narrow[c][1] = vaddq_s16(narrow[c][1], vaddl_high_s8(first, second));
        }
      }
      p += a.next;
      x += kDepth / 4;
    }
    for (int c = 0; c < C; ++c)
      for (int k = 0; k < 2; ++k) {
        acc[c][2 * k] = vaddw_s16(acc[c][2 * k], vget_low_s16(narrow[c][k]));
        acc[c][2 * k + 1] = vaddw_high_s16(acc[c][2 * k + 1], narrow[c][k]);
      }
  }
  for (int c = 0; c < C; ++c)
    for (int k = 0; k < 4; ++k) vst1q_s32(a.out + c * a.column_stride + 4 * k, acc[c][k]);
}

}  // namespace

void coded_dot(const Rows& rows, const PackedInput& x, std::int32_t* out, Place place) {
  coded_tiles(rows, x, out, place, [](auto size, const CodedTask& a) { tile<size.value>(a); });
}

}  // namespace speechq::engine::neon
