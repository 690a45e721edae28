// The safetensors container: a length, a JSON header, and the bytes of the tensors one behind the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/json.h"

namespace speechq::engine {

// Those that NumPy has, too.
enum class ValueType {
  boolean,
  uint8,
  int8,
  uint16,
  int16,
  float16,
  uint32,
  int32,
  float32,
  uint64,
  int64,
  float64,
  complex64,
};

const char* value_type_name(ValueType type);  // as NumPy and the checksum have it: uint8, float32

struct Tensor {
  std::string name;
  ValueType type;
  json::Value shape;         // sizes, none of them negative
  const std::uint8_t* data;  // perhaps not aligned
  std::int64_t size;         // bytes

  bool is(ValueType wanted, const std::vector<std::int64_t>& sizes) const;
  std::string shape_text() const;  // [3, 4]
};

struct Container {
  std::optional<std::string> header;  // the entry asked for of __metadata__
  std::deque<Tensor> tensors;         // by name; a deque, as it grows without a second copy
};

// Reads bytes that must outlive the result; `key` names an entry of __metadata__. Throws std::runtime_error
// for anything that the format forbids, and for tensors that NumPy cannot hold.
Container read_safetensors(const std::uint8_t* bytes, std::size_t size, std::string_view key);

}  // namespace speechq::engine
