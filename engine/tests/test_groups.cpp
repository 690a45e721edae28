// Codes in groups against an encoder that looks for the pattern, as docs/model-format.md says it.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "model/codes.h"
#include "model/groups.h"
#include "model/model.h"
#include "model_writer.h"

using namespace speechq::engine;
using namespace speechq::testing;

namespace {

using Bytes = std::vector<std::uint8_t>;

const Groups kGroups[] = {{8, 2}, {8, 1}, {4, 1}, {16, 2}, {8, 3}, {16, 4}, {3, 1}, {5, 2}, {2, 2}};

// Rows of codes that the groups allow, some groups without a non-zero.
std::vector<int> random_codes(std::mt19937& random, std::int64_t rows, std::int64_t columns,
                              const Groups& groups) {
  std::vector<int> codes(static_cast<std::size_t>(rows * columns));
  for (std::int64_t row = 0; row < rows; ++row)
    for (std::int64_t first = 0; first < columns; first += groups.size) {
      const std::int64_t length = std::min(groups.size, columns - first);
      for (auto count = static_cast<std::int64_t>(random()) % (groups.kept + 1); count > 0; --count) {
        const std::int64_t place = first + static_cast<std::int64_t>(random()) % length;
        codes[static_cast<std::size_t>(row * columns + place)] = random() % 2 == 0 ? 1 : -1;
      }
    }
  return codes;
}

// Bit by bit.
Bytes encode(const std::vector<int>& codes, std::int64_t rows, std::int64_t columns, const Groups& groups) {
  const std::vector<std::uint32_t> patterns = patterns_of(groups);
  int width = 0;
  while (std::size_t{1} << width < patterns.size()) ++width;
  Bytes bytes;
  std::size_t bit = 0;
  for (std::int64_t row = 0; row < rows; ++row)
    for (std::int64_t first = 0; first < columns; first += groups.size) {
      std::uint32_t wanted = 0;
      for (std::int64_t i = 0; i < groups.size && first + i < columns; ++i)
        wanted |=
            (static_cast<std::uint32_t>(codes[static_cast<std::size_t>(row * columns + first + i)]) & 3u)
            << (2 * i);
      const auto found = std::find(patterns.begin(), patterns.end(), wanted);
      REQUIRE(found != patterns.end());
      const auto index = static_cast<unsigned>(found - patterns.begin());
      for (int k = 0; k < width; ++k, ++bit) {
        if (bit % 8 == 0) bytes.push_back(0);
        bytes.back() |= static_cast<std::uint8_t>((index >> k & 1u) << (bit % 8));
      }
    }
  return bytes;
}

Matrix ternary(const Bytes& packed, std::int64_t rows, std::int64_t columns) {
  Matrix matrix;
  matrix.bits = 2;
  matrix.rows = rows;
  matrix.columns = columns;
  matrix.codes = packed.data();
  return matrix;
}

Bytes decoded(const Bytes& data, std::int64_t rows, std::int64_t columns, const Groups& groups) {
  return decode_groups(data.data(), static_cast<std::int64_t>(data.size()), rows, columns, groups);
}

}  // namespace

TEST_CASE("patterns stand in the order of the format") {
  CHECK(patterns_of({4, 1}) == std::vector<std::uint32_t>{0, 1, 3, 4, 12, 16, 48, 64, 192});
  const std::vector<std::uint32_t> pairs = patterns_of({8, 2});
  REQUIRE(pairs.size() == 129);
  // 1 1, 1 -1, -1 1, -1 -1 in the first two columns, then 1 . 1.
  CHECK(std::vector<std::uint32_t>(pairs.begin() + 17, pairs.begin() + 22) ==
        std::vector<std::uint32_t>{5, 13, 7, 15, 17});
  CHECK(patterns_of({16, 4}).size() == 34113);
  for (const Groups& groups : {Groups{1, 1}, Groups{17, 1}, Groups{8, 0}, Groups{8, 9}, Groups{16, 5},
                               Groups{16, 16}, Groups{-8, 2}, Groups{8, -2}, Groups{1LL << 40, 1LL << 40}})
    CHECK_THROWS_AS(patterns_of(groups), ModelError);
}

TEST_CASE("codes in groups come back") {
  std::mt19937 random(1);
  for (const Groups& groups : kGroups)
    for (std::int64_t rows : {1, 3, 20})
      for (std::int64_t columns : {1, 7, 8, 16, 29}) {
        const std::vector<int> codes = random_codes(random, rows, columns, groups);
        const Bytes packed = decoded(encode(codes, rows, columns, groups), rows, columns, groups);
        const Matrix matrix = ternary(packed, rows, columns);
        check_codes(matrix);
        for (std::size_t i = 0; i < codes.size(); ++i)
          REQUIRE(code_at(matrix, static_cast<std::int64_t>(i)) == codes[i]);
      }
}

TEST_CASE("damaged codes in groups are refused or obey the groups") {
  std::mt19937 random(2);
  constexpr std::int64_t kRowsOf = 9, kColumnsOf = 21;
  int refused = 0, taken = 0;
  for (int trial = 0; trial < 3000; ++trial) {
    const Groups& groups = kGroups[random() % 9];
    Bytes data = encode(random_codes(random, kRowsOf, kColumnsOf, groups), kRowsOf, kColumnsOf, groups);
    for (int flips = 0; flips < 1 + trial % 3; ++flips)
      data[random() % data.size()] ^= static_cast<std::uint8_t>(1u << random() % 8);
    if (trial % 5 == 0) data.resize(random() % data.size());
    try {
      const Bytes packed = decoded(data, kRowsOf, kColumnsOf, groups);
      const Matrix matrix = ternary(packed, kRowsOf, kColumnsOf);
      check_codes(matrix);
      for (std::int64_t row = 0; row < kRowsOf; ++row)
        for (std::int64_t first = 0; first < kColumnsOf; first += groups.size) {
          std::int64_t used = 0;
          for (std::int64_t k = first; k < std::min(first + groups.size, kColumnsOf); ++k)
            used += code_at(matrix, row * kColumnsOf + k) != 0;
          REQUIRE(used <= groups.kept);
        }
      ++taken;
    } catch (const ModelError&) {
      ++refused;
    }
  }
  CHECK(refused > 600);
  CHECK(taken > 600);
}

TEST_CASE("a model with a matrix in groups is the same model") {
  ModelSpec spec;
  spec.layers = {layer_of(Kind::sru, 2)};
  ModelParts parts = model_parts(spec);
  TensorParts& tensor = tensor_of(parts, "layers.0.in.codes");
  const Model plain = parse_model(assemble(parts));
  const Matrix& in = plain.layers[0].matrices.at("in");
  std::mt19937 random(3);
  const Groups groups{8, 2};
  const std::vector<int> codes = random_codes(random, in.rows, in.columns, groups);
  tensor.data = encode(codes, in.rows, in.columns, groups);
  tensor.shape = {static_cast<std::int64_t>(tensor.data.size())};
  replace(parts.header, "\"in\":{\"bits\":2,\"columns\":16,",
          "\"in\":{\"bits\":2,\"columns\":16,\"groups\":[8,2],");
  CHECK_THROWS_WITH_AS(parse_model(assemble(parts)),
                       "model: layer 0, matrix in: groups do not belong to a file of version 1", ModelError);
  replace(parts.header, "\"version\":1", "\"version\":3");
  const Model found = parse_model(assemble(parts));
  const Matrix& grouped = found.layers[0].matrices.at("in");
  CHECK(found.decoded.size() == 1);
  CHECK(grouped.groups.size == 8);
  CHECK(grouped.groups.kept == 2);
  for (std::size_t i = 0; i < codes.size(); ++i)
    REQUIRE(code_at(grouped, static_cast<std::int64_t>(i)) == codes[i]);
  tensor.data[0] = 129;
  CHECK_THROWS_WITH_AS(parse_model(assemble(parts)),
                       "model: layer 0, matrix in: (8, 2) coding: index 129, expected indices from 0 to 128",
                       ModelError);
}
