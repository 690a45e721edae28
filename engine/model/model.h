// A model file in memory: what docs/model-format.md describes, checked, the weights still packed.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace speechq::engine {

// The file cannot be used; the message names the file (or "model" for bytes) and what is wrong.
struct ModelError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// value = step * code, |code| <= qmax. bits 0: the signal is not rounded.
struct Grid {
  int bits = 0;
  float step = 0;
  bool on() const { return bits != 0; }
  int qmax() const { return (1 << (bits - 1)) - 1; }
};

// Of `size` neighbouring codes of a row at most `kept` are not zero. size 0: any may be.
struct Groups {
  std::int64_t size = 0, kept = 0;
  bool on() const { return size != 0; }
};

// 2 to 8 bits: packed codes, one step per row or one in all. 32 bits: float32 values, row by
// row (perhaps not aligned), no steps.
struct Matrix {
  int bits = 0;
  std::int64_t rows = 0, columns = 0;
  const std::uint8_t* codes = nullptr;  // within Model::bytes or Model::decoded
  std::vector<float> steps;
  Groups groups = {};  // 2 bits only
};

enum class Kind { linear, sru, lstm, residual_lstm, qrnn, isru };

struct Layer {
  Kind kind = Kind::linear;
  std::int64_t inputs = 0, units = 0;  // D and H (V for linear) of docs/model-format.md
  std::int64_t context = 0;            // values of the words' layers, read by the layer above them alone
  std::map<std::string, Matrix> matrices;
  std::map<std::string, std::vector<float>> vectors;  // row by row
  Grid h, gate, cell, conv;
  int variant = 0, window = 1, taps_left = 0, taps_right = 0;  // options of the kinds that have them
  bool tanh = false;
  float scale_x = 1;
};

// How the four layers lstm and the output of a language model are joined: HLSTM-A or -B. Layers 1 and 2 step
// with the words.
struct Hierarchy {
  enum class Kind { none, a, b };
  Kind kind = Kind::none;
  std::vector<bool> ticks;  // of every symbol: whether the words' layers step where it is read
  bool on() const { return kind != Kind::none; }
};
// The layer above the words' layers.
constexpr std::size_t kContextLayer = 3;

// How the frames of 10 ms are made from audio; `dim` values each.
struct Features {
  std::int64_t sample_rate = 0, mels = 0, dim = 0;
  bool energy = false, deltas = false;
  double low_hz = 0, high_hz = 0;  // at 0 or below: counted from half the sample rate
};

struct Model {
  Model() = default;
  // Matrices point into `bytes` and `decoded`, which stay where they are when a model is moved, but not when
  // it is copied.
  Model(Model&&) = default;
  Model& operator=(Model&&) = default;

  std::vector<std::uint8_t> bytes;                // the whole file
  std::deque<std::vector<std::uint8_t>> decoded;  // packed codes of matrices that the file codes otherwise
  std::string scheme;
  std::vector<std::string> symbols;
  std::string units_kind;
  bool takes_symbols = false;  // a language model: its frames are one-hot, and it has no features
  Features features;
  std::int64_t stack = 1, stride = 1;
  std::vector<float> mean, scale;  // [features.dim]
  Grid feat;
  std::vector<Layer> layers;
  Hierarchy hierarchy;

  std::int64_t inputs() const { return takes_symbols ? outputs() : features.dim * stack; }
  std::int64_t outputs() const { return layers.back().units; }
  // A one-hot frame consists of codes too: of 0 and 1.
  Grid input_grid() const { return takes_symbols ? Grid{2, 1.0f} : feat; }
  // The layer whose output a layer reads by its matrix in, -1: the input; and the grid of that.
  std::int64_t source(std::size_t layer) const {
    const auto index = static_cast<std::int64_t>(layer);
    if (!hierarchy.on() || layer != kContextLayer) return index - 1;
    return hierarchy.kind == Hierarchy::Kind::a ? -1 : 0;
  }
  Grid source_grid(std::size_t layer) const {
    const std::int64_t from = source(layer);
    return from < 0 ? input_grid() : layers[static_cast<std::size_t>(from)].h;
  }
};

// Both throw ModelError for anything that docs/model-format.md does not allow. Memory beyond the file's size
// stays within a small factor of it, 64 times the range-coded codes, and 16 times those in groups.
Model read_model(const std::string& path);
Model parse_model(std::vector<std::uint8_t> bytes, const std::string& name = "model");

// Code `index` (row * columns + column) of a matrix of 2 to 8 bits.
int code_at(const Matrix& matrix, std::int64_t index);

// The codes `first` to `first + count - 1` of a matrix of 2 to 8 bits, into `out`.
void unpack_codes(const Matrix& matrix, std::int64_t first, std::int64_t count, std::int8_t* out);

}  // namespace speechq::engine
