#include "model/safetensors.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <stdexcept>
#include <tuple>

namespace speechq::engine {
namespace {

using json::Value;

constexpr std::uint64_t kMostHeaderBytes = 100'000'000;  // of the format
constexpr std::int64_t kMostDimensions = 64;             // of NumPy
constexpr std::string_view kMetadata = "__metadata__";

struct TypeEntry {
  const char *code, *name;  // of safetensors and of NumPy
  std::int64_t bytes;
};

// In the order of ValueType.
constexpr TypeEntry kTypes[] = {
    {"BOOL", "bool", 1},     {"U8", "uint8", 1},    {"I8", "int8", 1},    {"U16", "uint16", 2},
    {"I16", "int16", 2},     {"F16", "float16", 2}, {"U32", "uint32", 4}, {"I32", "int32", 4},
    {"F32", "float32", 4},   {"U64", "uint64", 8},  {"I64", "int64", 8},  {"F64", "float64", 8},
    {"C64", "complex64", 8},
};

// A size or an offset.
std::int64_t natural(const Value& value) {
  const std::int64_t result = value.integer();
  if (result < 0) throw json::Error("found " + value.shown() + ", expected an integer from 0");
  return result;
}

ValueType type_of(const Value& value) {
  const std::string code = value.string();
  const auto* found = std::find_if(std::begin(kTypes), std::end(kTypes),
                                   [&](const TypeEntry& entry) { return code == entry.code; });
  if (found == std::end(kTypes)) throw json::Error("the type " + value.shown() + " is not known");
  return static_cast<ValueType>(found - kTypes);
}

// The bytes of a tensor; throws json::Error beyond 64 bits.
std::int64_t bytes_of(ValueType type, const Value& shape) {
  std::int64_t bytes = kTypes[static_cast<int>(type)].bytes, dimensions = 0;
  for (const json::Item& item : shape.elements()) {
    if (++dimensions > kMostDimensions) throw json::Error("too many dimensions");
    const std::int64_t size = natural(item.value);
    if (size != 0 && bytes > std::numeric_limits<std::int64_t>::max() / size)
      throw json::Error("the shape " + shape.shown() + " is larger than any file");
    bytes *= size;
  }
  return bytes;
}

// `buffer` holds the bytes of all tensors, `available` of them.
Tensor read_tensor(const json::Item& item, const std::uint8_t* buffer, std::int64_t available) {
  const ValueType type = type_of(item.value.at("dtype"));
  const Value shape = item.value.at("shape"), offsets = item.value.at("data_offsets");
  const std::int64_t expected = bytes_of(type, shape);
  if (offsets.size() != 2) throw json::Error("data_offsets are " + offsets.shown() + ": expected two");
  auto offset = offsets.elements().begin();
  const std::int64_t begin = natural(offset->value), end = natural((++offset)->value);
  if (begin > end || end > available)
    throw json::Error("data_offsets are " + offsets.shown() + ", but there are " + std::to_string(available) +
                      " bytes");
  if (end - begin != expected)
    throw json::Error(std::to_string(end - begin) + " bytes do not fit " + value_type_name(type) + " " +
                      shape.shown());
  return {item.name(), type, shape, buffer + begin, end - begin};
}

std::optional<std::string> read_metadata(const Value& metadata, std::string_view key) {
  std::optional<std::string> found;
  for (const json::Item& item : metadata.members()) {
    if (item.value.type() != json::Type::string) throw json::Error("an entry that is not text");
    if (item.named(key)) found = item.value.string();
  }
  return found;
}

// Every byte of the buffer must belong to one tensor. Leaves the tensors ordered by name.
void check_ranges(std::deque<Tensor>& tensors, const std::uint8_t* buffer, std::int64_t available) {
  std::sort(tensors.begin(), tensors.end(), [](const Tensor& a, const Tensor& b) {
    return std::tie(a.data, a.size) < std::tie(b.data, b.size);
  });
  const std::uint8_t* next = buffer;
  for (const Tensor& tensor : tensors) {
    if (tensor.data != next)
      throw json::Error("the bytes of tensor " + tensor.name + " leave a gap or overlap");
    next += tensor.size;
  }
  if (next != buffer + available)
    throw json::Error("the tensors take " + std::to_string(next - buffer) + " bytes, but there are " +
                      std::to_string(available));
  std::sort(tensors.begin(), tensors.end(), [](const Tensor& a, const Tensor& b) { return a.name < b.name; });
}

}  // namespace

const char* value_type_name(ValueType type) { return kTypes[static_cast<int>(type)].name; }

bool Tensor::is(ValueType wanted, const std::vector<std::int64_t>& sizes) const {
  if (type != wanted || shape.size() != static_cast<std::int64_t>(sizes.size())) return false;
  auto size = sizes.begin();
  for (const json::Item& item : shape.elements())
    if (item.value.integer() != *size++) return false;
  return true;
}

std::string Tensor::shape_text() const {
  std::string text = "[";
  for (const json::Item& item : shape.elements())
    text += (text.size() == 1 ? "" : ", ") + std::to_string(item.value.integer());
  return text + "]";
}

Container read_safetensors(const std::uint8_t* bytes, std::size_t size, std::string_view key) {
  if (size < 8) throw json::Error("it has " + std::to_string(size) + " bytes");
  std::uint64_t length = 0;
  for (int i = 7; i >= 0; --i) length = length << 8 | bytes[i];
  if (length > kMostHeaderBytes || length > size - 8)
    throw json::Error("a header of " + std::to_string(length) + " bytes in a file of " +
                      std::to_string(size));
  const std::string_view text(reinterpret_cast<const char*>(bytes) + 8, length);
  if (text.empty() || text.front() != '{') throw json::Error("the header is not a JSON object");
  const Value outer = json::parse(text);
  const std::uint8_t* buffer = bytes + 8 + length;
  const auto available = static_cast<std::int64_t>(size - 8 - length);

  Container result;
  for (const json::Item& item : outer.members()) {
    try {
      if (item.named(kMetadata))
        result.header = read_metadata(item.value, key);
      else
        result.tensors.push_back(read_tensor(item, buffer, available));
    } catch (const json::Error& error) {
      throw json::Error(Value(item.key).shown() + ": " + error.what());
    }
  }
  check_ranges(result.tensors, buffer, available);
  return result;
}

}  // namespace speechq::engine
