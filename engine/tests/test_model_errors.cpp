// Every check of the reader by a file that fails just that one: the message names the file and the problem.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "model/model.h"
#include "model_writer.h"

using namespace speechq::engine;
using namespace speechq::testing;

namespace {

constexpr Kind kKinds[] = {Kind::sru, Kind::lstm, Kind::residual_lstm, Kind::qrnn, Kind::isru};
constexpr Kind kKindsWithSkip[] = {Kind::sru, Kind::residual_lstm};

void put_float(TensorParts& tensor, std::size_t index, float value) {
  std::memcpy(tensor.data.data() + 4 * index, &value, 4);
}

std::string problem(const std::vector<std::uint8_t>& bytes) {
  try {
    parse_model(bytes, "dir/m.sqm");
    return "";
  } catch (const ModelError& error) {
    return error.what();
  }
}

// Parts with one change: its error must name the file and hold `expected`.
struct Wrong {
  std::function<void(ModelParts&)> change;
  std::string expected;
};

Wrong header_edit(const std::string& from, const std::string& to, const std::string& expected) {
  return {[=](ModelParts& parts) { replace(parts.header, from, to); }, expected};
}

void check_wrong(const ModelSpec& spec, const std::vector<Wrong>& cases) {
  const ModelParts valid = model_parts(spec);
  CHECK(problem(assemble(valid)) == "");
  for (const Wrong& wrong : cases) {
    ModelParts parts = valid;
    wrong.change(parts);
    const std::string found = problem(assemble(parts));
    INFO(found << "\n  expected: " << wrong.expected);
    CHECK(found.substr(0, 11) == "dir/m.sqm: ");
    CHECK(found.find(wrong.expected) != std::string::npos);
  }
}

}  // namespace

TEST_CASE("the header's problems are named") {
  check_wrong(
      {},
      {
          {[](ModelParts& parts) { parts.header = "[1,2"; }, "no header 'speechq': byte 4: expected ]"},
          {[](ModelParts& parts) { parts.header = "[]"; }, "the header's format is not 'speechq'"},
          header_edit("\"format\":\"speechq\"", "\"format\":\"other\"",
                      "the header's format is not 'speechq'"),
          header_edit("\"version\":1", "\"version\":4",
                      "model format version 4; this speechq reads versions 1 to 3"),
          header_edit("\"version\":1", "\"version\":2", "hierarchy is missing"),
          header_edit("\"version\":1", "\"version\":1.0", "model format version 1.0"),
          header_edit("\"version\":1", "\"other\":1", "model format version None"),
          header_edit("\"card\":", "\"cart\":", "card is missing"),
          header_edit("\"A random network.\"", "7", "card is 7: expected a string"),
          header_edit("\"provenance\":{\"seed\":1}", "\"provenance\":3",
                      "provenance is 3: expected an object"),
          header_edit("\"scheme\":\"random\"", "\"scheme\":null", "scheme is null: expected a string"),
          header_edit("\"feat\":", "\"feet\":", "feat is missing"),
          header_edit("{\"bits\":8,", "{\"bits\":1,", "signal feat has 1 bits: expected 2 to 16"),
          header_edit("{\"bits\":8,", "{\"bits\":17,", "signal feat has 17 bits: expected 2 to 16"),
          header_edit("{\"bits\":8,", "{\"bits\":8.0,", "signal feat: found 8.0, expected an integer"),
          header_edit("{\"bits\":8,", "{\"bats\":8,", "signal feat: bits is missing"),
          header_edit(",\"step\":0.02500000037252903", ",\"step\":-0.5",
                      "expected a positive float32 number"),
          header_edit(",\"step\":0.02500000037252903", ",\"step\":0", "expected a positive float32 number"),
          header_edit(",\"step\":0.02500000037252903", ",\"step\":0.1",
                      "step 0.1: expected a positive float32"),
          header_edit(",\"step\":0.02500000037252903", ",\"step\":1e300",
                      "expected a positive float32 number"),
          header_edit(",\"step\":0.02500000037252903", ",\"step\":1e999", "beyond the range of numbers"),
          header_edit(",\"step\":0.02500000037252903", "", "signal feat: step is missing"),
          header_edit("\"mels\":8", "\"mels\":9",
                      "mean is [8] float32: expected [9] float32, as the features"),
          header_edit("\"mels\":8", "\"mels\":7", "features: mels is 7: expected an integer from 8 to 128"),
          header_edit("\"mels\":8", "\"bands\":8", "\"bands\": unknown key"),
          header_edit("\"mels\":8", "\"deltas\":1,\"mels\":8", "deltas is 1: expected true or false"),
          header_edit("\"mels\":8", "\"dither\":-1,\"mels\":8", "dither is negative"),
          header_edit("\"mels\":8", "\"low_hz\":\"x\",\"mels\":8", "low_hz: found \"x\", expected a number"),
          header_edit("\"mels\":8", "\"low_hz\":8000,\"mels\":8",
                      "the mel filters need low_hz < high_hz <= 8000"),
          header_edit("\"mels\":8", "\"high_hz\":8001,\"mels\":8", "the mel filters need"),
          header_edit("\"stride\":3", "\"stride\":2", "stride must be at least 3"),
          header_edit("\"stack\":2", "\"stack\":3", "it takes 16 values per frame, but the features have 24"),
          header_edit("\"features\":{", "\"features\":[],\"x\":{", "features is []: expected an object"),
          header_edit("\"units\":{", "\"units\":[],\"x\":{", "units is []: expected an object"),
          header_edit("\"characters\"", "\"letters\"",
                      "units: kind \"letters\" is not one of characters, phones"),
          header_edit("\"characters\"", "\"phones\"", "units: ' ' must not be empty or hold white space"),
          header_edit("\"symbols\":[", "\"symbols\":3,\"x\":[", "units: 'symbols' must be a list of strings"),
          header_edit("\"A\",\"B\"", "\"A\",7", "units: 'symbols' must be a list of strings"),
          header_edit("\"A\",\"B\"", "\"A\"", "the last layer gives 6 values, but there are 5 symbols"),
          header_edit("\"A\",\"B\"", "\"A\",\"A\"", "units: ['A'] occur more than once"),
          header_edit("\"A\",\"B\"", "\"A\",\"AB\"", "units: 'AB' is not a single character"),
          header_edit("\"A\",\"B\"", "\"A\",\"\"", "units: '' is not a single character"),
          header_edit("\"<blank>\"", "\"x\"", "symbols must be '<blank>' followed by at least one symbol"),
          header_edit("\"symbols\"", "\"piece_model\":\"AA=\",\"symbols\"",
                      "'piece_model' must be base64 text"),
          header_edit("\"symbols\"", "\"piece_model\":5,\"symbols\"", "'piece_model' must be base64 text"),
          header_edit("\"layers\":[", "\"layers\":3,\"x\":[", "layers is 3: expected a list"),
          header_edit("\"layers\":[", "\"layers\":[3,", "layer 0: found 3, expected an object"),
          header_edit("\"layers\":[", "\"layers\":[],\"x\":[", "belongs to no layer"),
          header_edit("\"kind\":\"sru\"", "\"kind\":\"gru\"", "kind 'gru': expected one of sru, lstm"),
          header_edit("\"variant\":2", "\"variant\":3",
                      "option variant is 3: expected an integer from 1 to 2"),
          header_edit("\"tanh\":false", "\"tanh\":0", "option tanh is 0: expected true or false"),
          header_edit("\"scale_x\":1.25", "\"scale_x\":\"a\"", "option scale_x is \"a\": expected a number"),
          header_edit("\"scale_x\":1.25", "\"scale_x\":1e300", "option scale_x is 1e300: expected a number"),
          header_edit("\"signals\":{\"h\"", "\"signals\":{\"hh\"",
                      "hh does not belong to a layer of kind sru"),
          header_edit("\"signals\":{\"h\"", "\"signals\":{\"conv\"",
                      "conv does not belong to a layer of kind sru"),
          header_edit("\"signals\":{}", "\"signals\":{\"h\":{\"bits\":8,\"step\":0.5}}",
                      "layer 1 (linear): h does not belong to a layer of kind linear"),
          header_edit("\"vectors\":[\"bias\"", "\"vectors\":[7", "expected a string"),
          header_edit("\"vectors\":[\"bias\"", "\"vectors\":[\"bias\",\"bias\"",
                      "layers.0.bias is named twice"),
          header_edit("\"vectors\":[\"bias\"", "\"vectors\":[\"bios\"", "layers.0.bios is missing"),
      });
}

TEST_CASE("a part that is missing, superfluous or of the wrong shape is named") {
  const auto rename = [](const std::string& from, const std::string& to) {
    return [=](ModelParts& parts) { tensor_of(parts, from).name = to; };
  };
  const auto reshape = [](const std::string& name, std::vector<std::int64_t> shape) {
    return [=](ModelParts& parts) { tensor_of(parts, name).shape = shape; };
  };
  check_wrong(
      {},
      {
          {rename("mean", "meen"), "mean is missing"},
          {reshape("mean", {8, 1}), "mean is [8, 1] float32: expected [8] float32"},
          {rename("layers.0.in.codes", "x"), "layers.0.in.codes is missing"},
          {rename("layers.0.in.steps", "x"), "layers.0.in.steps is missing"},
          {rename("layers.0.bias", "x"), "layers.0.bias is missing"},
          {[](ModelParts& parts) { parts.tensors.push_back({"layers.9.bias", "F32", {0}, {}}); },
           "the tensor layers.9.bias belongs to no layer"},
          {[](ModelParts& parts) { parts.tensors.push_back({"x", "I64", {1}, {0, 0, 0, 0, 0, 0, 0, 0}}); },
           "the tensor x belongs to no layer"},
          {reshape("layers.0.bias", {24}), "vector bias is [24] float32: expected [2, 12] float32"},
          {reshape("layers.0.bias", {12, 2}), "vector bias is [12, 2] float32: expected [2, 12] float32"},
          {reshape("layers.0.bias", {1, 2, 12}),
           "layer 0 (sru): vector bias is [1, 2, 12] float32: expected [2, 12] float32"},
          {reshape("layers.0.bias", {-2, -12}), "found -2, expected an integer from 0"},
          {reshape("layers.0.bias", {INT64_MAX, INT64_MAX}), "is larger than any file"},
          {reshape("layers.0.bias", {INT64_MIN, 2}), "expected an integer from 0"},
          {reshape("layers.0.bias", {2, 13}), "96 bytes do not fit float32 [2,13]"},
          {reshape("layers.0.in.codes", {432, 1}), "packed codes are uint8 [432, 1]: expected uint8 bytes"},
          {reshape("layers.0.in.steps", {36, 1}),
           "layer 0 (sru): matrix in has steps [36, 1] float32: expected float32, one or one"},
          {[](ModelParts& parts) {
             TensorParts& codes = tensor_of(parts, "layers.0.in.codes");
             codes.type = "F32";
             codes.shape = {108};
           },
           "layer 0, matrix in: packed codes are float32 [108]: expected uint8 bytes"},
          {[](ModelParts& parts) {
             TensorParts& steps = tensor_of(parts, "layers.0.in.steps");
             steps.type = "U8";
             steps.shape = {144};
           },
           "layer 0 (sru): matrix in has steps [144] uint8: expected float32"},
          {[](ModelParts& parts) {
             TensorParts& steps = tensor_of(parts, "layers.0.in.steps");
             steps.shape = {35};
             steps.data.resize(140);
           },
           "matrix in has steps [35] float32: expected float32, one or one per row (36)"},
          {[](ModelParts& parts) {
             put_float(tensor_of(parts, "layers.0.in.steps"), 35, std::numeric_limits<float>::quiet_NaN());
           },
           "layer 0 (sru): matrix in has a step that is not a finite number"},
          {[](ModelParts& parts) { put_float(tensor_of(parts, "layers.1.in.steps"), 0, -INFINITY); },
           "layer 1 (linear): matrix in has a step that is not a finite number"},
          {[](ModelParts& parts) {
             std::vector<std::uint8_t>& data = tensor_of(parts, "layers.0.in.codes").data;
             data[0] = static_cast<std::uint8_t>((data[0] & 0xc0) | 0x20);  // -32
           },
           "layer 0, matrix in: a code is -32, but 6-bit codes lie within ±31"},
          header_edit("\"bits\":6", "\"bits\":5", "432 bytes of codes, but [36, 16] at 5 bits are 360 bytes"),
          header_edit("\"bits\":6", "\"bits\":9", "packing of 9-bit codes: expected 2 to 8 bits"),
          header_edit("\"bits\":6", "\"bits\":1", "packing of 1-bit codes: expected 2 to 8 bits"),
          header_edit("\"bits\":6", "\"bits\":4294967302", "packing of 4294967302-bit codes"),
          header_edit("\"bits\":6", "\"bits\":32", "the tensor layers.0.in.steps belongs to no layer"),
          header_edit("\"rows\":36", "\"rows\":37",
                      "432 bytes of codes, but [37, 16] at 6 bits are 444 bytes"),
          header_edit("\"rows\":36", "\"rows\":-36", "it is [-36, 16]: expected rows and columns"),
          header_edit("\"rows\":36", "\"rows\":0", "it is [0, 16]: expected rows and columns"),
          header_edit("\"rows\":36", "\"rows\":36.0", "rows: found 36.0, expected an integer"),
          header_edit("\"rows\":36", "\"rows\":1152921504606846979", "more than any file holds"),
          header_edit("\"columns\":16,\"rows\":36", "\"columns\":4294967296,\"rows\":4294967296",
                      "than any file"),
          header_edit("\"columns\":16,\"rows\":36", "\"columns\":36,\"rows\":16",
                      "it takes 36 values per frame, but the features have 16"),
          header_edit("\"matrices\":{\"in\"", "\"matrices\":{\"im\"", "layers.0.im.codes is missing"),
      });
}

TEST_CASE("fill bits that are set") {
  ModelSpec spec;
  spec.layers = {layer_of(Kind::lstm, 3, 7)};  // rec: 196 codes of 3 bits are 73.5 bytes
  check_wrong(spec, {{[](ModelParts& parts) {
                        std::vector<std::uint8_t>& codes = tensor_of(parts, "layers.0.rec.codes").data;
                        REQUIRE(codes.size() == 74);
                        codes.back() |= 0x10;
                      },
                      "layer 0, matrix rec: the fill bits behind the codes are not zero"}});
}

TEST_CASE("float matrices are what their tensors say") {
  ModelSpec spec;
  spec.layers = {layer_of(Kind::sru, 32)};
  check_wrong(spec,
              {
                  header_edit("\"rows\":36", "\"rows\":35", "matrix in is [35, 16]: expected [36, 16]"),
                  {[](ModelParts& parts) { parts.tensors.push_back({"layers.0.in.steps", "F32", {0}, {}}); },
                   "the tensor layers.0.in.steps belongs to no layer"},
                  {[](ModelParts& parts) { tensor_of(parts, "layers.0.in.codes").type = "I32"; },
                   "layer 0 (sru): matrix in has 32 bits: expected float32 values and no steps"},
                  {[](ModelParts& parts) { tensor_of(parts, "layers.0.in.codes").shape = {16, 36}; },
                   "layer 0 (sru): matrix in is [16, 36]: expected [36, 16]"},
                  {[](ModelParts& parts) { tensor_of(parts, "layers.0.in.codes").shape = {576}; },
                   "layer 0 (sru): matrix in is [576]: expected [36, 16]"},
                  {[](ModelParts& parts) { tensor_of(parts, "layers.0.in.codes").shape = {1, 36, 16}; },
                   "layer 0 (sru): matrix in is [1, 36, 16]: expected [36, 16]"},
              });
}

TEST_CASE("the parts of a layer must fit its neighbours") {
  // The second layer's `in` decides how many units the first one has.
  for (Kind kind : kKinds) {
    ModelSpec spec;
    spec.layers = {layer_of(kind, 4, 8), layer_of(kind, 4, 8)};
    ModelParts first = model_parts(spec);
    for (LayerSpec& layer : spec.layers) layer.units = 9;
    const ModelParts other = model_parts(spec);
    for (const TensorParts& tensor : other.tensors)
      if (tensor.name.rfind("layers.0.", 0) == 0) tensor_of(first, tensor.name) = tensor;
    const std::size_t end = first.header.find("},{\"kind\"");
    const std::size_t begin = first.header.find("\"layers\":[");
    const std::size_t other_end = other.header.find("},{\"kind\"");
    const std::size_t other_begin = other.header.find("\"layers\":[");
    first.header = first.header.substr(0, begin) + other.header.substr(other_begin, other_end - other_begin) +
                   first.header.substr(end);
    const std::string found = problem(assemble(first));
    INFO(found);
    CHECK(found.find("dir/m.sqm: layer 0 (") == 0);
    CHECK(found.find(": expected [") != std::string::npos);
  }
  // A skip matrix belongs there only if the widths differ.
  for (Kind kind : kKindsWithSkip) {
    ModelSpec spec;
    spec.layers = {layer_of(kind, 4, 16)};
    const std::string skip = R"("skip":{"bits":4,"columns":16,"rows":16})";
    check_wrong(spec, {{[=](ModelParts& parts) {
                          replace(parts.header, "},\"options\"", "," + skip + "},\"options\"");
                          parts.tensors.push_back({"layers.0.skip.codes", "U8", {128}, {}});
                          parts.tensors.back().data.resize(128);
                          parts.tensors.push_back({"layers.0.skip.steps", "F32", {1}, {0, 0, 0, 0}});
                        },
                        "skip does not belong to a layer of kind "}});
  }
  ModelSpec lone;
  lone.layers.clear();
  CHECK(problem(write_model(lone)) == "");
  lone.layers = {layer_of(Kind::linear, 6)};
  CHECK(problem(write_model(lone)) ==
        "dir/m.sqm: layer 0 (linear): only the last layer may be of kind linear");
  ModelParts headless = model_parts({});
  replace(headless.header, "\"kind\":\"linear\"", "\"kind\":\"lstm\"");
  CHECK(problem(assemble(headless)) == "dir/m.sqm: the last layer must be of kind linear");
}

TEST_CASE("a layer's own options and parts") {
  ModelSpec qrnn;
  qrnn.layers = {layer_of(Kind::qrnn, 5)};
  check_wrong(qrnn,
              {header_edit("\"window\":2", "\"window\":0", "option window is 0: expected an integer from 1"),
               header_edit("\"window\":2", "\"window\":true", "option window is true"),
               header_edit("\"window\":2", "\"x\":2", "option window is None"),
               header_edit("\"window\":2", "\"window\":5", "columns of 'in' do not hold 5 frames"),
               header_edit("\"window\":2", "\"window\":4", "it takes 8 values per frame")});
  ModelSpec isru;
  isru.layers = {layer_of(Kind::isru, 5)};
  check_wrong(
      isru, {header_edit("\"taps_left\":3", "\"taps_left\":-1", "option taps_left is -1"),
             header_edit("\"taps_right\":0", "\"taps_right\":65", "option taps_right is 65"),
             header_edit("\"taps_left\":3", "\"taps_left\":4", "matrix conv is [16, 4]: expected [16, 5]")});
  ModelSpec sru;
  sru.layers = {layer_of(Kind::sru, 5)};
  check_wrong(
      sru, {header_edit("\"variant\":2", "\"variant\":1", "v does not belong to a layer of kind sru"),
            header_edit("\"kind\":\"sru\"", "\"kind\":\"lstm\"", "layer 0 (lstm): matrix in is [36, 16]")});
  sru.layers[0].variant = 1;
  check_wrong(sru, {header_edit("\"variant\":1", "\"variant\":2", "vector v is missing: expected [2, 12]")});
}

TEST_CASE("the checksum and the container") {
  const ModelParts parts = model_parts({});
  const std::vector<std::uint8_t> valid = assemble(parts);
  std::vector<std::uint8_t> flipped = valid;
  flipped.back() ^= 1;
  CHECK(problem(flipped) == "dir/m.sqm: damaged: the checksum of its content is not the one in its header");
  // Not canonical: the text that the checksum is of has blanks.
  const std::string text(valid.begin() + 8, valid.end());
  const std::size_t at = text.find("\\\"version\\\":1");
  std::string spaced = text;
  spaced.replace(at, 13, "\\\"version\\\": 1");
  std::vector<std::uint8_t> bytes(valid.begin(), valid.begin() + 8);
  bytes.insert(bytes.end(), spaced.begin(), spaced.end());
  bytes[0] = static_cast<std::uint8_t>(bytes[0] + 1);
  CHECK(problem(bytes) == "dir/m.sqm: damaged: the checksum of its content is not the one in its header");

  const auto outer = [](const std::string& header, std::size_t data) {
    return problem(container(header, std::vector<std::uint8_t>(data)));
  };
  std::string ones;
  for (int i = 0; i < 64; ++i) ones += ",1";
  const std::string start = "dir/m.sqm: not a readable safetensors file, or cut short (";
  const std::pair<std::string, std::string> cases[] = {
      {outer("", 0), "the header is not a JSON object"},
      {outer(" {}", 0), "the header is not a JSON object"},
      {outer("{", 0), "byte 1: expected a key"},
      {outer(R"({"a":{"dtype":"F7","shape":[],"data_offsets":[0,0]}})", 0), "the type \"F7\" is not known"},
      {outer("{\"a\":{\"dtype\":\"U8\",\"shape\":[1" + ones + "],\"data_offsets\":[0,1]}}", 1),
       "too many dimensions"},
      {outer("{}", 1), "the tensors take 0 bytes, but there are 1"},
      {outer(R"({"a":1})", 0), "\"a\": found 1, expected an object"},
      {outer(R"({"a":{"shape":[],"data_offsets":[0,0]}})", 0), "\"a\": dtype is missing"},
      {outer(R"({"a":{"dtype":"U8","shape":{},"data_offsets":[0,0]}})", 0), "expected a list"},
      {outer(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}})", 1), "expected two"},
      {outer(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}})", 1), "but there are 1 bytes"},
      {outer(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 1), "but there are 1 bytes"},
      {outer(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", 2), "leave a gap or overlap"},
      {outer(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
             R"("b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})",
             2),
       "leave a gap or overlap"},
      {outer(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 2), "take 1 bytes, but there are 2"},
      {outer(R"({"__metadata__":[]})", 0), "expected an object"},
      {outer(R"({"__metadata__":{"a":1}})", 0), "not text"},
  };
  for (const auto& [found, expected] : cases) {
    INFO(found << "\n  expected: " << expected);
    CHECK(found.find(start) == 0);
    CHECK(found.find(expected) != std::string::npos);
  }
  // Any other safetensors file is one, but no model.
  CHECK(outer(R"({"a":{"dtype":"F16","shape":[1,1,2],"data_offsets":[0,4]}})", 4) ==
        "dir/m.sqm: a safetensors file, but not of speechq (no header 'speechq')");
  CHECK(outer("{}", 0) == "dir/m.sqm: a safetensors file, but not of speechq (no header 'speechq')");
  CHECK(outer(R"({"__metadata__":{"a":"b"}})", 0) ==
        "dir/m.sqm: a safetensors file, but not of speechq (no header 'speechq')");
}
