// Inner products with the dot-product instructions: signed times signed, four rows of four columns each.
#include "generic/dot.h"

#include <arm_neon.h>

#include <utility>

namespace speechq::engine::neon {
namespace {

#define SPEECHQ_INLINE inline __attribute__((always_inline))

// Shifted so that bit `From` of every byte comes to bit `To`, and only the bits of `mask` kept.
template <int From, int To>
SPEECHQ_INLINE uint8x16_t moved(uint8x16_t x, int mask) {
  if constexpr (From > To) x = vshrq_n_u8(x, From - To);
  if constexpr (From < To) x = vshlq_n_u8(x, To - From);
  return vandq_u8(x, vdupq_n_u8(static_cast<std::uint8_t>(mask)));
}

// The fields of four rows (p points to their quarter of the lines) of vector V.
template <int Bits, int V>
SPEECHQ_INLINE int8x16_t fields(const std::uint8_t* p) {
  if constexpr (Bits == 8) {
    return vreinterpretq_s8_u8(vld1q_u8(p + V * kLine));
  } else if constexpr (Bits == 2 || Bits == 3) {
    uint8x16_t low = moved<2 * (V % 4), 0>(vld1q_u8(p + (V / 4) * kLine), 3);
    if constexpr (Bits == 3) low = vorrq_u8(low, moved<single_bit_of(V), 2>(vld1q_u8(p + 2 * kLine), 4));
    return vreinterpretq_s8_u8(low);
  } else {
    uint8x16_t low = moved<4 * (V % 2), 0>(vld1q_u8(p + (V / 2) * kLine), 15);
    if constexpr (Bits == 5) low = vorrq_u8(low, moved<single_bit_of(V), 4>(vld1q_u8(p + 4 * kLine), 16));
    if constexpr (Bits >= 6)
      low = vorrq_u8(low, moved<2 * (V % 4), 4>(vld1q_u8(p + (4 + V / 4) * kLine), 0x30));
    if constexpr (Bits == 7) low = vorrq_u8(low, moved<single_bit_of(V), 6>(vld1q_u8(p + 6 * kLine), 0x40));
    return vreinterpretq_s8_u8(low);
  }
}

template <class F, std::size_t... V>
SPEECHQ_INLINE void for_vectors(const F& f, std::index_sequence<V...>) {
  (f(std::integral_constant<int, static_cast<int>(V)>{}), ...);
}

struct Task {
  const std::uint8_t* rows;
  std::int64_t next, depth;  // from a superblock to the next; superblocks
  const std::int32_t* words;
  std::int64_t stride;
  const std::int32_t* sums;
  std::int32_t* out;
  std::int64_t column_stride;
};

// Sixteen rows times C columns.
template <int Bits, int C>
void tile(const Task& a) {
  int32x4_t acc[4][C];
  for (auto& quarter : acc)
    for (auto& sum : quarter) sum = vdupq_n_s32(0);
  const std::uint8_t* p = a.rows;
  const std::int32_t* x = a.words;
  for (std::int64_t d = 0; d < a.depth; ++d) {
    for_vectors(
        [&](auto v) {
          int8x16_t codes[C];
#pragma GCC unroll 4
          for (int c = 0; c < C; ++c) codes[c] = vreinterpretq_s8_s32(vdupq_n_s32(x[v.value * a.stride + c]));
#pragma GCC unroll 4
          for (int q = 0; q < 4; ++q) {
            const int8x16_t w = fields<Bits, v.value>(p + q * 16);
#pragma GCC unroll 4
            for (int c = 0; c < C; ++c) acc[q][c] = vdotq_s32(acc[q][c], w, codes[c]);
          }
        },
        std::make_index_sequence<8>{});
    p += a.next;
    x += 8 * a.stride;
  }
  for (int c = 0; c < C; ++c) {
    const std::int32_t offset = Bits == 8 ? 0 : a.sums[c] * (1 << (Bits - 1));
    for (int q = 0; q < 4; ++q)
      vst1q_s32(a.out + c * a.column_stride + q * 4, vsubq_s32(acc[q][c], vdupq_n_s32(offset)));
  }
}

template <int Bits>
void all(const Rows& rows, const PackedInput& x, std::int32_t* out, Place place) {
  for (int block = 0; block < rows.count; ++block) {
    Task a{rows.first + block * rows.block_stride,
           rows.stride,
           rows.depth_blocks(),
           x.words,
           x.stride,
           x.sums,
           out + block * place.block_stride,
           place.column_stride};
    int columns = x.count;
    const auto step = [&](auto size) {
      tile<Bits, size.value>(a);
      a.words += size.value;
      a.sums += size.value;
      a.out += size.value * a.column_stride;
      columns -= size.value;
    };
    while (columns >= 4) step(std::integral_constant<int, 4>{});
    if (columns >= 2) step(std::integral_constant<int, 2>{});
    if (columns == 1) step(std::integral_constant<int, 1>{});
  }
}

}  // namespace

void dot(const Rows& rows, const PackedInput& x, std::int32_t* out, Place place) {
  switch (rows.bits) {
    case 2:
      return all<2>(rows, x, out, place);
    case 3:
      return all<3>(rows, x, out, place);
    case 4:
      return all<4>(rows, x, out, place);
    case 5:
      return all<5>(rows, x, out, place);
    case 6:
      return all<6>(rows, x, out, place);
    case 7:
      return all<7>(rows, x, out, place);
    default:
      return all<8>(rows, x, out, place);
  }
}

}  // namespace speechq::engine::neon
