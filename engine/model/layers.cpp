#include "model/layers.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <limits>
#include <optional>
#include <utility>

#include "model/checks.h"
#include "model/codes.h"
#include "model/description.h"
#include "model/entropy.h"
#include "model/groups.h"

namespace speechq::engine {
namespace {

using json::Type;
using json::Value;

// Runs `read`, whose errors get a place in front.
template <class Read>
auto within(const std::string& place, const Read& read) {
  try {
    return read();
  } catch (const std::runtime_error& error) {
    throw ModelError(place + ": " + error.what());
  }
}

using Decoded = std::deque<std::vector<std::uint8_t>>;

// Sets the codes, decoded into `decoded` if they are in groups or range-coded; throws unless the tensor holds
// them exactly.
void read_codes(const Tensor& codes, bool coded, Decoded& decoded, Matrix& matrix) {
  if (codes.type != ValueType::uint8 || !codes.is(ValueType::uint8, {codes.size}))
    throw ModelError(std::string("packed codes are ") + value_type_name(codes.type) + " " +
                     codes.shape_text() + ": expected uint8 bytes");
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max() / 16;
  const std::string found = std::to_string(codes.size) + " bytes of codes, but [" +
                            std::to_string(matrix.rows) + ", " + std::to_string(matrix.columns) + "] at " +
                            std::to_string(matrix.bits) + " bits are ";
  if (matrix.rows > kMost / matrix.columns) throw ModelError(found + "more than any file holds");
  if (matrix.groups.on()) {
    decoded.push_back(decode_groups(codes.data, codes.size, matrix.rows, matrix.columns, matrix.groups));
    matrix.codes = decoded.back().data();
    return;
  }
  if (coded) {
    decoded.push_back(decode_entropy(codes.data, codes.size, matrix.rows * matrix.columns, matrix.bits));
    matrix.codes = decoded.back().data();
    return;
  }
  const std::int64_t expected = (matrix.rows * matrix.columns * matrix.bits + 7) / 8;
  if (codes.size != expected) throw ModelError(found + std::to_string(expected) + " bytes");
  check_codes(matrix);
}

// Bits and sizes.
Matrix read_entry(const Value& entry) {
  Matrix matrix;
  const std::int64_t bits = integer_of(entry, "bits");
  if (bits != 32 && (bits < 2 || bits > 8))
    throw ModelError("packing of " + std::to_string(bits) + "-bit codes: expected 2 to 8 bits");
  matrix.bits = static_cast<int>(bits);
  matrix.rows = integer_of(entry, "rows");
  matrix.columns = integer_of(entry, "columns");
  if (matrix.rows < 1 || matrix.columns < 1)
    throw ModelError("it is [" + std::to_string(matrix.rows) + ", " + std::to_string(matrix.columns) +
                     "]: expected rows and columns");
  return matrix;
}

// Whether the codes are range-coded.
bool is_coded(const Value& entry, const Matrix& matrix) {
  const std::optional<Value> coding = entry.find("coding");
  if (!coding) return false;
  if (coding->type() != Type::string || coding->string() != "rans" || matrix.bits == 32)
    throw ModelError("coding " + coding->shown() + ": expected 'rans' for 2 to 8 bits, or none");
  return true;
}

// The groups of a matrix whose bits are known; `version` is that of the file.
Groups read_groups(const Value& entry, const Matrix& matrix, int version) {
  const std::optional<Value> found = entry.find("groups");
  if (!found) return {};
  Groups groups;
  try {
    if (found->size() != 2) throw json::Error("not two");
    auto number = found->elements().begin();
    groups.size = number->value.integer();
    groups.kept = (++number)->value.integer();
  } catch (const json::Error&) {
    throw ModelError("groups " + found->shown() + ": expected two integers");
  }
  if (version != kGroupsVersion)
    throw ModelError("groups do not belong to a file of version " + std::to_string(version));
  if (matrix.bits != 2 || entry.find("coding"))
    throw ModelError("groups: expected a matrix of 2 bits without another coding");
  patterns_of(groups);
  return groups;
}

// `prefix` begins the names of the layer's tensors, `place` names the layer.
void read_matrices(const Value& entries, const std::string& prefix, const std::string& place, int version,
                   TensorTable& tensors, Decoded& decoded, LayerParts& parts) {
  for (const json::Item& item : entries.members()) {
    const std::string name = item.name(), matrix_place = place + ", matrix " + name;
    Matrix matrix = within(matrix_place, [&] { return read_entry(item.value); });
    const bool coded = within(matrix_place, [&] { return is_coded(item.value, matrix); });
    matrix.groups = within(matrix_place, [&] { return read_groups(item.value, matrix, version); });
    MatrixTensors& found = parts.matrices[name];
    found.codes = &tensors.take(prefix + name + ".codes");
    matrix.codes = found.codes->data;
    if (matrix.bits != 32) {
      within(matrix_place, [&] { read_codes(*found.codes, coded, decoded, matrix); });
      found.steps = &tensors.take(prefix + name + ".steps");
      if (found.steps->type == ValueType::float32) matrix.steps = floats_of(*found.steps);
    }
    parts.layer.matrices[name] = std::move(matrix);
  }
}

void read_signals(const Value& entries, Layer& layer) {
  const std::pair<const char*, Grid*> known[] = {
      {"h", &layer.h}, {"gate", &layer.gate}, {"cell", &layer.cell}, {"conv", &layer.conv}};
  // A linear layer has none of them, and only an isru has the last one.
  const auto* end = known + (layer.kind == Kind::linear ? 0 : layer.kind == Kind::isru ? 4 : 3);
  for (const json::Item& item : entries.members()) {
    const auto* signal = std::find_if(known, end, [&](const auto& entry) { return item.named(entry.first); });
    if (signal == end)
      throw ModelError(item.name() + " does not belong to a layer of kind " + kind_name(layer.kind));
    *signal->second = read_grid(signal->first, item.value);
  }
}

void read_layer(std::size_t index, const Value& header, int version, TensorTable& tensors, Decoded& decoded,
                LayerParts& parts) {
  const std::string number = "layer " + std::to_string(index),
                    prefix = "layers." + std::to_string(index) + ".";
  const std::string kind = within(number, [&] { return string_of(header, "kind"); });
  const std::string place = number + " (" + kind + ")";
  const auto member = [&](const char* key, Type type) {
    return within(place, [&] { return member_of(header, key, type); });
  };
  within(place, [&] { parts.layer.kind = kind_of(kind); });
  const Value options = member("options", Type::object);
  within(place, [&] { read_options(options, parts.layer); });
  read_matrices(member("matrices", Type::object), prefix, number, version, tensors, decoded, parts);
  // Before the whole is checked, so that a list of empty layers takes no memory.
  if (parts.layer.matrices.count("in") == 0)
    throw ModelError(place + ": it needs a matrix 'in' with rows and columns");
  for (const json::Item& item : member("vectors", Type::array).elements()) {
    const std::string name = within(place + ": vectors", [&] { return item.value.string(); });
    parts.vectors[name] = &tensors.take(prefix + name);
  }
  const Value signals = member("signals", Type::object);
  within(place, [&] { read_signals(signals, parts.layer); });
}

}  // namespace

const Tensor& TensorTable::take(const std::string& name) {
  const auto found =
      std::lower_bound(tensors_.begin(), tensors_.end(), name,
                       [](const Tensor& tensor, const std::string& n) { return tensor.name < n; });
  if (found == tensors_.end() || found->name != name) throw ModelError(name + " is missing");
  const auto index = static_cast<std::size_t>(found - tensors_.begin());
  if (taken_[index]) throw ModelError(name + " is named twice");
  taken_[index] = true;
  return *found;
}

void TensorTable::check_empty() const {
  for (std::size_t i = 0; i < taken_.size(); ++i)
    if (!taken_[i]) throw ModelError("the tensor " + tensors_[i].name + " belongs to no layer");
}

std::vector<float> floats_of(const Tensor& tensor) {
  std::vector<float> values(static_cast<std::size_t>(tensor.size) / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), tensor.data, values.size() * sizeof(float));
  return values;
}

void read_layers(const Value& list, int version, TensorTable& tensors, Model& model) {
  std::deque<LayerParts> layers;
  for (const json::Item& item : list.elements()) {
    const std::size_t index = layers.size();
    read_layer(index, item.value, version, tensors, model.decoded, layers.emplace_back());
  }
  tensors.check_empty();
  check_layers(layers, model);
  model.layers.reserve(layers.size());
  for (LayerParts& parts : layers) {
    for (const auto& [name, vector] : parts.vectors) parts.layer.vectors[name] = floats_of(*vector);
    model.layers.push_back(std::move(parts.layer));
  }
}

}  // namespace speechq::engine
