#include "model_writer.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <map>
#include <random>
#include <stdexcept>

#include "model/sha256.h"

namespace speechq::testing {

using engine::Grid;
using engine::Hierarchy;
using engine::Kind;

namespace {

// Uniform in [-1, 1); the same on every platform.
double uniform(std::mt19937& generator) { return generator() / 2147483648.0 - 1; }

std::string number(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ",") + part;
  return text;
}

std::string grid_text(const Grid& grid) {
  return "{\"bits\":" + std::to_string(grid.bits) + ",\"step\":" + number(grid.step) + "}";
}

const char* kind_text(Kind kind) {
  switch (kind) {
    case Kind::sru:
      return "sru";
    case Kind::lstm:
      return "lstm";
    case Kind::residual_lstm:
      return "residual_lstm";
    case Kind::qrnn:
      return "qrnn";
    case Kind::isru:
      return "isru";
    default:
      return "linear";
  }
}

TensorParts floats(const std::string& name, std::vector<std::int64_t> shape,
                   const std::vector<float>& values) {
  TensorParts tensor{name, "F32", std::move(shape), std::vector<std::uint8_t>(4 * values.size())};
  std::memcpy(tensor.data.data(), values.data(), tensor.data.size());
  return tensor;
}

// Bit by bit, as docs/model-format.md says it.
std::vector<std::uint8_t> packed(const std::vector<int>& codes, int bits) {
  std::vector<std::uint8_t> bytes((codes.size() * static_cast<std::size_t>(bits) + 7) / 8);
  std::size_t k = 0;
  for (int code : codes)
    for (int bit = 0; bit < bits; ++bit, ++k)
      bytes[k / 8] = static_cast<std::uint8_t>(bytes[k / 8] | ((code >> bit & 1) << (k % 8)));
  return bytes;
}

class Writer {
 public:
  explicit Writer(unsigned seed) : generator_(seed) {}

  // One layer; `units` are the symbols for linear.
  void layer(const LayerSpec& spec, std::int64_t d, std::int64_t h) {
    prefix_ = "layers." + std::to_string(layers_.size()) + ".";
    bits_ = spec.bits;
    row_steps_ = spec.row_steps;
    matrices_.clear();
    vectors_.clear();
    std::string options;
    switch (spec.kind) {
      case Kind::linear:
        matrix("in", h, d);
        vector("bias", {h});
        break;
      case Kind::sru:
        options = "\"scale_x\":" + number(spec.scale_x) + ",\"tanh\":" + (spec.tanh ? "true" : "false") +
                  ",\"variant\":" + std::to_string(spec.variant);
        matrix("in", 3 * h, d);
        if (d != h) matrix("skip", h, d);
        vector("bias", {2, h});
        if (spec.candidate_bias) vector("candidate_bias", {h});
        if (spec.variant == 2) vector("v", {2, h});
        break;
      case Kind::qrnn: {
        options = "\"window\":" + std::to_string(spec.window);
        const std::int64_t gates = spec.input_gate ? 4 : 3;
        matrix("in", gates * h, d * spec.window);
        vector("bias", {gates * h});
        break;
      }
      case Kind::isru:
        options = "\"taps_left\":" + std::to_string(spec.taps_left) +
                  ",\"taps_right\":" + std::to_string(spec.taps_right);
        matrix("conv", d, spec.taps_left + 1 + spec.taps_right);
        matrix("in", 4 * h, d);
        vector("bias", {4 * h});
        vector("conv_bias", {d});
        break;
      case Kind::residual_lstm:
        matrix("proj", h, h);
        if (d != h) matrix("skip", h, d);
        [[fallthrough]];
      case Kind::lstm:
        matrix("in", 4 * h, d);
        matrix("rec", 4 * h, h);
        vector("bias", {4 * h});
        if (spec.peepholes) vector("peepholes", {3, h});
        if (spec.context > 0) matrix("context", 4 * h, spec.context);
        break;
    }
    std::vector<std::string> matrices, vectors, signals;
    for (const auto& [name, text] : matrices_) matrices.push_back(json_string(name) + ":" + text);
    for (const auto& [name, text] : vectors_) vectors.push_back(text);
    const std::map<std::string, Grid> grids = {
        {"h", spec.h}, {"gate", spec.gate}, {"cell", spec.cell}, {"conv", spec.conv}};
    for (const auto& [name, grid] : grids)
      if (grid.on() && spec.kind != Kind::linear)
        signals.push_back(json_string(name) + ":" + grid_text(grid));
    layers_.push_back("{\"kind\":" + json_string(kind_text(spec.kind)) + ",\"matrices\":{" +
                      joined(matrices) + "},\"options\":{" + options + "},\"signals\":{" + joined(signals) +
                      "},\"vectors\":[" + joined(vectors) + "]}");
  }

  ModelParts finish(const ModelSpec& spec) {
    if (!spec.takes_symbols)
      for (const char* name : {"mean", "scale"})
        tensors_.push_back(floats(name, {spec.mels}, values(spec.mels, 1.0)));
    std::vector<std::string> symbols;
    for (const std::string& symbol : spec.symbols) symbols.push_back(json_string(symbol));
    std::string header = "{\"card\":\"A random network.\",";
    if (!spec.takes_symbols) {
      header += "\"feat\":" + (spec.feat.on() ? grid_text(spec.feat) : "null");
      header += ",\"features\":{\"mels\":" + std::to_string(spec.mels) +
                ",\"stack\":" + std::to_string(spec.stack) + ",\"stride\":" + std::to_string(spec.stride) +
                "},";
    }
    const bool hierarchy = spec.hierarchy != Hierarchy::Kind::none;
    const char* kind = spec.hierarchy == Hierarchy::Kind::a ? "a" : "b";
    header += "\"format\":\"speechq\",";
    if (hierarchy) header += std::string("\"hierarchy\":{\"clock\":[0,1],\"kind\":\"") + kind + "\"},";
    header += std::string(spec.takes_symbols ? "\"input\":{\"kind\":\"symbols\"}," : "") + "\"layers\":[" +
              joined(layers_) + "],\"provenance\":{\"seed\":" + std::to_string(spec.seed) +
              "},\"scheme\":\"random\",\"units\":{\"kind\":\"characters\",\"symbols\":[" + joined(symbols) +
              "]},\"version\":" + (hierarchy ? "2}" : "1}");
    return {std::move(header), std::move(tensors_)};
  }

 private:
  std::vector<float> values(std::int64_t count, double scale) {
    std::vector<float> result(static_cast<std::size_t>(count));
    for (float& value : result) value = static_cast<float>(scale * uniform(generator_));
    return result;
  }

  void vector(const std::string& name, const std::vector<std::int64_t>& shape) {
    std::int64_t count = 1;
    for (std::int64_t size : shape) count *= size;
    tensors_.push_back(floats(prefix_ + name, shape, values(count, 0.5)));
    vectors_[name] = json_string(name);
  }

  // Codes of all values, and steps that make the weights as large as those of a trained network.
  void matrix(const std::string& name, std::int64_t rows, std::int64_t columns) {
    const double scale = 2.5 / std::sqrt(static_cast<double>(columns));
    const std::int64_t count = rows * columns;
    if (bits_ == 32) {
      tensors_.push_back(floats(prefix_ + name + ".codes", {rows, columns}, values(count, scale)));
    } else {
      const int qmax = (1 << (bits_ - 1)) - 1;
      std::vector<int> codes(static_cast<std::size_t>(count));
      for (int& code : codes)
        code = static_cast<int>(generator_() % static_cast<unsigned>(2 * qmax + 1)) - qmax;
      std::vector<std::uint8_t> bytes = packed(codes, bits_);
      const auto size = static_cast<std::int64_t>(bytes.size());
      tensors_.push_back({prefix_ + name + ".codes", "U8", {size}, std::move(bytes)});
      std::vector<float> steps = values(row_steps_ ? rows : 1, scale / qmax);
      tensors_.push_back(floats(prefix_ + name + ".steps", {row_steps_ ? rows : 1}, steps));
    }
    matrices_[name] = "{\"bits\":" + std::to_string(bits_) + ",\"columns\":" + std::to_string(columns) +
                      ",\"rows\":" + std::to_string(rows) + "}";
  }

  std::mt19937 generator_;
  std::string prefix_;
  int bits_ = 0;
  bool row_steps_ = true;
  std::map<std::string, std::string> matrices_, vectors_;  // of the layer, as JSON
  std::vector<std::string> layers_;
  std::vector<TensorParts> tensors_;
};

std::string shape_text(const std::vector<std::int64_t>& shape, const char* comma) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : comma) + std::to_string(shape[i]);
  return text + "]";
}

std::string checksum_of(const ModelParts& parts) {
  const std::map<std::string, std::string> types = {{"U8", "uint8"},  {"I8", "int8"},   {"F32", "float32"},
                                                    {"I32", "int32"}, {"I64", "int64"}, {"F64", "float64"}};
  engine::Sha256 hash;
  hash.update(parts.header);
  std::map<std::string, const TensorParts*> by_name;
  for (const TensorParts& tensor : parts.tensors) by_name[tensor.name] = &tensor;
  for (const auto& [name, tensor] : by_name) {
    const auto type = types.find(tensor->type);
    hash.update("\n" + name + " " + (type == types.end() ? tensor->type : type->second) + " " +
                shape_text(tensor->shape, ", ") + "\n");
    hash.update(tensor->data.data(), tensor->data.size());
  }
  return hash.hex();
}

// The header with its checksum where the order of the keys wants it, at the end if it has no units.
std::string with_checksum(const std::string& header, const std::string& checksum) {
  const std::string member = "\"sha256\":\"" + checksum + "\"";
  const std::size_t units = header.find("\"units\":");
  if (units != std::string::npos) return header.substr(0, units) + member + "," + header.substr(units);
  const std::size_t brace = header.rfind('}');
  if (brace == std::string::npos) return header;
  return header.substr(0, brace) + "," + member + header.substr(brace);
}

}  // namespace

LayerSpec layer_of(Kind kind, int bits, std::int64_t units) {
  LayerSpec layer;
  layer.kind = kind;
  layer.bits = bits;
  layer.units = units;
  return layer;
}

TensorParts& tensor_of(ModelParts& parts, const std::string& name) {
  for (TensorParts& tensor : parts.tensors)
    if (tensor.name == name) return tensor;
  throw std::out_of_range(name);
}

const TensorParts& tensor_of(const ModelParts& parts, const std::string& name) {
  return tensor_of(const_cast<ModelParts&>(parts), name);
}

void replace(std::string& text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  if (at == std::string::npos) throw std::out_of_range(from);
  text.replace(at, from.size(), to);
}

std::string json_string(const std::string& text) {
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

std::vector<std::uint8_t> container(const std::string& outer_header, const std::vector<std::uint8_t>& data) {
  std::vector<std::uint8_t> bytes;
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<std::uint8_t>(outer_header.size() >> (8 * i)));
  bytes.insert(bytes.end(), outer_header.begin(), outer_header.end());
  bytes.insert(bytes.end(), data.begin(), data.end());
  return bytes;
}

ModelParts model_parts(const ModelSpec& spec) {
  Writer writer(spec.seed);
  const auto symbols = static_cast<std::int64_t>(spec.symbols.size());
  std::int64_t width = spec.takes_symbols ? symbols : spec.mels * spec.stack;
  const std::int64_t inputs = width;
  for (std::size_t k = 0; k < spec.layers.size(); ++k) {
    LayerSpec layer = spec.layers[k];
    if (spec.hierarchy != Hierarchy::Kind::none && k == engine::kContextLayer) {
      layer.context = width;
      width = spec.hierarchy == Hierarchy::Kind::a ? inputs : spec.layers[0].units;
    }
    writer.layer(layer, width, layer.units);
    width = layer.units;
  }
  LayerSpec output;
  output.kind = Kind::linear;
  output.bits = spec.output_bits;
  writer.layer(output, width, symbols);
  return writer.finish(spec);
}

std::vector<std::uint8_t> assemble(const ModelParts& parts) {
  std::string outer =
      "{\"__metadata__\":{\"speechq\":" + json_string(with_checksum(parts.header, checksum_of(parts))) + "}";
  std::vector<std::uint8_t> data;
  for (const TensorParts& tensor : parts.tensors) {
    const std::size_t begin = data.size();
    data.insert(data.end(), tensor.data.begin(), tensor.data.end());
    outer += "," + json_string(tensor.name) + ":{\"dtype\":" + json_string(tensor.type) +
             ",\"shape\":" + shape_text(tensor.shape, ",") + ",\"data_offsets\":[" + std::to_string(begin) +
             "," + std::to_string(data.size()) + "]}";
  }
  outer += "}";
  outer.append((8 - outer.size() % 8) % 8, ' ');
  return container(outer, data);
}

std::vector<std::uint8_t> write_model(const ModelSpec& spec) { return assemble(model_parts(spec)); }

}  // namespace speechq::testing
