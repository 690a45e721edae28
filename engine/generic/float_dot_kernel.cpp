// Products with a float side: one accumulator per output, k in order, a multiply and an add each. Vectors
// are 16 rows wide and split by the compiler where the registers are narrower.
#include <cstring>
#include <type_traits>

#include "generic/kernel_tables.h"
#include "generic/math.h"

namespace speechq::engine::SPEECHQ_ISA {
namespace {

typedef float Floats __attribute__((vector_size(64)));
typedef std::int32_t Words __attribute__((vector_size(64)));

// Row blocks and columns whose sums fit the registers beside a weight and a value.
#if defined(__AVX512F__)
constexpr int kBlocks = 3, kColumns = 8;
#elif defined(__AVX2__)
constexpr int kBlocks = 1, kColumns = 6;
#elif defined(__aarch64__)
constexpr int kBlocks = 1, kColumns = 6;
#else
constexpr int kBlocks = 1, kColumns = 2;
#endif

// Columns that are multiplied with all frames before the next ones, so that the frames find them in a near
// cache; the next ones are fetched meanwhile.
constexpr std::int64_t kChunk = 128;

struct Task {
  const std::uint8_t* rows;
  std::int64_t row_bytes, next, columns;  // from a row block and from a piece to the next; columns
  const float* values;
  std::int64_t stride;
  float* out;
  Place place;
  bool first = true;                    // sums begin at zero, not with those in `out`
  std::int64_t fetch = 0, divisor = 1;  // fetch piece `fetch + k / divisor`
};

template <int R, int C>
void store(const Task& a, const Floats (&acc)[R][C]) {
  for (int r = 0; r < R; ++r)
    for (int c = 0; c < C; ++c)
      std::memcpy(a.out + c * a.place.column_stride + r * a.place.block_stride, &acc[r][c], sizeof(Floats));
}

// Float weights.
template <int R, int C>
void tile(const Task& a) {
  Floats acc[R][C] = {};
  if (!a.first)
    for (int r = 0; r < R; ++r)
      for (int c = 0; c < C; ++c)
        std::memcpy(&acc[r][c], a.out + c * a.place.column_stride + r * a.place.block_stride, sizeof(Floats));
  const std::uint8_t* fetched = a.rows + a.fetch * a.next;
  std::int64_t until_fetch = 1;
  for (std::int64_t k = 0; k < a.columns; ++k) {
    if (C > 1 && --until_fetch == 0) {
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) __builtin_prefetch(fetched + r * a.row_bytes, 0, 3);
      fetched += a.next;
      until_fetch = a.divisor;
    }
    Floats w[R];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) std::memcpy(&w[r], a.rows + r * a.row_bytes + k * a.next, sizeof(Floats));
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) {
      const float x = a.values[c * a.stride + k];
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) acc[r][c] = acc[r][c] + w[r] * x;
    }
  }
  store(a, acc);
}

// Codes times float values: the code's float32 value is the weight.
template <int C>
void code_tile(const Task& a, int bits) {
  Floats acc[1][C] = {};
  alignas(kLine) std::int8_t codes[8 * kLine];
  for (std::int64_t first = 0; first < a.columns; first += kDepth) {
    unpack_superblock(bits, a.rows + first / kDepth * a.next, codes);
    const std::int64_t length = a.columns - first < kDepth ? a.columns - first : kDepth;
    for (std::int64_t k = 0; k < length; ++k) {
      Words packed;
      std::memcpy(&packed, codes + (k / 4) * kLine, sizeof packed);
      const Floats w = __builtin_convertvector((packed << static_cast<int>(24 - 8 * (k % 4))) >> 24, Floats);
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c) acc[0][c] = acc[0][c] + w * a.values[c * a.stride + first + k];
    }
  }
  store(a, acc);
}

template <int Size>
using Constant = std::integral_constant<int, Size>;

// Calls f(Constant<n>) for pieces that add up to `count`, at most Most each.
template <int Most, class F>
void in_pieces(int count, const F& f) {
  while (count >= Most) {
    f(Constant<Most>{});
    count -= Most;
  }
  if constexpr (Most > 1)
    if (count > 0) in_pieces<Most / 2>(count, f);
}

}  // namespace

void float_dot(const Rows& rows, const FloatInput& x, float* out, Place place) {
  Task a{rows.first, rows.block_stride, rows.stride, rows.columns, x.values, x.stride, out, place};
  const auto all_columns = [&](const Task& task, const auto& f) {
    Task part = task;
    in_pieces<kColumns>(x.count, [&](auto columns) {
      f(part, columns);
      part.values += columns.value * x.stride;
      part.out += columns.value * place.column_stride;
      part.fetch += part.columns / part.divisor;
    });
  };
  const auto advance = [&](int blocks) {
    a.rows += blocks * rows.block_stride;
    a.out += blocks * place.block_stride;
  };
  if (rows.bits != 32) {
    for (int block = 0; block < rows.count; ++block) {
      all_columns(a, [&](const Task& part, auto columns) { code_tile<columns.value>(part, rows.bits); });
      advance(1);
    }
    return;
  }
  const auto row_blocks = [&](auto blocks) {
    Task chunk = a;
    chunk.divisor = blocks_of(x.count, kColumns);
    // Measured: a single frame is faster without either.
    const std::int64_t most = x.count == 1 ? rows.columns : kChunk;
    for (std::int64_t first = 0; first < rows.columns; first += most) {
      chunk.rows = a.rows + first * rows.stride;
      chunk.values = a.values + first;
      chunk.first = first == 0;
      chunk.columns = rows.columns - first < most ? rows.columns - first : most;
      chunk.fetch = chunk.columns;
      all_columns(chunk, [&](const Task& part, auto columns) { tile<blocks.value, columns.value>(part); });
    }
    advance(blocks.value);
  };
  // Four row blocks are two times two.
  if (rows.count == 4)
    in_pieces<(kBlocks < 2 ? kBlocks : 2)>(rows.count, row_blocks);
  else
    in_pieces<kBlocks>(rows.count, row_blocks);
}

}  // namespace speechq::engine::SPEECHQ_ISA
