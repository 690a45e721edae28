// Inner products with VNNI: 64 unsigned fields times 64 signed codes an instruction. Fields are codes plus
// 2^(bits-1), so the sum of a column's codes times that is subtracted at the end.
#include "generic/dot.h"

#include <immintrin.h>

#include <utility>

namespace speechq::engine::avx512 {
namespace {

#define SPEECHQ_INLINE inline __attribute__((always_inline))

SPEECHQ_INLINE __m512i load(const std::uint8_t* p) {
  return _mm512_load_si512(reinterpret_cast<const __m512i*>(p));
}
SPEECHQ_INLINE __m512i bytes_of(int value) { return _mm512_set1_epi8(static_cast<char>(value)); }

// Shifted so that bit `From` of every byte comes to bit `To`; bits of the neighbour byte come along.
template <int From, int To>
SPEECHQ_INLINE __m512i moved(__m512i x) {
  if constexpr (From > To)
    return _mm512_srli_epi16(x, From - To);
  else if constexpr (From < To)
    return _mm512_slli_epi16(x, To - From);
  else
    return x;
}

// lower | (upper & mask)
SPEECHQ_INLINE __m512i joined(__m512i lower, __m512i upper, __m512i mask) {
  return _mm512_ternarylogic_epi32(lower, upper, mask, 0xf8);
}

// Vector V of a superblock: its 64 fields (generic/panel.h).
template <int Bits, int V>
SPEECHQ_INLINE __m512i fields(const std::uint8_t* p) {
  if constexpr (Bits == 8) {
    return load(p + V * kLine);
  } else if constexpr (Bits == 2 || Bits == 3) {
    const __m512i low = _mm512_and_si512(moved<2 * (V % 4), 0>(load(p + (V / 4) * kLine)), bytes_of(3));
    if constexpr (Bits == 2)
      return low;
    else
      return joined(low, moved<V, 2>(load(p + 2 * kLine)), bytes_of(4));
  } else {
    const __m512i low = _mm512_and_si512(moved<4 * (V % 2), 0>(load(p + (V / 2) * kLine)), bytes_of(15));
    if constexpr (Bits == 4) {
      return low;
    } else if constexpr (Bits == 5) {
      return joined(low, moved<V, 4>(load(p + 4 * kLine)), bytes_of(16));
    } else {
      const __m512i six = joined(low, moved<2 * (V % 4), 4>(load(p + (4 + V / 4) * kLine)), bytes_of(0x30));
      if constexpr (Bits == 6)
        return six;
      else
        return joined(six, moved<V, 6>(load(p + 6 * kLine)), bytes_of(0x40));
    }
  }
}

template <class F, std::size_t... V>
SPEECHQ_INLINE void for_vectors(const F& f, std::index_sequence<V...>) {
  (f(std::integral_constant<int, static_cast<int>(V)>{}), ...);
}

SPEECHQ_INLINE __m512i broadcast(const std::int32_t* p) { return _mm512_set1_epi32(*p); }

// How far ahead weights are fetched: what a core can have under way from the last cache. Measured over 0.5 to
// 32 MB; 1 to 4 KiB are 10 to 20 % slower beyond 16 MB.
constexpr int kAhead = 8192;

struct Task {
  const std::uint8_t* rows;
  std::int64_t row_bytes, next, depth;  // from a row block and from a superblock to the next; superblocks
  const std::int32_t* words;
  std::int64_t stride;
  const std::int32_t* sums;
  std::int32_t* out;
  Place place;
};

// The R * Bits lines that follow in kAhead bytes.
template <int Bits, int R>
SPEECHQ_INLINE void fetch(const std::uint8_t* p) {
#pragma GCC unroll 32
  for (int line = 0; line < R * Bits; ++line)
    _mm_prefetch(reinterpret_cast<const char*>(p + kAhead + line * kLine), _MM_HINT_T0);
}

// R row blocks times C columns; every weight vector is unpacked once for C columns.
template <int Bits, int R, int C>
void tile(const Task& a) {
  __m512i acc[R][C];
  for (int r = 0; r < R; ++r)
    for (int c = 0; c < C; ++c) acc[r][c] = _mm512_setzero_si512();
  const std::uint8_t* p = a.rows;
  const std::int32_t* x = a.words;
  for (std::int64_t d = 0; d < a.depth; ++d) {
    fetch<Bits, R>(p);
    for_vectors(
        [&](auto v) {
          __m512i w[R];
#pragma GCC unroll 4
          for (int r = 0; r < R; ++r) w[r] = fields<Bits, v.value>(p + r * a.row_bytes);
#pragma GCC unroll 16
          for (int c = 0; c < C; ++c) {
            const __m512i codes = broadcast(x + v.value * a.stride + c);
#pragma GCC unroll 4
            for (int r = 0; r < R; ++r) acc[r][c] = _mm512_dpbusd_epi32(acc[r][c], w[r], codes);
          }
        },
        std::make_index_sequence<8>{});
    p += a.next;
    x += 8 * a.stride;
  }
  for (int c = 0; c < C; ++c) {
    const __m512i offset = _mm512_set1_epi32(a.sums[c] * (1 << (Bits - 1)));
    for (int r = 0; r < R; ++r)
      _mm512_storeu_si512(a.out + c * a.place.column_stride + r * a.place.block_stride,
                          _mm512_sub_epi32(acc[r][c], offset));
  }
}

// R row blocks times one column, where reading the weights is what takes the time: four sums per row block,
// so that none has to wait for the one before, and fields of 2 and 4 bits without a shift, their sums
// weighted by their place in the byte instead.
template <int Bits, int R>
void single(const Task& a) {
  constexpr int kSums = 4;
  constexpr bool kInPlace = Bits == 4 || Bits == 2;
  __m512i acc[R][kSums];
  for (auto& row : acc)
    for (auto& sum : row) sum = _mm512_setzero_si512();
  const std::uint8_t* p = a.rows;
  const std::int32_t* x = a.words;
  for (std::int64_t d = 0; d < a.depth; ++d) {
    fetch<Bits, R>(p);
    for_vectors(
        [&](auto v) {
          const __m512i codes = broadcast(x + v.value * a.stride);
#pragma GCC unroll 4
          for (int r = 0; r < R; ++r) {
            __m512i w;
            if constexpr (kInPlace) {
              constexpr int kPer = 8 / Bits, kPlace = v.value % kPer;
              w = _mm512_and_si512(load(p + r * a.row_bytes + (v.value / kPer) * kLine),
                                   bytes_of(((1 << Bits) - 1) << (Bits * kPlace)));
            } else {
              w = fields<Bits, v.value>(p + r * a.row_bytes);
            }
            acc[r][v.value % kSums] = _mm512_dpbusd_epi32(acc[r][v.value % kSums], w, codes);
          }
        },
        std::make_index_sequence<8>{});
    p += a.next;
    x += 8 * a.stride;
  }
  const __m512i offset = _mm512_set1_epi32(a.sums[0] * (1 << (Bits - 1)));
  for (int r = 0; r < R; ++r) {
    for_vectors(
        [&](auto v) {
          if constexpr (kInPlace)
            acc[r][v.value] = _mm512_srai_epi32(acc[r][v.value], Bits * (v.value % (8 / Bits)));
        },
        std::make_index_sequence<kSums>{});
    const __m512i sum =
        _mm512_add_epi32(_mm512_add_epi32(acc[r][0], acc[r][1]), _mm512_add_epi32(acc[r][2], acc[r][3]));
    _mm512_storeu_si512(a.out + r * a.place.block_stride, _mm512_sub_epi32(sum, offset));
  }
}

// R row blocks times all columns but, perhaps, the last one.
template <int Bits, int R>
void row_blocks(Task a, int columns) {
  const auto step = [&](auto size) {
    tile<Bits, R, size.value>(a);
    a.words += size.value;
    a.sums += size.value;
    a.out += size.value * a.place.column_stride;
    columns -= size.value;
  };
  while (columns >= 8) step(std::integral_constant<int, 8>{});
  if (columns >= 4) step(std::integral_constant<int, 4>{});
  if (columns >= 2) step(std::integral_constant<int, 2>{});
}

// Calls f with pieces of at most Most row blocks.
template <int Most, class F>
void in_pieces(int count, const F& f) {
  for (; count >= Most; count -= Most) f(std::integral_constant<int, Most>{});
  if constexpr (Most > 1)
    if (count > 0) in_pieces<Most - 1>(count, f);
}

template <int Bits>
void all(const Rows& rows, const PackedInput& x, std::int32_t* out, Place place) {
  const Task whole{
      rows.first, rows.block_stride, rows.stride, rows.depth_blocks(), x.words, x.stride, x.sums, out, place};
  const auto advance = [&](Task& a, int blocks) {
    a.rows += blocks * rows.block_stride;
    a.out += blocks * place.block_stride;
  };
  if (x.count > 1) {
    Task a = whole;
    const auto step = [&](auto blocks) {
      row_blocks<Bits, blocks.value>(a, x.count);
      advance(a, blocks.value);
    };
    // Three row blocks times eight columns fill the registers; four are two times two.
    if (rows.count == 4)
      in_pieces<2>(rows.count, step);
    else
      in_pieces<3>(rows.count, step);
  }
  if (x.count % 2 == 1) {
    Task a = whole;
    a.words += x.count - 1;
    a.sums += x.count - 1;
    a.out += (x.count - 1) * place.column_stride;
    in_pieces<4>(rows.count, [&](auto blocks) {
      single<Bits, blocks.value>(a);
      advance(a, blocks.value);
    });
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

}  // namespace speechq::engine::avx512
