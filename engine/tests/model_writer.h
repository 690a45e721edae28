// Valid model files with random weights, for the tests of everything that loads or runs a model; also in
// parts, so that a test can damage them and still get the checksum right.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/model.h"

namespace speechq::testing {

// A layer other than the output. Options of other kinds are ignored.
struct LayerSpec {
  engine::Kind kind = engine::Kind::sru;
  std::int64_t units = 12;
  int bits = 6;           // of the matrices: 2 to 8, or 32
  bool row_steps = true;  // else one step per matrix
  engine::Grid h = {8, 0.0125f}, gate, cell, conv;
  int variant = 2;  // sru
  bool tanh = false, candidate_bias = false;
  float scale_x = 1.25f;
  bool peepholes = true;              // lstm, residual_lstm
  int window = 2;                     // qrnn
  bool input_gate = false;            // qrnn: G = 4
  int taps_left = 3, taps_right = 0;  // isru
  std::int64_t context = 0;           // lstm: values of the words' layers; set by the model's hierarchy
};

LayerSpec layer_of(engine::Kind kind, int bits, std::int64_t units = 12);

struct ModelSpec {
  std::vector<LayerSpec> layers = {LayerSpec()};
  int output_bits = 6;
  bool takes_symbols = false;  // a language model; what follows for features does not matter then
  // Joins four layers lstm of a language model, whose clock ticks at the symbols 0 and 1.
  engine::Hierarchy::Kind hierarchy = engine::Hierarchy::Kind::none;
  std::int64_t mels = 8, stack = 2, stride = 3;  // mels: values per 10 ms frame, 8 to 128
  engine::Grid feat = {8, 0.025f};
  std::vector<std::string> symbols = {"<blank>", " ", "'",
                                      "A",       "B", "C"};  // ASCII without quotes, backslashes
  unsigned seed = 1;
};

struct TensorParts {
  std::string name, type;  // U8, F32; in tests of damage also others
  std::vector<std::int64_t> shape;
  std::vector<std::uint8_t> data;
};

struct ModelParts {
  std::string header;  // the JSON header without its checksum, canonical
  std::vector<TensorParts> tensors;
};

ModelParts model_parts(const ModelSpec& spec);

// The tensor of that name; throws std::out_of_range if there is none.
TensorParts& tensor_of(ModelParts& parts, const std::string& name);
const TensorParts& tensor_of(const ModelParts& parts, const std::string& name);

// Replaces the first `from`; throws std::out_of_range if there is none.
void replace(std::string& text, const std::string& from, const std::string& to);

// The file; the checksum is that of the parts, right or not.
std::vector<std::uint8_t> assemble(const ModelParts& parts);

std::vector<std::uint8_t> write_model(const ModelSpec& spec);

// A container around a JSON text and the bytes of the tensors.
std::vector<std::uint8_t> container(const std::string& outer_header, const std::vector<std::uint8_t>& data);

// Quoted, with escapes where JSON needs them.
std::string json_string(const std::string& text);

}  // namespace speechq::testing
