// How weights lie in memory: the order in which the products read them, at exactly their number of bits.
//
// The rows of a matrix are the `parts` (gates) of `units` units. A row block is 16 rows: one part of 16
// units. The row blocks of the same units are interleaved column by column, so that memory is read in one
// stream while they share what they are multiplied with. Units are padded to 16, columns to 32.
//
// Codes of 2 to 8 bits: a row block consists of superblocks of 32 columns, 64 * bits bytes each; those of the
// same columns lie side by side, part by part. Groups of four columns, one per row, make a vector of 64
// fields (row * 4 + column % 4); the eight vectors of a superblock are stored as bit planes, each of whole
// 64-byte lines:
//   4 bits (of 4, 5, 6, 7):  line q holds vectors 2q (low) and 2q + 1 (high half of each byte), 4 lines
//   2 bits (of 2, 3, 6, 7):  line q holds vectors 4q to 4q + 3, from the low bits upwards, 2 lines
//   1 bit (of 3, 5, 7):      one line holds all eight, vector V at bit single_bit_of(V): vectors 2q and 2q +
//   1
//                            are two bits apart there as in a line of 2 bits, so that one shift serves both
//   8 bits:                  a line per vector
// The low bits of a field are in the first plane. A field is code + 2^(bits-1), so that it is never negative.
// With 8 bits it is the code itself, which a product can take straight from memory where its inputs are made
// positive instead.
//
// 32 bits: for every column 16 floats of each part.
//
// 1 bit (kCoded): ternary weights of which at most two of eight neighbours are not zero. A superblock is one
// line: byte 16 g + r is the group of the columns 8 g to 8 g + 7 of row r. It is the sum of two entries of
// the table x_0, ..., x_7, -x_0, ..., -x_7 of the group's eight inputs, its low and its high half saying
// which; in the high half 15 stands for zero in place of -x_7. Products take ~x = -x - 1 in place of -x,
// which fits a byte; the line behind the last superblock of a row block says how often each row does, 16
// numbers of 32 bits.
#pragma once

#include <cstdint>

#include "model/model.h"

namespace speechq::engine {

constexpr int kRows = 16;
constexpr int kDepth = 32;
constexpr int kLine = 64;

constexpr int kCoded = 1;
constexpr int kCodedGroup = 8, kCodedMost = 2;
constexpr int kCodedZero = 15;  // in a high half; a half from kCodedGroup on is negative

constexpr int single_bit_of(int vector) { return (vector & 4) | ((vector & 1) << 1) | ((vector & 2) >> 1); }

inline std::int64_t blocks_of(std::int64_t count, std::int64_t size) { return (count + size - 1) / size; }

struct Panels {
  int bits = 0;
  std::int64_t parts = 1, units = 0, columns = 0;
  const std::uint8_t* data = nullptr;

  std::int64_t unit_blocks() const { return blocks_of(units, kRows); }
  std::int64_t depth_blocks() const { return blocks_of(columns, kDepth); }
  // Bytes of a superblock, or of a column of 16 floats; and how many of them a row block has.
  std::int64_t piece_bytes() const { return bits == 32 ? kRows * 4 : kLine * bits; }
  std::int64_t pieces() const { return bits == 32 ? columns : depth_blocks() + (bits == kCoded ? 1 : 0); }
  std::int64_t unit_block_bytes() const { return parts * pieces() * piece_bytes(); }
  std::int64_t bytes() const { return unit_blocks() * unit_block_bytes(); }
  // From a piece of a row block to the next one.
  std::int64_t stride() const { return parts * piece_bytes(); }
  const std::uint8_t* row_block(std::int64_t unit_block, std::int64_t part = 0) const {
    return data + unit_block * unit_block_bytes() + part * piece_bytes();
  }
};

// Bits per weight of the panels that hold a matrix: kCoded where its groups allow it, else those of the file.
int panel_bits(const Matrix& matrix);

// Fills `out` (bytes() of the result) from the packed codes of a model file.
Panels pack_panels(const Matrix& matrix, std::int64_t parts, std::uint8_t* out);

// The codes of a superblock, or of its first vectors alone: out[vector * 64 + row * 4 + column % 4], all 512
// of `out` there (groups are always unpacked whole).
void unpack_superblock(int bits, const std::uint8_t* superblock, std::int8_t* out, int vectors = 8);

}  // namespace speechq::engine
