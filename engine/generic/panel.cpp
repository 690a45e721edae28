#include "generic/panel.h"

#include <cstring>
#include <vector>

namespace speechq::engine {
namespace {

// The planes of `bits`: their widths, lowest first.
struct Planes {
  int count;
  int width[3];
};

Planes planes_of(int bits) {
  switch (bits) {
    case 2:
      return {1, {2}};
    case 3:
      return {2, {2, 1}};
    case 4:
      return {1, {4}};
    case 5:
      return {2, {4, 1}};
    case 6:
      return {2, {4, 2}};
    case 7:
      return {3, {4, 2, 1}};
    default:
      return {1, {8}};
  }
}

// The lowest bit of a vector in a line of fields of `width` bits.
int bit_of(int width, int vector) {
  return width == 1 ? single_bit_of(vector) : width * (vector % (8 / width));
}

void put(int bits, std::uint8_t* superblock, int vector, int place, unsigned field) {
  const Planes planes = planes_of(bits);
  for (int p = 0; p < planes.count; ++p) {
    const int width = planes.width[p], per_line = 8 / width;
    const unsigned part = field & ((1u << width) - 1u);
    superblock[(vector / per_line) * kLine + place] |=
        static_cast<std::uint8_t>(part << bit_of(width, vector));
    field >>= width;
    superblock += width * kLine;
  }
}

unsigned get(int bits, const std::uint8_t* superblock, int vector, int place) {
  const Planes planes = planes_of(bits);
  unsigned field = 0;
  int shift = 0;
  for (int p = 0; p < planes.count; ++p) {
    const int width = planes.width[p], per_line = 8 / width;
    const unsigned line = superblock[(vector / per_line) * kLine + place];
    field |= ((line >> bit_of(width, vector)) & ((1u << width) - 1u)) << shift;
    shift += width;
    superblock += width * kLine;
  }
  return field;
}

}  // namespace

Panels pack_panels(const Matrix& matrix, std::int64_t parts, std::uint8_t* out) {
  Panels panels{matrix.bits, parts, matrix.rows / parts, matrix.columns, out};
  const unsigned offset = 1u << (matrix.bits - 1);
  std::memset(out, 0, static_cast<std::size_t>(panels.bytes()));
  std::vector<std::int8_t> codes(static_cast<std::size_t>(panels.depth_blocks() * kDepth));
  for (std::int64_t block = 0; block < panels.unit_blocks(); ++block)
    for (std::int64_t part = 0; part < parts; ++part) {
      std::uint8_t* to = out + (panels.row_block(block, part) - panels.data);
      for (int row = 0; row < kRows; ++row) {
        const std::int64_t unit = block * kRows + row;
        const std::int64_t first = (part * panels.units + unit) * panels.columns;
        if (matrix.bits == 32) {
          if (unit < panels.units)
            for (std::int64_t k = 0; k < panels.columns; ++k)
              std::memcpy(to + k * panels.stride() + row * 4, matrix.codes + (first + k) * 4, 4);
          continue;
        }
        std::fill(codes.begin(), codes.end(), std::int8_t{0});
        if (unit < panels.units) unpack_codes(matrix, first, panels.columns, codes.data());
        for (std::int64_t k = 0; k < panels.depth_blocks() * kDepth; ++k)
          put(matrix.bits, to + (k / kDepth) * panels.stride(), static_cast<int>(k % kDepth) / 4,
              row * 4 + static_cast<int>(k % 4),
              static_cast<unsigned>(codes[static_cast<std::size_t>(k)]) + offset);
      }
    }
  return panels;
}

void unpack_superblock(int bits, const std::uint8_t* superblock, std::int8_t* out) {
  const int offset = 1 << (bits - 1);
  for (int vector = 0; vector < 8; ++vector)
    for (int place = 0; place < kLine; ++place)
      out[vector * kLine + place] =
          static_cast<std::int8_t>(static_cast<int>(get(bits, superblock, vector, place)) - offset);
}

}  // namespace speechq::engine
