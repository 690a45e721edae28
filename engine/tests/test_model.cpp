#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "model/model.h"
#include "model_writer.h"

using namespace speechq::engine;
using namespace speechq::testing;

namespace {

constexpr Kind kKinds[] = {Kind::sru, Kind::lstm, Kind::residual_lstm, Kind::qrnn, Kind::isru};

std::vector<float> floats_of(const TensorParts& tensor) {
  std::vector<float> values(tensor.data.size() / 4);
  std::memcpy(values.data(), tensor.data.data(), tensor.data.size());
  return values;
}

// A code by its bits, one at a time.
int slow_code(const std::vector<std::uint8_t>& stream, int bits, std::size_t index) {
  int code = 0;
  for (int bit = 0; bit < bits; ++bit) {
    const std::size_t k = index * static_cast<std::size_t>(bits) + static_cast<std::size_t>(bit);
    const int value = stream[k / 8] >> (k % 8) & 1;
    code += bit == bits - 1 ? -(value << bit) : value << bit;
  }
  return code;
}

void check_matrix(const Matrix& matrix, const ModelParts& parts, const std::string& prefix) {
  const TensorParts& codes = tensor_of(parts, prefix + ".codes");
  const auto count = static_cast<std::size_t>(matrix.rows * matrix.columns);
  REQUIRE(std::memcmp(matrix.codes, codes.data.data(), codes.data.size()) == 0);
  if (matrix.bits == 32) {
    CHECK(codes.data.size() == 4 * count);
    CHECK(matrix.steps.empty());
    return;
  }
  CHECK(matrix.steps == floats_of(tensor_of(parts, prefix + ".steps")));
  std::vector<std::int8_t> all(count);
  unpack_codes(matrix, 0, static_cast<std::int64_t>(count), all.data());
  int wrong = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const int expected = slow_code(codes.data, matrix.bits, i);
    wrong += all[i] != expected || code_at(matrix, static_cast<std::int64_t>(i)) != expected;
  }
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("a model file of every kind and every number of bits is read as it was written") {
  unsigned seed = 0;
  for (Kind kind : kKinds)
    for (int bits : {2, 3, 4, 5, 6, 7, 8, 32})
      for (int variant : {1, 2}) {
        ModelSpec spec;
        LayerSpec layer = layer_of(kind, bits, 11 + variant);
        layer.variant = variant;
        layer.row_steps = layer.peepholes = variant == 2;
        layer.input_gate = layer.tanh = layer.candidate_bias = variant == 1;
        layer.window = 3;
        layer.taps_right = variant;
        layer.gate = {8, 0.0078125f};
        if (variant == 2) layer.cell = {16, 0.001f};
        if (kind == Kind::isru) layer.conv = {8, 0.03f};
        spec.layers = {layer, layer};
        spec.layers[1].units = 5;
        spec.seed = ++seed;
        spec.stride = 4;
        const ModelParts parts = model_parts(spec);
        const Model model = parse_model(assemble(parts));

        CHECK(model.scheme == "random");
        CHECK(model.symbols == spec.symbols);
        CHECK(model.units_kind == "characters");
        CHECK(model.features.dim == 8);
        CHECK(model.stack == 2);
        CHECK(model.stride == 4);
        CHECK(model.inputs() == 16);
        CHECK(model.outputs() == 6);
        CHECK(model.feat.bits == 8);
        CHECK(model.feat.step == 0.025f);
        CHECK(model.mean == floats_of(tensor_of(parts, "mean")));
        CHECK(model.scale == floats_of(tensor_of(parts, "scale")));
        REQUIRE(model.layers.size() == 3);
        CHECK(model.layers[2].kind == Kind::linear);
        CHECK(model.layers[2].units == 6);
        CHECK_FALSE(model.layers[2].h.on());
        std::int64_t width = 16;
        for (std::size_t k = 0; k < 3; ++k) {
          const Layer& found = model.layers[k];
          const std::string prefix = "layers." + std::to_string(k) + ".";
          CHECK(found.inputs == width);
          width = found.units;
          for (const auto& [name, matrix] : found.matrices) check_matrix(matrix, parts, prefix + name);
          for (const auto& [name, vector] : found.vectors)
            CHECK(vector == floats_of(tensor_of(parts, prefix + name)));
          if (k == 2) continue;
          CHECK(found.kind == kind);
          CHECK(found.units == (k == 0 ? 11 + variant : 5));
          CHECK(found.h.bits == 8);
          CHECK(found.h.step == 0.0125f);
          CHECK(found.gate.step == 0.0078125f);
          CHECK(found.cell.bits == (variant == 2 ? 16 : 0));
          CHECK(found.conv.on() == (kind == Kind::isru));
          CHECK(found.window == (kind == Kind::qrnn ? 3 : 1));
          CHECK(found.taps_left == (kind == Kind::isru ? 3 : 0));
          CHECK(found.taps_right == (kind == Kind::isru ? variant : 0));
          CHECK(found.variant == (kind == Kind::sru ? variant : 0));
          CHECK(found.tanh == (kind == Kind::sru && variant == 1));
          CHECK(found.scale_x == (kind == Kind::sru ? 1.25f : 1.0f));
        }
      }
}

TEST_CASE("the example of docs/model-format.md and the ends of a row") {
  const std::uint8_t byte = 0x4d;
  Matrix matrix;
  matrix.bits = 2;
  matrix.rows = 1;
  matrix.columns = 4;
  matrix.codes = &byte;
  std::int8_t codes[4];
  unpack_codes(matrix, 0, 4, codes);
  CHECK(std::vector<int>(codes, codes + 4) == std::vector<int>{1, -1, 0, 1});
  CHECK(code_at(matrix, 1) == -1);
}

TEST_CASE("consecutive codes from any place on, and nothing beyond them") {
  for (int bits = 2; bits <= 8; ++bits) {
    ModelSpec spec;
    spec.layers = {layer_of(Kind::lstm, bits, 7)};
    const Model model = parse_model(write_model(spec));
    const Matrix& matrix = model.layers[0].matrices.at("rec");
    const std::int64_t count = matrix.rows * matrix.columns;
    REQUIRE(count == 196);  // no multiple of 8, so that the last byte is filled up for most bits
    int wrong = 0;
    for (std::int64_t first = 0; first <= count; ++first)
      for (std::int64_t length = 0; length <= std::min<std::int64_t>(count - first, 40); ++length) {
        std::vector<std::int8_t> codes(static_cast<std::size_t>(length) + 1, 99);
        unpack_codes(matrix, first, length, codes.data());
        for (std::int64_t i = 0; i < length; ++i)
          wrong += codes[static_cast<std::size_t>(i)] != code_at(matrix, first + i);
        wrong += codes.back() != 99;
      }
    CHECK(wrong == 0);
  }
}

TEST_CASE("a moved model keeps its codes") {
  Model first = parse_model(write_model({}));
  const Matrix matrix = first.layers[0].matrices.at("in");
  const Model second = std::move(first);
  const Matrix& moved = second.layers[0].matrices.at("in");
  CHECK(moved.codes == matrix.codes);
  CHECK(moved.codes >= second.bytes.data());
  CHECK(moved.codes < second.bytes.data() + second.bytes.size());
}

TEST_CASE("files") {
  const std::string path = "speechq_test_model.sqm";
  const std::vector<std::uint8_t> bytes = write_model({});
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  CHECK(read_model(path).bytes == bytes);
  std::ofstream(path, std::ios::binary) << "not a model";
  CHECK_THROWS_WITH_AS(read_model(path),
                       "speechq_test_model.sqm: not a readable safetensors file, or cut short (a header of "
                       "8029109312199880558 bytes in a file of 11)",
                       ModelError);
  std::remove(path.c_str());
  CHECK_THROWS_WITH_AS(read_model(path),
                       "speechq_test_model.sqm: no such file; expected a packed model (*.sqm)", ModelError);
  CHECK_THROWS_AS(read_model("."), ModelError);
  CHECK_THROWS_AS(parse_model({}), ModelError);
}

TEST_CASE("without a grid, or with text that is not ASCII") {
  ModelSpec spec;
  spec.feat = {};
  spec.layers[0].h = {};
  const Model plain = parse_model(write_model(spec));
  CHECK_FALSE(plain.feat.on());
  CHECK_FALSE(plain.layers[0].h.on());

  ModelParts parts = model_parts({});
  replace(parts.header, R"("A","B","C")", R"("\u00e9","\ud83d\ude00","\\")");
  replace(parts.header, "A random network.", R"(\u00dc \"quoted\"\n)");
  const Model model = parse_model(assemble(parts));
  CHECK(model.symbols[3] == "\xc3\xa9");
  CHECK(model.symbols[4] == "\xf0\x9f\x98\x80");
  CHECK(model.symbols[5] == "\\");

  replace(parts.header, R"("characters","symbols":["<blank>"," ")",
          R"("pieces","piece_model":"AAE=","symbols":["<blank>","\u2581a")");
  CHECK(parse_model(assemble(parts)).units_kind == "pieces");
}
