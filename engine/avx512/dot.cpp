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

// Vector V of a superblock: its 64 fields (generic/panel.h); 8-bit codes plus 128, as all others.
template <int Bits, int V>
SPEECHQ_INLINE __m512i fields(const std::uint8_t* p) {
  if constexpr (Bits == 8) {
    return _mm512_xor_si512(load(p + V * kLine), bytes_of(0x80));
  } else if constexpr (Bits == 2 || Bits == 3) {
    const __m512i low = _mm512_and_si512(moved<2 * (V % 4), 0>(load(p + (V / 4) * kLine)), bytes_of(3));
    if constexpr (Bits == 2)
      return low;
    else
      return joined(low, moved<single_bit_of(V), 2>(load(p + 2 * kLine)), bytes_of(4));
  } else {
    const __m512i low = _mm512_and_si512(moved<4 * (V % 2), 0>(load(p + (V / 2) * kLine)), bytes_of(15));
    if constexpr (Bits == 4) {
      return low;
    } else if constexpr (Bits == 5) {
      return joined(low, moved<single_bit_of(V), 4>(load(p + 4 * kLine)), bytes_of(16));
    } else {
      const __m512i six = joined(low, moved<2 * (V % 4), 4>(load(p + (4 + V / 4) * kLine)), bytes_of(0x30));
      if constexpr (Bits == 6)
        return six;
      else
        return joined(six, moved<single_bit_of(V), 6>(load(p + 6 * kLine)), bytes_of(0x40));
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

// Superblocks that are multiplied with all columns, in several passes, before the next ones: they stay in a
// near cache, and the next ones have the time of all passes to come. Measured: 16 and 64 are slower.
constexpr std::int64_t kChunk = 32;

struct Task {
  const std::uint8_t* rows;
  std::int64_t row_bytes, next, depth;  // from a row block and from a superblock to the next; superblocks
  const std::int32_t* words;
  std::int64_t stride;
  const std::int32_t* sums;
  const std::int32_t* row_sums;
  std::int64_t row_sums_stride;
  std::int32_t* out;
  Place place;
  bool first = true;            // sums begin with the offset of the fields, not with those in `out`
  std::int64_t ahead = kAhead;  // bytes from what is read to what is fetched
  unsigned fetched = 0xff;      // a bit for each vector whose lines are
};

// Fetches the lines of vector V of R row blocks.
template <int Bits, int R, int V>
SPEECHQ_INLINE void fetch(const std::uint8_t* p) {
#pragma GCC unroll 4
  for (int line = R * Bits * V / 8; line < R * Bits * (V + 1) / 8; ++line)
    _mm_prefetch(reinterpret_cast<const char*>(p + line * kLine), _MM_HINT_T0);
}

// The next vector's codes. The compiler is kept from forming the addresses of all vectors in advance, which
// are more than there are registers.
SPEECHQ_INLINE const std::int32_t* next_words(const std::int32_t* x, std::int64_t stride) {
  x += stride;
  asm("" : "+r"(x));
  return x;
}

// R row blocks times C columns; every weight vector is unpacked once for C columns.
template <int Bits, int R, int C>
void tile(const Task& a) {
  const auto place = [&](int r, int c) {
    return a.out + c * a.place.column_stride + r * a.place.block_stride;
  };
  __m512i acc[R][C];
  for (int r = 0; r < R; ++r)
    for (int c = 0; c < C; ++c)
      acc[r][c] =
          a.first ? _mm512_set1_epi32(-a.sums[c] * (1 << (Bits - 1))) : _mm512_loadu_si512(place(r, c));
  const std::uint8_t* p = a.rows;
  const std::int32_t* x = a.words;
  for (std::int64_t d = 0; d < a.depth; ++d) {
    for_vectors(
        [&](auto v) {
          if ((a.fetched >> v.value & 1) != 0) fetch<Bits, R, v.value>(p + a.ahead);
          __m512i w[R];
#pragma GCC unroll 4
          for (int r = 0; r < R; ++r) w[r] = fields<Bits, v.value>(p + r * a.row_bytes);
#pragma GCC unroll 16
          for (int c = 0; c < C; ++c) {
            const __m512i codes = broadcast(x + c);
#pragma GCC unroll 4
            for (int r = 0; r < R; ++r) acc[r][c] = _mm512_dpbusd_epi32(acc[r][c], w[r], codes);
          }
          x = next_words(x, a.stride);
        },
        std::make_index_sequence<8>{});
    p += a.next;
  }
  for (int r = 0; r < R; ++r)
    for (int c = 0; c < C; ++c) _mm512_storeu_si512(place(r, c), acc[r][c]);
}

// By how many bits the fields of vector V are too far up where they are not brought down to bit 0.
template <int Bits>
constexpr int place_of(int v) {
  return Bits == 4 ? 4 * (v % 2) : Bits == 3 ? 2 * (v % 2) : Bits == 2 ? 2 * (v % 4) : 0;
}

// The fields of vector V times 2^place_of<Bits>(V): few shifts or none.
template <int Bits, int V>
SPEECHQ_INLINE __m512i fields_in_place(const std::uint8_t* p) {
  constexpr int kPlace = place_of<Bits>(V);
  if constexpr (Bits == 2 || Bits == 4) {
    return _mm512_and_si512(load(p + (V * Bits / 8) * kLine), bytes_of(((1 << Bits) - 1) << kPlace));
  } else if constexpr (Bits == 3) {
    // Two neighbours share each shift.
    constexpr int kPair = V % 2;
    const __m512i low = moved<2 * (V % 4 - kPair), 0>(load(p + (V / 4) * kLine));
    const __m512i high = moved<single_bit_of(V), 2 + kPlace>(load(p + 2 * kLine));
    return joined(_mm512_and_si512(low, bytes_of(3 << kPlace)), high, bytes_of(4 << kPlace));
  } else {
    return fields<Bits, V>(p);
  }
}

// How R row blocks are multiplied with one column. Measured on Zen 5 over 8 to 34 MB: in which order lines
// are asked for matters more than anything else.
template <int Bits, int R>
struct Single {
  // Sums per row block, so that none has to wait for the one before. More than needed let the processor ask
  // for lines out of order.
  static constexpr int kSums = Bits < 4 || R == 1 ? 4 : 2;
  // With 8 bits there is so little between two loads that they are ahead by themselves.
  static constexpr bool kFetches = Bits < 8;
  // Whether the compiler is kept from mixing a vector's loads with the next one's: 10 % faster from 4 bits
  // on, slower below.
  static constexpr bool kInOrder = Bits >= 4;
};

// R row blocks times one column, where reading the weights is what takes the time: sums of fields in place,
// weighted at the end. 8-bit weights come as an operand from memory, which has to be the signed one: 128 is
// added to the inputs instead, so that fewer instructions stand between two lines (an eighth faster).
// `Adjacent`: the superblocks of the row blocks lie side by side.
template <int Bits, int R, bool Adjacent>
void single(const Task& a) {
  using How = Single<Bits, R>;
  const std::int64_t row_bytes = Adjacent ? Bits * kLine : a.row_bytes;
  __m512i acc[R][How::kSums];
  for (auto& row : acc)
    for (auto& sum : row) sum = _mm512_setzero_si512();
  const std::uint8_t* p = a.rows;
  const std::int32_t* x = a.words;
  for (std::int64_t d = 0; d < a.depth; ++d) {
    for_vectors(
        [&](auto v) {
          constexpr int kSum = v.value % How::kSums;
          if constexpr (How::kFetches) fetch<Bits, R, v.value>(p + kAhead);
          __m512i codes = broadcast(x + v.value * a.stride);
          if constexpr (Bits == 8) codes = _mm512_xor_si512(codes, bytes_of(0x80));
#pragma GCC unroll 4
          for (int r = 0; r < R; ++r) {
            __m512i& sum = acc[r][kSum];
            if constexpr (Bits == 8)
              sum = _mm512_dpbusd_epi32(sum, codes, load(p + r * row_bytes + v.value * kLine));
            else
              sum = _mm512_dpbusd_epi32(sum, fields_in_place<Bits, v.value>(p + r * row_bytes), codes);
          }
          if constexpr (How::kInOrder) asm("" : "+r"(p));
        },
        std::make_index_sequence<8>{});
    p += a.next;
    x += 8 * a.stride;
  }
  // What the sums have too much: 128 times the row's weights, or the fields' offset times the inputs.
  const auto offset = [&](int r) {
    if constexpr (Bits == 8)
      return _mm512_slli_epi32(_mm512_loadu_si512(a.row_sums + r * a.row_sums_stride), 7);
    else
      return _mm512_set1_epi32(a.sums[0] * (1 << (Bits - 1)));
  };
  for (int r = 0; r < R; ++r) {
    __m512i sum = acc[r][0];
    for (int k = 1; k < How::kSums; ++k)
      sum = _mm512_add_epi32(sum, _mm512_srai_epi32(acc[r][k], place_of<Bits>(k)));
    _mm512_storeu_si512(a.out + r * a.place.block_stride, _mm512_sub_epi32(sum, offset(r)));
  }
}

// R row blocks times all columns but, perhaps, the last one; fewer than eight columns if R is more than two.
template <int Bits, int R>
void row_blocks(const Task& whole, int columns) {
  constexpr int kMost = R == 1 ? 16 : 8;
  const int passes = columns < 2 * kMost ? 1 : columns < 4 * kMost ? 2 : 4;
  const std::int64_t chunk = passes == 1 ? whole.depth : kChunk;
  for (std::int64_t begin = 0; begin < whole.depth; begin += chunk) {
    Task a = whole;
    a.rows += begin * a.next;
    a.words += begin * 8 * a.stride;
    a.first = begin == 0;
    a.depth = whole.depth - begin < chunk ? whole.depth - begin : chunk;
    if (passes > 1) {
      a.ahead = a.depth * a.next;
      a.fetched = passes == 2 ? 0x55 : 0x11;
    }
    int left = columns;
    const auto step = [&](auto size) {
      tile<Bits, R, size.value>(a);
      a.words += size.value;
      a.sums += size.value;
      a.out += size.value * a.place.column_stride;
      a.fetched = passes == 1 ? 0xff : a.fetched << 1 & 0xff;
      left -= size.value;
    };
    // As many sums as hide the latency of the products and leave registers for what is multiplied.
    if constexpr (R == 1)
      while (left >= 16) step(std::integral_constant<int, 16>{});
    if constexpr (R <= 2)
      while (left >= 8) step(std::integral_constant<int, 8>{});
    if (left >= 4) step(std::integral_constant<int, 4>{});
    if (left >= 2) step(std::integral_constant<int, 2>{});
  }
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
  const Task whole{rows.first,
                   rows.block_stride,
                   rows.stride,
                   rows.depth_blocks(),
                   x.words,
                   x.stride,
                   x.sums,
                   rows.sums,
                   rows.sums_stride,
                   out,
                   place};
  const auto advance = [&](Task& a, int blocks) {
    a.rows += blocks * rows.block_stride;
    if constexpr (Bits == 8) a.row_sums += blocks * a.row_sums_stride;
    a.out += blocks * place.block_stride;
  };
  if (x.count > 1) {
    Task a = whole;
    const auto step = [&](auto blocks) {
      row_blocks<Bits, blocks.value>(a, x.count);
      advance(a, blocks.value);
    };
    // Few columns: all row blocks at once, so that memory is read in one stream. Many: measured, two row
    // blocks times eight columns are faster than three.
    if (x.count < 8)
      in_pieces<4>(rows.count, step);
    else
      in_pieces<2>(rows.count, step);
  }
  if (x.count % 2 == 1) {
    Task a = whole;
    a.words += x.count - 1;
    a.sums += x.count - 1;
    a.out += (x.count - 1) * place.column_stride;
    in_pieces<4>(rows.count, [&](auto blocks) {
      if (blocks.value == 1 || a.row_bytes == Bits * kLine)
        single<Bits, blocks.value, true>(a);
      else if constexpr (blocks.value > 1)
        single<Bits, blocks.value, false>(a);
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
