#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "base/aligned.h"
#include "generic/kernels.h"
#include "support.h"

using namespace speechq;
using namespace speechq::engine;
using namespace speechq::testing;

namespace {

std::vector<int> random_codes(std::mt19937& random, int bits, std::int64_t count) {
  const int qmax = (1 << (bits - 1)) - 1;
  std::uniform_int_distribution<int> code(-qmax, qmax);
  std::vector<int> codes(static_cast<std::size_t>(count));
  for (int& value : codes) value = code(random);
  return codes;
}

// Ternary codes of which two of eight in a row at most are not zero; rows of `depth`.
std::vector<int> sparse_codes(std::mt19937& random, std::int64_t rows, std::int64_t depth) {
  std::vector<int> codes(static_cast<std::size_t>(rows * depth));
  for (std::int64_t row = 0; row < rows; ++row)
    for (std::int64_t first = 0; first < depth; first += 8)
      for (unsigned count = random() % 3; count > 0; --count) {
        const std::int64_t length = std::min<std::int64_t>(8, depth - first);
        const std::int64_t place = first + static_cast<std::int64_t>(random()) % length;
        codes[static_cast<std::size_t>(row * depth + place)] = random() % 2 == 0 ? 1 : -1;
      }
  return codes;
}

// Codes, and the matrix of them as it lies in a file.
struct Weights {
  Weights(int bits, std::vector<int> all, std::int64_t rows) : bits(bits), codes(std::move(all)) {
    packed.resize((codes.size() * static_cast<std::size_t>(bits) + 7) / 8);
    for (std::size_t i = 0; i < codes.size(); ++i)
      for (int bit = 0; bit < bits; ++bit) {
        const std::size_t k = i * static_cast<std::size_t>(bits) + static_cast<std::size_t>(bit);
        packed[k / 8] |= static_cast<std::uint8_t>((codes[i] >> bit & 1) << (k % 8));
      }
    matrix.bits = bits;
    matrix.rows = rows;
    matrix.columns = static_cast<std::int64_t>(codes.size()) / rows;
    matrix.codes = packed.data();
    matrix.steps = {1.0f};
  }
  int bits;
  std::vector<int> codes;
  std::vector<std::uint8_t> packed;
  Matrix matrix;
};

struct Packed {
  Packed(const Weights& weights, std::int64_t parts) {
    Panels sizes{panel_bits(weights.matrix), parts, weights.matrix.rows / parts, weights.matrix.columns,
                 nullptr};
    buffer.reserve(static_cast<std::size_t>(sizes.bytes()));
    panels = pack_panels(weights.matrix, parts, static_cast<std::uint8_t*>(buffer.data()));
    const std::int64_t units = panels.units, stride = panels.unit_blocks() * kRows;
    sums.resize(static_cast<std::size_t>(parts * stride));
    for (std::size_t i = 0; i < weights.codes.size(); ++i) {
      const auto row = static_cast<std::int64_t>(i) / panels.columns;
      sums[static_cast<std::size_t>(row / units * stride + row % units)] += weights.codes[i];
    }
  }
  Rows rows(std::int64_t unit_block) const {
    Rows result;
    result.first = panels.row_block(unit_block);
    result.bits = panels.bits;
    result.count = static_cast<int>(panels.parts);
    result.columns = panels.columns;
    result.block_stride = panels.piece_bytes();
    result.stride = panels.stride();
    if (panels.bits == 8) result.sums = sums.data() + unit_block * kRows;
    result.sums_stride = panels.unit_blocks() * kRows;
    return result;
  }
  Buffer buffer;
  std::vector<std::int32_t> sums;
  Panels panels;
};

// Products of random codes against sums term by term, on every instruction set.
void check_products(std::mt19937& random, const Weights& weights, std::int64_t parts, int columns) {
  const Packed packed(weights, parts);
  const std::int64_t units = packed.panels.units, depth = packed.panels.columns;
  CAPTURE(packed.panels.bits);
  CAPTURE(parts);
  CAPTURE(depth);
  CAPTURE(columns);
  // Codes from -127 to 127, and -128, which the low byte of a 16-bit code can have.
  std::uniform_int_distribution<int> code(-128, 127);
  std::vector<std::int16_t> x(static_cast<std::size_t>(columns * depth));
  for (auto& value : x) value = static_cast<std::int16_t>(random() % 8 == 0 ? -128 : code(random));
  std::vector<std::int32_t> expected(static_cast<std::size_t>(columns * parts * units));
  for (std::int64_t n = 0; n < columns; ++n)
    for (std::int64_t row = 0; row < parts * units; ++row) {
      const int* w = weights.codes.data() + row * depth;
      std::int32_t& sum = expected[static_cast<std::size_t>(n * parts * units + row)];
      for (std::int64_t k = 0; k < depth; ++k) sum += w[k] * x[static_cast<std::size_t>(n * depth + k)];
    }
  const bool coded = packed.panels.bits == kCoded;
  const std::int64_t words = packed.panels.depth_blocks() * 8;
  std::vector<std::int32_t> word(static_cast<std::size_t>(words * columns)),
      sums(static_cast<std::size_t>(columns));
  for_each_isa([&] {
    const PackedInput input{word.data(), sums.data(), coded ? 1 : columns, columns, coded ? words : 1};
    kernels().cells.pack_codes(x.data(), depth, depth, columns, false, word.data(), input.stride, input.step,
                               sums.data());
    for (std::int64_t block = 0; block < packed.panels.unit_blocks(); ++block) {
      std::vector<std::int32_t> out(static_cast<std::size_t>(columns * parts * kRows));
      (coded ? kernels().coded_dot : kernels().dot)(packed.rows(block), input, out.data(),
                                                    {parts * kRows, kRows});
      int wrong = 0;
      for (std::int64_t n = 0; n < columns; ++n)
        for (std::int64_t part = 0; part < parts; ++part)
          for (std::int64_t row = 0; row < kRows; ++row) {
            const std::int64_t unit = block * kRows + row;
            const std::int32_t sum =
                unit < units ? expected[static_cast<std::size_t>((n * parts + part) * units + unit)] : 0;
            wrong += out[static_cast<std::size_t>((n * parts + part) * kRows + row)] != sum;
          }
      CHECK(wrong == 0);
    }
  });
}

void check_products(std::mt19937& random, int bits, std::int64_t parts, std::int64_t units,
                    std::int64_t depth, int columns) {
  const Weights weights(bits, random_codes(random, bits, parts * units * depth), parts * units);
  check_products(random, weights, parts, columns);
}

void check_coded_products(std::mt19937& random, std::int64_t parts, std::int64_t units, std::int64_t depth,
                          int columns) {
  Weights weights(2, sparse_codes(random, parts * units, depth), parts * units);
  weights.matrix.groups = {8, 2};
  check_products(random, weights, parts, columns);
}

}  // namespace

TEST_CASE("products of codes are the exact sums on every instruction set") {
  std::mt19937 random(1);
  for (int bits = 2; bits <= 8; ++bits)
    for (std::int64_t parts : {1, 3, 4})
      for (int columns : {1, 2, 3, 5, 8, 13, 16}) check_products(random, bits, parts, 21, 37 + bits, columns);
}

TEST_CASE("long rows and many columns too") {
  std::mt19937 random(2);
  for (int bits : {3, 8})
    for (int columns : {16, 19, 64}) {
      check_products(random, bits, 3, 16, 1100, columns);
      check_products(random, bits, 1, 16, 2090, columns);
    }
}

TEST_CASE("products of coded weights are the exact sums on every instruction set") {
  std::mt19937 random(4);
  for (std::int64_t parts : {1, 2, 3, 4})
    for (std::int64_t depth : {1, 7, 32, 37, 130})
      for (int columns : {1, 2, 3, 4, 5, 8, 13, 16, 32})
        check_coded_products(random, parts, 21, depth, columns);
  for (int columns : {1, 3, 16}) {
    check_coded_products(random, 3, 16, 1100, columns);
    check_coded_products(random, 1, 16, 4130, columns);
  }
}

TEST_CASE("every pattern of eight coded weights comes back") {
  std::vector<int> codes;
  for (int first = 0; first < 8; ++first)
    for (int second = first; second < 8; ++second)
      for (int signs = 0; signs < 9; ++signs) {
        int group[8] = {};
        group[first] = signs % 3 - 1;
        if (second != first) group[second] = signs / 3 - 1;
        codes.insert(codes.end(), group, group + 8);
      }
  const auto rows = static_cast<std::int64_t>(codes.size() / 8);
  Weights weights(2, codes, rows);
  weights.matrix.groups = {8, 2};
  const Packed packed(weights, 1);
  REQUIRE(packed.panels.bits == kCoded);
  std::int8_t found[8 * kLine];
  for (std::int64_t row = 0; row < rows; ++row) {
    unpack_superblock(kCoded, packed.panels.row_block(row / kRows), found);
    for (int k = 0; k < 8; ++k)
      REQUIRE(found[k / 4 * kLine + row % kRows * 4 + k % 4] == codes[static_cast<std::size_t>(row * 8 + k)]);
  }
}

TEST_CASE("weights are held coded where their groups have at most two of eight") {
  Matrix matrix;
  matrix.bits = 2;
  CHECK(panel_bits(matrix) == 2);
  for (const Groups& groups : {Groups{8, 2}, Groups{8, 1}, Groups{4, 1}, Groups{16, 2}}) {
    matrix.groups = groups;
    CHECK(panel_bits(matrix) == kCoded);
  }
  for (const Groups& groups : {Groups{8, 3}, Groups{4, 2}, Groups{2, 1}, Groups{16, 4}, Groups{6, 1}}) {
    matrix.groups = groups;
    CHECK(panel_bits(matrix) == 2);
  }
}

TEST_CASE("products of floats are sums in the order of the columns on every instruction set") {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  const std::int64_t depth = 300, units = 16;
  for (std::int64_t parts : {1, 3, 4})
    for (int columns : {1, 2, 7, 16, 33}) {
      CAPTURE(parts);
      CAPTURE(columns);
      std::vector<float> weights(static_cast<std::size_t>(parts * units * depth)),
          x(static_cast<std::size_t>(columns * depth));
      for (float& value : weights) value = normal(random);
      for (float& value : x) value = normal(random);
      Matrix matrix;
      matrix.bits = 32;
      matrix.rows = parts * units;
      matrix.columns = depth;
      matrix.codes = reinterpret_cast<const std::uint8_t*>(weights.data());
      Buffer buffer;
      buffer.reserve(weights.size() * sizeof(float));
      const Panels panels = pack_panels(matrix, parts, static_cast<std::uint8_t*>(buffer.data()));
      Rows rows;
      rows.first = panels.row_block(0);
      rows.bits = 32;
      rows.count = static_cast<int>(parts);
      rows.columns = depth;
      rows.block_stride = panels.piece_bytes();
      rows.stride = panels.stride();
      for_each_isa([&] {
        std::vector<float> out(static_cast<std::size_t>(columns * parts * kRows));
        kernels().float_dot(rows, {x.data(), depth, columns}, out.data(), {parts * kRows, kRows});
        int wrong = 0;
        for (std::int64_t n = 0; n < columns; ++n)
          for (std::int64_t row = 0; row < parts * units; ++row) {
            volatile float sum = 0;  // so that nothing is fused or put in another order
            for (std::int64_t k = 0; k < depth; ++k) {
              const volatile float term = x[static_cast<std::size_t>(n * depth + k)] *
                                          weights[static_cast<std::size_t>(row * depth + k)];
              sum = sum + term;
            }
            wrong += out[static_cast<std::size_t>(n * parts * kRows + row)] != sum;
          }
        CHECK(wrong == 0);
      });
    }
}

TEST_CASE("the largest sums of coded weights do not overflow either") {
  const std::int64_t depth = 4096;
  for (int sign : {1, -1}) {
    std::vector<int> codes(static_cast<std::size_t>(16 * depth));
    for (std::size_t i = 0; i < codes.size(); i += 4) codes[i] = sign;
    Weights weights(2, codes, 16);
    weights.matrix.groups = {4, 1};
    const Packed packed(weights, 1);
    for (int code : {-128, 127}) {
      const std::vector<std::int16_t> x(static_cast<std::size_t>(depth), static_cast<std::int16_t>(code));
      std::vector<std::int32_t> word(static_cast<std::size_t>(depth / 4)), sums(1), out(16);
      for_each_isa([&] {
        kernels().cells.pack_codes(x.data(), depth, depth, 1, false, word.data(), 1, depth / 4, sums.data());
        kernels().coded_dot(packed.rows(0), {word.data(), sums.data(), 1, 1, depth / 4}, out.data(),
                            {16, 16});
        for (std::int32_t sum : out) CHECK(sum == sign * code * static_cast<std::int32_t>(depth / 4));
      });
    }
  }
}

TEST_CASE("the largest sums do not overflow or saturate") {
  const std::int64_t depth = 4096;
  for (int bits = 2; bits <= 8; ++bits) {
    const int qmax = (1 << (bits - 1)) - 1;
    const Weights weights(bits, std::vector<int>(static_cast<std::size_t>(16 * depth), qmax), 16);
    const Packed packed(weights, 1);
    for (int code : {-128, 127}) {
      const std::vector<std::int16_t> x(static_cast<std::size_t>(depth), static_cast<std::int16_t>(code));
      std::vector<std::int32_t> word(static_cast<std::size_t>(depth / 4)), sums(1), out(16);
      for_each_isa([&] {
        kernels().cells.pack_codes(x.data(), depth, depth, 1, false, word.data(), 1, 1, sums.data());
        kernels().dot(packed.rows(0), {word.data(), sums.data(), 1, 1}, out.data(), {16, 16});
        for (std::int32_t sum : out) CHECK(sum == code * qmax * static_cast<std::int32_t>(depth));
      });
    }
  }
}
