// Products of coded weights (generic/panel.h) with AVX2: the inputs of a group and their complements are a
// table of 16 bytes, in which one instruction looks up one half of 16 rows each of two groups.
#include <immintrin.h>

#include "generic/coded_tiles.h"

namespace speechq::engine::avx2 {
namespace {

#define SPEECHQ_INLINE inline __attribute__((always_inline))

// Superblocks whose sums fit 16 bits: two times two values of at most 128, from two groups.
constexpr std::int64_t kNarrow = 32;

// The inputs of two groups, each followed by its complement.
SPEECHQ_INLINE __m256i table_of(const std::int32_t* words) {
  const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(words));
  const __m256i twice = _mm256_permute4x64_epi64(_mm256_castsi128_si256(x), 0x50);
  return _mm256_xor_si256(twice, _mm256_setr_epi64x(0, -1, 0, -1));
}

// Adds the sums of both groups of eight rows.
SPEECHQ_INLINE __m256i widened(__m256i sums, __m256i narrow) {
  const __m128i both = _mm_add_epi16(_mm256_castsi256_si128(narrow), _mm256_extracti128_si256(narrow, 1));
  return _mm256_add_epi32(sums, _mm256_cvtepi16_epi32(both));
}

// Sixteen rows times C columns.
template <int C>
void tile(const CodedTask& a) {
  const __m256i ones = _mm256_set1_epi8(1), half = _mm256_set1_epi8(15);
  const __m256i last_out = _mm256_setr_epi64x(-1, 0x00ffffffffffffff, -1, 0x00ffffffffffffff);
  __m256i acc[C][2];
  const auto* negatives = reinterpret_cast<const __m256i*>(a.rows + a.depth * a.next);
  for (auto& sum : acc)
    for (int k = 0; k < 2; ++k) sum[k] = _mm256_load_si256(negatives + k);
  const std::uint8_t* p = a.rows;
  const std::int32_t* x = a.words;
  for (std::int64_t d = 0; d < a.depth;) {
    __m256i narrow[C][2];
    for (auto& sum : narrow) sum[0] = sum[1] = _mm256_setzero_si256();
    for (const std::int64_t end = a.depth - d < kNarrow ? a.depth : d + kNarrow; d < end; ++d) {
#pragma GCC unroll 2
      for (int pair = 0; pair < 2; ++pair) {
        const __m256i v = _mm256_load_si256(reinterpret_cast<const __m256i*>(p) + pair);
        const __m256i low = _mm256_and_si256(v, half), high = _mm256_and_si256(_mm256_srli_epi16(v, 4), half);
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c) {
          const __m256i table = table_of(x + c * a.step + 4 * pair);
          const __m256i first = _mm256_shuffle_epi8(table, low);
          const __m256i second = _mm256_shuffle_epi8(_mm256_and_si256(table, last_out), high);
          narrow[c][0] =
              _mm256_add_epi16(narrow[c][0], _mm256_maddubs_epi16(ones, _mm256_unpacklo_epi8(first, second)));
          narrow[c][1] =
              _mm256_add_epi16(narrow[c][1], _mm256_maddubs_epi16(ones, _mm256_unpackhi_epi8(first, second)));
        }
      }
      p += a.next;
      x += kDepth / 4;
    }
    for (int c = 0; c < C; ++c)
      for (int k = 0; k < 2; ++k) acc[c][k] = widened(acc[c][k], narrow[c][k]);
  }
  for (int c = 0; c < C; ++c)
    for (int k = 0; k < 2; ++k)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(a.out + c * a.column_stride) + k, acc[c][k]);
}

}  // namespace

void coded_dot(const Rows& rows, const PackedInput& x, std::int32_t* out, Place place) {
  coded_tiles(rows, x, out, place, [](auto size, const CodedTask& a) { tile<size.value>(a); });
}

}  // namespace speechq::engine::avx2
