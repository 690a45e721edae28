// Inner products with AVX2: unsigned fields times signed codes, added in pairs to 16 bits. How many pairs fit
// before they must be widened depends on the bits of a field; 8-bit fields are split in two, whose pairs fit.
#include "generic/dot.h"

#include <immintrin.h>

#include <utility>

namespace speechq::engine::avx2 {
namespace {

#define SPEECHQ_INLINE inline __attribute__((always_inline))

SPEECHQ_INLINE __m256i load(const std::uint8_t* p) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(p));
}
SPEECHQ_INLINE __m256i bytes_of(int value) { return _mm256_set1_epi8(static_cast<char>(value)); }

// Shifted so that bit `From` of every byte comes to bit `To`, and only the bits of `mask` kept.
template <int From, int To>
SPEECHQ_INLINE __m256i moved(__m256i x, int mask) {
  if constexpr (From > To) x = _mm256_srli_epi16(x, From - To);
  if constexpr (From < To) x = _mm256_slli_epi16(x, To - From);
  return _mm256_and_si256(x, bytes_of(mask));
}

// The fields of eight rows (p points to their half of the lines) of vector V of a superblock; 8-bit codes
// plus 128, as all others.
template <int Bits, int V>
SPEECHQ_INLINE __m256i fields(const std::uint8_t* p) {
  if constexpr (Bits == 8) {
    return _mm256_xor_si256(load(p + V * kLine), bytes_of(0x80));
  } else if constexpr (Bits == 2 || Bits == 3) {
    const __m256i low = moved<2 * (V % 4), 0>(load(p + (V / 4) * kLine), 3);
    if constexpr (Bits == 2) return low;
    return _mm256_or_si256(low, moved<single_bit_of(V), 2>(load(p + 2 * kLine), 4));
  } else {
    __m256i low = moved<4 * (V % 2), 0>(load(p + (V / 2) * kLine), 15);
    if constexpr (Bits == 5) low = _mm256_or_si256(low, moved<single_bit_of(V), 4>(load(p + 4 * kLine), 16));
    if constexpr (Bits >= 6)
      low = _mm256_or_si256(low, moved<2 * (V % 4), 4>(load(p + (4 + V / 4) * kLine), 0x30));
    if constexpr (Bits == 7)
      low = _mm256_or_si256(low, moved<single_bit_of(V), 6>(load(p + 6 * kLine), 0x40));
    return low;
  }
}

// Products of a field and a code (at least -128) that fit 16 bits together: (2^bits - 1) * 128 * 2 * count.
constexpr int pairs_that_fit(int bits) { return bits <= 4 ? 8 : bits == 5 ? 4 : bits == 6 ? 2 : 1; }

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

// Eight rows times C columns.
template <int Bits, int C>
void tile(const Task& a) {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i acc[C];
  for (auto& sum : acc) sum = _mm256_setzero_si256();
  const std::uint8_t* p = a.rows;
  const std::int32_t* x = a.words;
  for (std::int64_t d = 0; d < a.depth; ++d) {
    __m256i narrow[C];
    for_vectors(
        [&](auto v) {
          const __m256i w = fields<Bits, v.value>(p);
          constexpr int kPlace = v.value % pairs_that_fit(Bits);
#pragma GCC unroll 8
          for (int c = 0; c < C; ++c) {
            const __m256i codes = _mm256_set1_epi32(x[v.value * a.stride + c]);
            if constexpr (Bits == 8) {
              const __m256i low = _mm256_maddubs_epi16(_mm256_and_si256(w, bytes_of(0x7f)), codes);
              const __m256i high = _mm256_maddubs_epi16(_mm256_and_si256(w, bytes_of(0x80)), codes);
              acc[c] = _mm256_add_epi32(
                  acc[c], _mm256_add_epi32(_mm256_madd_epi16(low, ones), _mm256_madd_epi16(high, ones)));
            } else {
              const __m256i pairs = _mm256_maddubs_epi16(w, codes);
              narrow[c] = kPlace == 0 ? pairs : _mm256_add_epi16(narrow[c], pairs);
              if (kPlace == pairs_that_fit(Bits) - 1)
                acc[c] = _mm256_add_epi32(acc[c], _mm256_madd_epi16(narrow[c], ones));
            }
          }
        },
        std::make_index_sequence<8>{});
    p += a.next;
    x += 8 * a.stride;
  }
  for (int c = 0; c < C; ++c)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(a.out + c * a.column_stride),
                        _mm256_sub_epi32(acc[c], _mm256_set1_epi32(a.sums[c] * (1 << (Bits - 1)))));
}

template <int Bits>
void all(const Rows& rows, const PackedInput& x, std::int32_t* out, Place place) {
  for (int block = 0; block < rows.count; ++block)
    for (int half = 0; half < 2; ++half) {
      Task a{rows.first + block * rows.block_stride + half * (kLine / 2),
             rows.stride,
             rows.depth_blocks(),
             x.words,
             x.stride,
             x.sums,
             out + block * place.block_stride + half * (kRows / 2),
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

}  // namespace speechq::engine::avx2
