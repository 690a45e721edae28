// Products of coded weights (generic/panel.h) with VBMI and VNNI. The inputs of a superblock and their
// complements are a table of 64 bytes, in which one instruction looks up one half of 64 groups; the four
// looked-up values of a row are then added with an instruction more.
#include <immintrin.h>

#include <utility>

#include "generic/dot.h"

namespace speechq::engine::avx512 {
namespace {

#define SPEECHQ_INLINE inline __attribute__((always_inline))

// Measured as in dot.cpp.
constexpr int kAhead = 8192;

struct Task {
  const std::uint8_t* rows;
  std::int64_t row_bytes, next, depth;  // from a row block and from a superblock to the next; superblocks
  const std::int32_t* words;
  std::int64_t step;  // from a column to the next
  std::int32_t* out;
  Place place;
};

SPEECHQ_INLINE __m512i bytes_of(int value) { return _mm512_set1_epi8(static_cast<char>(value)); }

// From one group after the other, as they are stored, to the four groups of a row side by side.
SPEECHQ_INLINE __m512i row_order() {
  alignas(64) static constexpr std::uint8_t kOrder[64] = {
      0,  16, 32, 48, 1,  17, 33, 49, 2,  18, 34, 50, 3,  19, 35, 51, 4,  20, 36, 52, 5,  21,
      37, 53, 6,  22, 38, 54, 7,  23, 39, 55, 8,  24, 40, 56, 9,  25, 41, 57, 10, 26, 42, 58,
      11, 27, 43, 59, 12, 28, 44, 60, 13, 29, 45, 61, 14, 30, 46, 62, 15, 31, 47, 63};
  return _mm512_load_si512(kOrder);
}

// The inputs of four groups, each followed by its complement.
SPEECHQ_INLINE __m512i table_of(const std::int32_t* words) {
  const __m512i x = _mm512_castsi256_si512(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(words)));
  const __m512i twice = _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 0, 1, 1, 2, 2, 3, 3), x);
  return _mm512_xor_si512(twice, _mm512_setr_epi64(0, -1, 0, -1, 0, -1, 0, -1));
}

// R row blocks times C columns. The halves of a group are brought together once for all columns.
template <int R, int C>
void tile(const Task& a) {
  const __m512i ones = bytes_of(1), half = bytes_of(15), group = _mm512_set1_epi32(0x30201000);
  const __m512i last_out = _mm512_setr_epi64(-1, 0x00ffffffffffffff, -1, 0x00ffffffffffffff, -1,
                                             0x00ffffffffffffff, -1, 0x00ffffffffffffff);
  const __m512i order = row_order();
  __m512i acc[R][C];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) acc[r][c] = _mm512_load_si512(a.rows + r * a.row_bytes + a.depth * a.next);
  const std::uint8_t* p = a.rows;
  const std::int32_t* x = a.words;
  for (std::int64_t d = 0; d < a.depth; ++d) {
    __m512i low[R], high[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const std::uint8_t* line = p + r * a.row_bytes;
      _mm_prefetch(reinterpret_cast<const char*>(line + kAhead), _MM_HINT_T0);
      const __m512i v = _mm512_permutexvar_epi8(order, _mm512_load_si512(line));
      low[r] = _mm512_ternarylogic_epi32(v, half, group, 0xea);  // (v & half) | group
      high[r] = _mm512_ternarylogic_epi32(_mm512_srli_epi16(v, 4), half, group, 0xea);
    }
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) {
      const __m512i first = table_of(x + c * a.step), second = _mm512_and_si512(first, last_out);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        acc[r][c] = _mm512_dpbusd_epi32(acc[r][c], ones, _mm512_permutexvar_epi8(low[r], first));
        acc[r][c] = _mm512_dpbusd_epi32(acc[r][c], ones, _mm512_permutexvar_epi8(high[r], second));
      }
    }
    p += a.next;
    x += kDepth / 4;
  }
  for (int r = 0; r < R; ++r)
    for (int c = 0; c < C; ++c)
      _mm512_storeu_si512(a.out + c * a.place.column_stride + r * a.place.block_stride, acc[r][c]);
}

// Calls f with pieces of at most Most.
template <int Most, class F>
void in_pieces(int count, const F& f) {
  for (; count >= Most; count -= Most) f(std::integral_constant<int, Most>{});
  if constexpr (Most > 1)
    if (count > 0) in_pieces<Most / 2>(count, f);
}

template <int R>
void row_blocks(Task a, int columns) {
  in_pieces<(R > 2 ? 2 : 8)>(columns, [&](auto count) {
    tile<R, count.value>(a);
    a.words += count.value * a.step;
    a.out += count.value * a.place.column_stride;
  });
}

}  // namespace

void coded_dot(const Rows& rows, const PackedInput& x, std::int32_t* out, Place place) {
  Task a{rows.first, rows.block_stride, rows.stride, rows.depth_blocks(), x.words, x.step, out, place};
  const auto step = [&](auto blocks) {
    row_blocks<blocks.value>(a, x.count);
    a.rows += blocks.value * rows.block_stride;
    a.out += blocks.value * place.block_stride;
  };
  // Few columns: all row blocks at once, so that memory is read in one stream.
  if (rows.count == 3 && x.count < 4)
    step(std::integral_constant<int, 3>{});
  else if (x.count < 4)
    in_pieces<4>(rows.count, step);
  else
    in_pieces<2>(rows.count, step);
}

}  // namespace speechq::engine::avx512
