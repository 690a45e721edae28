// Packed codes (docs/model-format.md): one little-endian bit stream, eight codes in `bits` bytes.
#include "model/codes.h"

#include <algorithm>
#include <cstring>

namespace speechq::engine {
namespace {

constexpr std::int64_t kChunk = 4096;  // codes that are checked at a time; a multiple of 8

// Eight codes at a time. The shift to the top of the byte and back extends the sign.
template <int kBits>
void unpack_groups(const std::uint8_t* in, std::int64_t groups, std::int8_t* out) {
  for (; groups > 0; --groups, in += kBits, out += 8) {
    std::uint64_t word = 0;
    for (int i = 0; i < kBits; ++i) word |= std::uint64_t{in[i]} << (8 * i);
    for (int i = 0; i < 8; ++i)
      out[i] = static_cast<std::int8_t>(static_cast<std::int8_t>(word >> (kBits * i) << (8 - kBits)) >>
                                        (8 - kBits));
  }
}

using Unpack = void (*)(const std::uint8_t*, std::int64_t, std::int8_t*);
constexpr Unpack kUnpack[] = {unpack_groups<2>, unpack_groups<3>, unpack_groups<4>, unpack_groups<5>,
                              unpack_groups<6>, unpack_groups<7>, unpack_groups<8>};

}  // namespace

int code_at(const Matrix& matrix, std::int64_t index) {
  const int bits = matrix.bits;
  const std::int64_t bit = index * bits;
  const int shift = static_cast<int>(bit % 8);
  const std::uint8_t* at = matrix.codes + bit / 8;
  unsigned field = unsigned{at[0]} >> shift;
  if (shift + bits > 8) field |= unsigned{at[1]} << (8 - shift);
  const int sign = 1 << (bits - 1);
  return (static_cast<int>(field & (2u * static_cast<unsigned>(sign) - 1)) ^ sign) - sign;
}

void unpack_codes(const Matrix& matrix, std::int64_t first, std::int64_t count, std::int8_t* out) {
  const std::int64_t last = first + count;
  while (first < last && first % 8 != 0) *out++ = static_cast<std::int8_t>(code_at(matrix, first++));
  const std::int64_t groups = (last - first) / 8;
  kUnpack[matrix.bits - 2](matrix.codes + first / 8 * matrix.bits, groups, out);
  out += groups * 8;
  for (first += groups * 8; first < last; ++first) *out++ = static_cast<std::int8_t>(code_at(matrix, first));
}

void check_codes(const Matrix& matrix) {
  const std::int64_t count = matrix.rows * matrix.columns;
  const int used = static_cast<int>(count * matrix.bits % 8);
  if (used != 0 && matrix.codes[count * matrix.bits / 8] >> used != 0)
    throw ModelError("the fill bits behind the codes are not zero");
  const int qmax = (1 << (matrix.bits - 1)) - 1;
  std::int8_t codes[kChunk];
  for (std::int64_t first = 0; first < count; first += kChunk) {
    const std::int64_t taken = std::min(kChunk, count - first);
    unpack_codes(matrix, first, taken, codes);
    std::int8_t least = 0;
    for (std::int64_t i = 0; i < taken; ++i) least = std::min(least, codes[i]);
    if (least < -qmax)
      throw ModelError("a code is " + std::to_string(-qmax - 1) + ", but " + std::to_string(matrix.bits) +
                       "-bit codes lie within ±" + std::to_string(qmax));
  }
}

}  // namespace speechq::engine
