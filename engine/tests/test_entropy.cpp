// Range-coded codes against an encoder that follows docs/model-format.md one code after the other.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "model/codes.h"
#include "model/entropy.h"
#include "model/model.h"
#include "model_writer.h"

using namespace speechq::engine;
using namespace speechq::testing;

namespace {

using Bytes = std::vector<std::uint8_t>;

void append(Bytes& bytes, std::uint64_t value, int count) {
  for (int i = 0; i < count; ++i) bytes.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

// From the last code to the first; words are then turned round.
Bytes encode(const std::vector<int>& codes, int bits) {
  const int qmax = (1 << (bits - 1)) - 1;
  std::vector<std::uint64_t> share(static_cast<std::size_t>(2 * qmax + 1), 1);
  for (int code : codes) ++share[static_cast<std::size_t>(code + qmax)];
  std::uint64_t sum = 0;
  for (std::uint64_t& f : share)
    sum += f = std::max<std::uint64_t>(f * 8000 / (codes.size() + share.size()), 1);
  share[static_cast<std::size_t>(qmax)] += 16384 - sum;
  std::vector<std::uint64_t> state(64, 65536), words;
  for (std::size_t n = codes.size(); n-- > 0;) {
    const auto symbol = static_cast<std::size_t>(codes[n] + qmax);
    std::uint64_t start = 0;
    for (std::size_t k = 0; k < symbol; ++k) start += share[k];
    std::uint64_t& x = state[n % 64];
    if (x >= share[symbol] << 18) {
      words.push_back(x & 65535);
      x >>= 16;
    }
    x = x / share[symbol] * 16384 + x % share[symbol] + start;
  }
  Bytes bytes;
  for (std::uint64_t f : share) append(bytes, f, 2);
  for (std::uint64_t x : state) append(bytes, x, 4);
  for (std::size_t n = words.size(); n-- > 0;) append(bytes, words[n], 2);
  return bytes;
}

std::vector<int> random_codes(std::mt19937& random, std::size_t count, int bits, double spread) {
  const int qmax = (1 << (bits - 1)) - 1;
  std::normal_distribution<double> normal(0.0, spread);
  std::vector<int> codes(count);
  for (int& code : codes) code = std::clamp(static_cast<int>(std::lround(normal(random))), -qmax, qmax);
  return codes;
}

}  // namespace

TEST_CASE("range-coded codes come back") {
  std::mt19937 random(1);
  for (int bits = 2; bits <= 8; ++bits)
    for (std::size_t count : {1u, 63u, 64u, 65u, 1000u})
      for (double spread : {0.4, 3.0, 50.0}) {
        const std::vector<int> codes = random_codes(random, count, bits, spread);
        const Bytes data = encode(codes, bits);
        const Bytes packed = decode_entropy(data.data(), static_cast<std::int64_t>(data.size()),
                                            static_cast<std::int64_t>(count), bits);
        Matrix matrix;
        matrix.bits = bits;
        matrix.rows = 1;
        matrix.columns = static_cast<std::int64_t>(count);
        matrix.codes = packed.data();
        check_codes(matrix);
        for (std::size_t i = 0; i < count; ++i)
          REQUIRE(code_at(matrix, static_cast<std::int64_t>(i)) == codes[i]);
      }
}

TEST_CASE("damaged range-coded codes are refused or give codes, never more memory than 64 times their size") {
  std::mt19937 random(2);
  const Bytes whole = encode(random_codes(random, 900, 3, 1.0), 3);
  int refused = 0;
  for (int trial = 0; trial < 3000; ++trial) {
    Bytes data = whole;
    for (int flips = 0; flips < 1 + trial % 3; ++flips)
      data[random() % data.size()] ^= static_cast<std::uint8_t>(1u << random() % 8);
    if (trial % 5 == 0) data.resize(random() % data.size());
    const std::int64_t count = trial % 7 == 0 ? 1 + static_cast<std::int64_t>(random()) : 900;
    try {
      const Bytes packed = decode_entropy(data.data(), static_cast<std::int64_t>(data.size()), count, 3);
      REQUIRE(packed.size() <= 64 * data.size());
    } catch (const ModelError& error) {
      ++refused;
      REQUIRE(std::string(error.what()).find("range-coded") != std::string::npos);
    }
  }
  CHECK(refused > 2900);  // the words' and states' ends are a check of almost every bit
}

TEST_CASE("a model with a range-coded matrix is the same model") {
  const ModelSpec spec;
  const Model plain = parse_model(write_model(spec));
  ModelParts parts = model_parts(spec);
  const Matrix& in = plain.layers[0].matrices.at("in");
  std::vector<int> codes;
  for (std::int64_t i = 0; i < in.rows * in.columns; ++i) codes.push_back(code_at(in, i));
  TensorParts& tensor = tensor_of(parts, "layers.0.in.codes");
  tensor.data = encode(codes, in.bits);
  tensor.shape = {static_cast<std::int64_t>(tensor.data.size())};
  const ModelParts unnamed = parts;
  replace(parts.header, "\"in\":{\"bits\":6,", "\"in\":{\"bits\":6,\"coding\":\"rans\",");
  const Model coded = parse_model(assemble(parts));
  const Matrix& found = coded.layers[0].matrices.at("in");
  for (std::int64_t i = 0; i < in.rows * in.columns; ++i) REQUIRE(code_at(found, i) == code_at(in, i));
  CHECK(coded.decoded.size() == 1);
  CHECK_THROWS_AS(parse_model(assemble(unnamed)), ModelError);
  replace(parts.header, "\"rans\"", "\"zip\"");
  CHECK_THROWS_WITH_AS(parse_model(assemble(parts)),
                       "model: layer 0, matrix in: coding \"zip\": expected 'rans' for 2 to 8 bits, or none",
                       ModelError);
}
