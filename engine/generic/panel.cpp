#include "generic/panel.h"

#include <cstring>
#include <utility>
#include <vector>

namespace speechq::engine {
namespace {

// What is added to a code of fewer than 8 bits.
int offset_of(int bits) { return bits == 8 ? 0 : 1 << (bits - 1); }

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

// The byte of eight codes of which at most two are not zero.
std::uint8_t coded_group(const std::int8_t* codes) {
  int halves[kCodedMost] = {0, kCodedGroup};  // x_0 - x_0
  int found = 0;
  for (int i = 0; i < kCodedGroup; ++i)
    if (codes[i] != 0) halves[found++] = codes[i] > 0 ? i : kCodedGroup + i;
  if (found == 1) halves[1] = kCodedZero;
  if (found == 2 && halves[1] == kCodedZero) std::swap(halves[0], halves[1]);
  return static_cast<std::uint8_t>(halves[0] | halves[1] << 4);
}

// What is negative in a byte of coded_group.
int negatives_of(std::uint8_t group) {
  const int low = group & 15, high = group >> 4;
  return (low >= kCodedGroup ? 1 : 0) + (high >= kCodedGroup && high != kCodedZero ? 1 : 0);
}

// A row of a row block, `to`, from its codes, padded to whole superblocks.
void put_coded(const Panels& panels, const std::int8_t* codes, int row, std::uint8_t* to) {
  std::int32_t negatives = 0;
  for (std::int64_t g = 0; g < panels.depth_blocks() * (kDepth / kCodedGroup); ++g) {
    const std::uint8_t group = coded_group(codes + g * kCodedGroup);
    to[g / 4 * panels.stride() + g % 4 * kRows + row] = group;
    negatives += negatives_of(group);
  }
  std::memcpy(to + panels.depth_blocks() * panels.stride() + 4 * row, &negatives, 4);
}

void unpack_coded(const std::uint8_t* superblock, std::int8_t* out) {
  std::memset(out, 0, 8 * kLine);
  for (int i = 0; i < kLine; ++i) {
    // The group's columns are those of the vectors 2 (i / kRows) and the next one.
    std::int8_t* codes = out + i / kRows * 2 * kLine + i % kRows * 4;
    const auto add = [&](int half) {
      const int column = half % kCodedGroup;
      codes[column / 4 * kLine + column % 4] += half < kCodedGroup ? 1 : -1;
    };
    add(superblock[i] & 15);
    if (superblock[i] >> 4 != kCodedZero) add(superblock[i] >> 4);
  }
}

}  // namespace

// Also other groups than (8, 2) have no more than two non-zeros in eight.
int panel_bits(const Matrix& matrix) {
  const auto [size, kept] = matrix.groups;
  const bool larger = size != 0 && size % kCodedGroup == 0 && kept <= kCodedMost;
  const bool smaller = size != 0 && kCodedGroup % size == 0 && kCodedGroup / size * kept <= kCodedMost;
  return larger || smaller ? kCoded : matrix.bits;
}

Panels pack_panels(const Matrix& matrix, std::int64_t parts, std::uint8_t* out) {
  Panels panels{panel_bits(matrix), parts, matrix.rows / parts, matrix.columns, out};
  const auto offset = static_cast<unsigned>(offset_of(matrix.bits));
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
        if (panels.bits == kCoded) {
          put_coded(panels, codes.data(), row, to);
          continue;
        }
        for (std::int64_t k = 0; k < panels.depth_blocks() * kDepth; ++k)
          put(matrix.bits, to + (k / kDepth) * panels.stride(), static_cast<int>(k % kDepth) / 4,
              row * 4 + static_cast<int>(k % 4),
              static_cast<unsigned>(codes[static_cast<std::size_t>(k)]) + offset);
      }
    }
  return panels;
}

void unpack_superblock(int bits, const std::uint8_t* superblock, std::int8_t* out, int vectors) {
  if (bits == kCoded) return unpack_coded(superblock, out);
  const Planes planes = planes_of(bits);
  const int offset = offset_of(bits);
  for (int vector = 0; vector < vectors; ++vector, out += kLine) {
    unsigned fields[kLine] = {};
    const std::uint8_t* plane = superblock;
    for (int p = 0, shift = 0; p < planes.count; shift += planes.width[p++]) {
      const int width = planes.width[p], from = bit_of(width, vector);
      const unsigned mask = (1u << width) - 1u;
      const std::uint8_t* line = plane + vector / (8 / width) * kLine;
      for (int place = 0; place < kLine; ++place) fields[place] |= (line[place] >> from & mask) << shift;
      plane += width * kLine;
    }
    for (int place = 0; place < kLine; ++place)
      out[place] = static_cast<std::int8_t>(static_cast<int>(fields[place]) - offset);
  }
}

}  // namespace speechq::engine
