#include <doctest/doctest.h>

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
    Panels sizes{weights.bits, parts, weights.matrix.rows / parts, weights.matrix.columns, nullptr};
    buffer.reserve(static_cast<std::size_t>(sizes.bytes()));
    panels = pack_panels(weights.matrix, parts, static_cast<std::uint8_t*>(buffer.data()));
  }
  Rows rows(std::int64_t unit_block) const {
    Rows result;
    result.first = panels.row_block(unit_block);
    result.bits = panels.bits;
    result.count = static_cast<int>(panels.parts);
    result.columns = panels.columns;
    result.block_stride = panels.piece_bytes();
    result.stride = panels.stride();
    return result;
  }
  Buffer buffer;
  Panels panels;
};

// Products of random codes against sums term by term, on every instruction set.
void check_products(std::mt19937& random, int bits, std::int64_t parts, std::int64_t units,
                    std::int64_t depth, int columns) {
  CAPTURE(bits);
  CAPTURE(parts);
  CAPTURE(depth);
  CAPTURE(columns);
  const Weights weights(bits, random_codes(random, bits, parts * units * depth), parts * units);
  const Packed packed(weights, parts);
  // Codes from -127 to 127, and -128, which the low byte of a 16-bit code can have.
  std::uniform_int_distribution<int> code(-128, 127);
  std::vector<std::int16_t> x(static_cast<std::size_t>(columns * depth));
  for (auto& value : x) value = static_cast<std::int16_t>(code(random));
  std::vector<std::int32_t> expected(static_cast<std::size_t>(columns * parts * units));
  for (std::int64_t n = 0; n < columns; ++n)
    for (std::int64_t row = 0; row < parts * units; ++row) {
      const int* w = weights.codes.data() + row * depth;
      std::int32_t& sum = expected[static_cast<std::size_t>(n * parts * units + row)];
      for (std::int64_t k = 0; k < depth; ++k) sum += w[k] * x[static_cast<std::size_t>(n * depth + k)];
    }
  const std::int64_t words = packed.panels.depth_blocks() * 8;
  std::vector<std::int32_t> word(static_cast<std::size_t>(words * columns)),
      sums(static_cast<std::size_t>(columns));
  for_each_isa([&] {
    kernels().cells.pack_codes(x.data(), depth, depth, columns, false, word.data(), columns, sums.data());
    const PackedInput input{word.data(), sums.data(), columns, columns};
    for (std::int64_t block = 0; block < packed.panels.unit_blocks(); ++block) {
      std::vector<std::int32_t> out(static_cast<std::size_t>(columns * parts * kRows));
      kernels().dot(packed.rows(block), input, out.data(), {parts * kRows, kRows});
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
        kernels().cells.pack_codes(x.data(), depth, depth, 1, false, word.data(), 1, sums.data());
        kernels().dot(packed.rows(0), {word.data(), sums.data(), 1, 1}, out.data(), {16, 16});
        for (std::int32_t sum : out) CHECK(sum == code * qmax * static_cast<std::int32_t>(depth));
      });
    }
  }
}
