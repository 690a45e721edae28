#include <deque>
#include <filesystem>
#include <fstream>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "model/description.h"
#include "model/json.h"
#include "model/layers.h"
#include "model/model.h"
#include "model/safetensors.h"
#include "model/sha256.h"

namespace speechq::engine {
namespace {

using json::Type;
using json::Value;

constexpr const char* kFormat = "speechq";  // also the key of the metadata
constexpr int kVersion = 1;
constexpr int kHierarchyVersion = 2;  // of models with a hierarchy

// 0 for none that is read.
int version_of(const Value& header) {
  const std::optional<Value> found = header.find("version");
  for (int version = kVersion; version <= kGroupsVersion; ++version)
    if (found && found->text() == std::to_string(version)) return version;
  return 0;
}

// SHA-256 over the header without its checksum and every tensor. As the header is canonical, leaving the
// member out of the text gives what writing the others anew would give; another text gives another checksum.
std::string checksum_of(std::string_view text, const Value& header, const std::deque<Tensor>& tensors) {
  std::string_view before = text, after;
  for (const json::Item& item : header.members()) {
    if (!item.named("sha256")) continue;
    const std::string_view value = item.value.text();
    before = text.substr(0, static_cast<std::size_t>(item.key.data() - text.data()));
    after = text.substr(static_cast<std::size_t>(value.data() + value.size() - text.data()));
  }
  if (!after.empty() && after.front() == ',') after.remove_prefix(1);  // never the last: `version` follows
  Sha256 hash;
  hash.update(before);
  hash.update(after);
  for (const Tensor& tensor : tensors) {
    hash.update("\n" + tensor.name + " " + value_type_name(tensor.type) + " " + tensor.shape_text() + "\n");
    hash.update(tensor.data, static_cast<std::size_t>(tensor.size));
  }
  return hash.hex();
}

// The header, checked for the format, the version and the checksum.
Value open_header(const Container& container) {
  const std::string missing = "a safetensors file, but not of speechq (no header 'speechq'";
  if (!container.header) throw ModelError(missing + ")");
  const Value header = [&] {
    try {
      return json::parse(*container.header);
    } catch (const json::Error& error) {
      throw ModelError(missing + ": " + error.what() + ")");
    }
  }();
  const auto is_text = [](const std::optional<Value>& value, const std::string& wanted) {
    return value && value->type() == Type::string && value->string() == wanted;
  };
  if (header.type() != Type::object || !is_text(header.find("format"), kFormat))
    throw ModelError("not a speechq model: the header's format is not 'speechq'");
  const std::optional<Value> version = header.find("version");
  if (version_of(header) == 0)
    throw ModelError("model format version " + (version ? version->shown() : "None") +
                     "; this speechq reads versions " + std::to_string(kVersion) + " to " +
                     std::to_string(kGroupsVersion));
  if (!is_text(header.find("sha256"), checksum_of(*container.header, header, container.tensors)))
    throw ModelError("damaged: the checksum of its content is not the one in its header");
  return header;
}

// `mean` and `scale`.
std::vector<float> read_normalization(const char* name, TensorTable& tensors, std::int64_t dim) {
  const Tensor& tensor = tensors.take(name);
  if (!tensor.is(ValueType::float32, {dim}))
    throw ModelError(std::string(name) + " is " + tensor.shape_text() + " " + value_type_name(tensor.type) +
                     ": expected [" + std::to_string(dim) + "] float32, as the features have " +
                     std::to_string(dim) + " values");
  return floats_of(tensor);
}

void read_audio_input(const Value& header, TensorTable& tensors, Model& model) {
  read_features(member_of(header, "features", Type::object), model);
  model.mean = read_normalization("mean", tensors, model.features.dim);
  model.scale = read_normalization("scale", tensors, model.features.dim);
  const Value feat = header.at("feat");
  if (feat.type() != Type::null) model.feat = read_grid("feat", feat);
}

// The hierarchy: in files of its version, perhaps in later ones.
std::optional<Value> find_hierarchy(const Value& header) {
  const int version = version_of(header);
  if (version == kVersion && header.find("hierarchy"))
    throw ModelError("hierarchy does not belong to a file of version " + std::to_string(kVersion));
  if (version == kVersion || (version == kGroupsVersion && !header.find("hierarchy"))) return std::nullopt;
  return member_of(header, "hierarchy", Type::object);
}

void read_content(const Value& header, TensorTable& tensors, Model& model) {
  if (header.find("input"))
    read_symbol_input(header, member_of(header, "input", Type::object), model);
  else
    read_audio_input(header, tensors, model);
  const std::optional<Value> hierarchy = find_hierarchy(header);
  if (hierarchy) read_hierarchy(*hierarchy, model);
  model.scheme = string_of(header, "scheme");
  member_of(header, "card", Type::string);
  member_of(header, "provenance", Type::object);
  read_layers(member_of(header, "layers", Type::array), version_of(header), tensors, model);
  if (hierarchy) read_clock(*hierarchy, model);
  read_units(member_of(header, "units", Type::object), model.outputs(), model);
}

Model parse(std::vector<std::uint8_t> bytes) {
  Model model;
  model.bytes = std::move(bytes);
  const Container container = [&] {
    try {
      return read_safetensors(model.bytes.data(), model.bytes.size(), kFormat);
    } catch (const std::runtime_error& error) {
      throw ModelError(std::string("not a readable safetensors file, or cut short (") + error.what() + ")");
    }
  }();
  const Value header = open_header(container);
  TensorTable tensors(container.tensors);
  read_content(header, tensors, model);
  return model;
}

std::vector<std::uint8_t> read_file(const std::string& path) {
  std::error_code problem;
  if (!std::filesystem::is_regular_file(path, problem))
    throw ModelError("no such file; expected a packed model (*.sqm)");
  const auto size = static_cast<std::size_t>(std::filesystem::file_size(path, problem));
  std::ifstream file(path, std::ios::binary);
  std::vector<std::uint8_t> bytes(problem ? 0 : size);
  if (problem || !file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size)))
    throw ModelError("not a readable safetensors file, or cut short (it cannot be read)");
  return bytes;
}

// Runs `read`, whose errors get the name in front.
template <class Read>
Model named(const std::string& name, const Read& read) {
  try {
    return read();
  } catch (const std::bad_alloc&) {
    throw ModelError(name + ": not a readable safetensors file (it does not fit into memory)");
  } catch (const std::runtime_error& error) {
    throw ModelError(name + ": " + error.what());
  }
}

}  // namespace

Model read_model(const std::string& path) {
  return named(path, [&] { return parse(read_file(path)); });
}

Model parse_model(std::vector<std::uint8_t> bytes, const std::string& name) {
  return named(name, [&] { return parse(std::move(bytes)); });
}

}  // namespace speechq::engine
