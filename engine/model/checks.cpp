#include "model/checks.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <optional>
#include <vector>

#include "model/description.h"

namespace speechq::engine {
namespace {

constexpr const char* kKindNames[] = {"linear", "sru", "lstm", "residual_lstm", "qrnn", "isru"};

using Shape = std::vector<std::int64_t>;

std::string text_of(const Shape& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

// What a layer of `inputs` inputs and `units` units consists of.
struct Expected {
  std::map<std::string, Shape> matrices;
  std::map<std::string, Shape> vectors;
};

Expected expected_parts(const Layer& layer) {
  const std::int64_t d = layer.inputs, h = layer.units;
  Expected parts;
  const auto add_skip = [&] {
    if (d != h) parts.matrices["skip"] = {h, d};
  };
  switch (layer.kind) {
    case Kind::linear:
      parts.matrices["in"] = {h, d};
      parts.vectors["bias"] = {h};
      break;
    case Kind::sru:
      parts.matrices["in"] = {3 * h, d};
      add_skip();
      parts.vectors["bias"] = {2, h};
      parts.vectors["candidate_bias"] = {h};
      if (layer.variant == 2) parts.vectors["v"] = {2, h};
      break;
    case Kind::qrnn: {
      const std::int64_t gates = layer.matrices.at("in").rows == 4 * h ? 4 : 3;
      parts.matrices["in"] = {gates * h, d * layer.window};
      parts.vectors["bias"] = {gates * h};
      break;
    }
    case Kind::isru:
      parts.matrices["conv"] = {d, layer.taps_left + 1 + layer.taps_right};
      parts.matrices["in"] = {4 * h, d};
      parts.vectors["conv_bias"] = {d};
      parts.vectors["bias"] = {4 * h};
      break;
    case Kind::residual_lstm:
      parts.matrices["proj"] = {h, h};
      add_skip();
      [[fallthrough]];
    case Kind::lstm:
      parts.matrices["in"] = {4 * h, d};
      parts.matrices["rec"] = {4 * h, h};
      parts.vectors["bias"] = {4 * h};
      parts.vectors["peepholes"] = {3, h};
      if (layer.context > 0) parts.matrices["context"] = {4 * h, layer.context};
      break;
  }
  return parts;
}

bool may_be_absent(const std::string& vector) { return vector == "candidate_bias" || vector == "peepholes"; }

// Values per frame that the layer takes.
std::int64_t input_width(const Layer& layer) {
  const auto in = layer.matrices.find("in");
  if (in == layer.matrices.end()) throw ModelError("it needs a matrix 'in' with rows and columns");
  const std::int64_t columns = in->second.columns;
  if (columns % layer.window != 0)
    throw ModelError("the " + std::to_string(columns) + " columns of 'in' do not hold " +
                     std::to_string(layer.window) + " frames of equal width");
  return columns / layer.window;
}

// Values that the layer above the words' layers reads of them.
std::int64_t context_width(const Layer& layer) {
  const auto context = layer.matrices.find("context");
  if (context == layer.matrices.end())
    throw ModelError("the layer above the words' layers needs a matrix 'context'");
  return context->second.columns;
}

template <class Found>
void check_names(const std::map<std::string, Found>& found, const std::map<std::string, Shape>& known,
                 Kind kind) {
  for (const auto& [name, part] : found)
    if (known.count(name) == 0)
      throw ModelError(name + " does not belong to a layer of kind " + kind_name(kind));
}

void check_matrix(const std::string& name, const Matrix& matrix, const MatrixTensors& tensors,
                  const Shape& shape) {
  const Shape actual{matrix.rows, matrix.columns};
  if (actual != shape) throw ModelError(name + " is " + text_of(actual) + ": expected " + text_of(shape));
  if (matrix.bits == 32) {
    if (!tensors.codes->is(tensors.codes->type, shape))
      throw ModelError(name + " is " + tensors.codes->shape_text() + ": expected " + text_of(shape));
    if (tensors.codes->type != ValueType::float32)
      throw ModelError(name + " has 32 bits: expected float32 values and no steps");
    return;
  }
  const Tensor& steps = *tensors.steps;
  if (!steps.is(ValueType::float32, {1}) && !steps.is(ValueType::float32, {matrix.rows}))
    throw ModelError(name + " has steps " + steps.shape_text() + " " + value_type_name(steps.type) +
                     ": expected float32, one or one per row (" + std::to_string(matrix.rows) + ")");
  if (!std::all_of(matrix.steps.begin(), matrix.steps.end(), [](float step) { return std::isfinite(step); }))
    throw ModelError(name + " has a step that is not a finite number");
}

void check_layer(const LayerParts& parts) {
  const Layer& layer = parts.layer;
  const Expected expected = expected_parts(layer);
  for (const auto& [name, shape] : expected.matrices) {
    if (layer.matrices.count(name) == 0)
      throw ModelError("matrix " + name + " is missing: expected " + text_of(shape));
    check_matrix("matrix " + name, layer.matrices.at(name), parts.matrices.at(name), shape);
  }
  for (const auto& [name, shape] : expected.vectors) {
    const auto found = parts.vectors.find(name);
    if (found == parts.vectors.end()) {
      if (may_be_absent(name)) continue;
      throw ModelError("vector " + name + " is missing: expected " + text_of(shape));
    }
    const Tensor& vector = *found->second;
    if (!vector.is(ValueType::float32, shape))
      throw ModelError("vector " + name + " is " + vector.shape_text() + " " + value_type_name(vector.type) +
                       ": expected " + text_of(shape) + " float32");
  }
  check_names(layer.matrices, expected.matrices, layer.kind);
  check_names(parts.vectors, expected.vectors, layer.kind);
}

void check_hierarchy(const std::deque<LayerParts>& layers) {
  const bool fits = layers.size() == kContextLayer + 2 &&
                    std::all_of(layers.begin(), layers.end() - 1,
                                [](const LayerParts& parts) { return parts.layer.kind == Kind::lstm; });
  if (!fits) throw ModelError("hierarchy: expected four layers of kind lstm and one of kind linear");
}

}  // namespace

const char* kind_name(Kind kind) { return kKindNames[static_cast<int>(kind)]; }

Kind kind_of(const std::string& name) {
  for (int kind = 0; kind < 6; ++kind)
    if (name == kKindNames[kind]) return static_cast<Kind>(kind);
  throw ModelError("kind '" + name + "': expected one of sru, lstm, residual_lstm, qrnn, isru, linear");
}

void read_options(const json::Value& options, Layer& layer) {
  const auto integer = [&](const char* name, std::int64_t low, std::int64_t high) {
    return static_cast<int>(bounded(options, name, low, high, std::string("option ") + name));
  };
  const auto fail = [&](const char* name, const char* wanted) {
    const std::optional<json::Value> value = options.find(name);
    throw ModelError(std::string("option ") + name + " is " + (value ? value->shown() : "None") +
                     ": expected " + wanted);
  };
  if (layer.kind == Kind::qrnn) layer.window = integer("window", 1, 32);
  if (layer.kind == Kind::isru) {
    layer.taps_left = integer("taps_left", 0, 64);
    layer.taps_right = integer("taps_right", 0, 64);
  }
  if (layer.kind != Kind::sru) return;
  layer.variant = integer("variant", 1, 2);
  const std::optional<json::Value> tanh = options.find("tanh"), scale = options.find("scale_x");
  if (!tanh || tanh->type() != json::Type::boolean) fail("tanh", "true or false");
  layer.tanh = tanh->boolean();
  if (!scale || scale->type() != json::Type::number) fail("scale_x", "a number");
  const double value = scale->number();
  if (std::abs(value) > FLT_MAX) fail("scale_x", "a number");
  layer.scale_x = static_cast<float>(value);
}

void check_layers(std::deque<LayerParts>& layers, const Model& model) {
  if (layers.empty() || layers.back().layer.kind != Kind::linear)
    throw ModelError("the last layer must be of kind linear");
  if (model.hierarchy.on()) check_hierarchy(layers);
  // As many symbols go in as come out.
  const std::int64_t inputs =
      model.takes_symbols ? layers.back().layer.matrices.at("in").rows : model.features.dim * model.stack;
  for (std::size_t index = 0; index < layers.size(); ++index) {
    Layer& layer = layers[index].layer;
    const std::int64_t source = model.source(index);
    const std::int64_t width = source < 0 ? inputs : layers[static_cast<std::size_t>(source)].layer.units;
    try {
      const bool last = index + 1 == layers.size();
      if (layer.kind == Kind::linear && !last) throw ModelError("only the last layer may be of kind linear");
      if (index == 0 && input_width(layer) != width)
        throw ModelError("it takes " + std::to_string(input_width(layer)) + " values per frame, but " +
                         (model.takes_symbols ? "there are " + std::to_string(width) + " symbols"
                                              : "the features have " + std::to_string(width)));
      if (model.takes_symbols && layer.taps_right > 0)
        throw ModelError("look-ahead does not belong to a model that takes symbols");
      layer.inputs = width;
      if (last)
        layer.units = layer.matrices.at("in").rows;
      else if (model.hierarchy.on() && index + 1 == kContextLayer)
        layer.units = context_width(layers[index + 1].layer);
      else
        layer.units = input_width(layers[index + 1].layer);
      if (model.hierarchy.on() && index == kContextLayer) layer.context = layers[index - 1].layer.units;
      check_layer(layers[index]);
    } catch (const ModelError& error) {
      throw ModelError("layer " + std::to_string(index) + " (" + kind_name(layer.kind) +
                       "): " + error.what());
    }
  }
}

}  // namespace speechq::engine
