#include "model_damage.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "model/json.h"

namespace speechq::testing {

using namespace speechq::engine;

namespace {

template <class T>
const T& one_of(Random& random, const std::vector<T>& choices) {
  return choices[below(random, choices.size())];
}

// Where an element or member (with its key) and its value lie in a text.
struct Part {
  std::size_t begin, value, end;
};

void collect(const json::Value& value, const char* text, std::vector<Part>& parts) {
  const bool keyed = value.type() == json::Type::object;
  if (!keyed && value.type() != json::Type::array) return;
  for (const json::Item& item : keyed ? value.members() : value.elements()) {
    const std::string_view found = item.value.text();
    const auto at = static_cast<std::size_t>(found.data() - text);
    parts.push_back({keyed ? static_cast<std::size_t>(item.key.data() - text) : at, at, at + found.size()});
    collect(item.value, text, parts);
  }
}

// One edit of a JSON text: a value replaced, a part left out, doubled or moved, a key changed, or one byte.
std::string edited_once(const std::string& text, Random& random) {
  static const std::vector<std::string> kValues = {"0",
                                                   "1",
                                                   "-1",
                                                   "2",
                                                   "3",
                                                   "4",
                                                   "5",
                                                   "7",
                                                   "8",
                                                   "9",
                                                   "12",
                                                   "16",
                                                   "17",
                                                   "31",
                                                   "32",
                                                   "33",
                                                   "64",
                                                   "127",
                                                   "128",
                                                   "255",
                                                   "256",
                                                   "1000000007",
                                                   "2147483647",
                                                   "2147483648",
                                                   "-2147483648",
                                                   "4294967295",
                                                   "4294967296",
                                                   "4294967298",
                                                   "1152921504606846976",
                                                   "2305843009213693953",
                                                   "4611686018427387905",
                                                   "9223372036854775807",
                                                   "9223372036854775808",
                                                   "-9223372036854775808",
                                                   "18446744073709551617",
                                                   "0.5",
                                                   "-0.5",
                                                   "1e-46",
                                                   "1e39",
                                                   "1e308",
                                                   "1e309",
                                                   "-0",
                                                   "1.0",
                                                   "8e0",
                                                   "true",
                                                   "false",
                                                   "null",
                                                   "\"\"",
                                                   "\"in\"",
                                                   "\"x\"",
                                                   "\"sru\"",
                                                   "\"lstm\"",
                                                   "\"residual_lstm\"",
                                                   "\"qrnn\"",
                                                   "\"isru\"",
                                                   "\"linear\"",
                                                   "\"bias\"",
                                                   "\"\\u0000\"",
                                                   "\"\\ud83d\\ude00\"",
                                                   "\"<blank>\"",
                                                   "[]",
                                                   "{}",
                                                   "[0]",
                                                   "[[]]",
                                                   "{\"a\":1}",
                                                   "{\"bits\":8,\"step\":0.5}",
                                                   "NaN",
                                                   "-",
                                                   "[",
                                                   "}",
                                                   "\""};
  std::vector<Part> parts;
  const json::Value value = json::parse(text);
  collect(value, text.data(), parts);
  if (parts.empty()) return text + " ";
  const Part part = one_of(random, parts), other = one_of(random, parts);
  const auto cut = [&](const Part& p) { return text.substr(p.begin, p.end - p.begin); };
  const auto spliced = [&](std::size_t begin, std::size_t end, const std::string& middle) {
    return text.substr(0, begin) + middle + text.substr(end);
  };
  const auto value_of = [&](const Part& p) { return text.substr(p.value, p.end - p.value); };
  switch (below(random, 8)) {
    case 0:
    case 1:
    case 2:
      return spliced(part.value, part.end, one_of(random, kValues));
    case 3:
      return spliced(part.value, part.end, value_of(other));
    case 4: {  // left out, with a comma
      std::size_t begin = part.begin, end = part.end;
      if (end < text.size() && text[end] == ',')
        ++end;
      else if (text[begin - 1] == ',')
        --begin;
      return spliced(begin, end, "");
    }
    case 5:
      return spliced(part.end, part.end, "," + cut(below(random, 2) == 0 ? part : other));
    case 6:  // the key
      if (part.begin == part.value) return spliced(part.value, part.end, one_of(random, kValues));
      return spliced(part.begin + 1, part.begin + 1, "x");
    default: {
      std::string flipped = text;
      const std::size_t at = below(random, text.size());
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << below(random, 7)));
      return flipped;
    }
  }
}

}  // namespace

std::string edited(std::string text, Random& random, std::size_t count) {
  for (; count > 0; --count) {
    try {
      json::parse(text);
    } catch (const json::Error&) {
      break;
    }
    text = edited_once(text, random);
  }
  return text;
}

void damage_tensors(ModelParts& parts, Random& random) {
  static const std::vector<std::int64_t> kSizes = {
      0, 1, 2, 3, 8, 255, -1, 1 << 20, INT64_MAX, INT64_MAX / 2 + 1, INT64_MIN, std::int64_t{1} << 32};
  static const std::vector<std::uint32_t> kFloats = {0x7fc00000, 0x7f800000, 0xff800000, 0x7f7fffff, 1, 0};
  static const std::vector<std::string> kTypes = {"F32", "U8", "I8", "F64", "BF16", "BOOL", "", "f32"};
  if (parts.tensors.empty()) return;
  TensorParts& tensor = parts.tensors[below(random, parts.tensors.size())];
  TensorParts& other = parts.tensors[below(random, parts.tensors.size())];
  switch (below(random, 12)) {
    case 0:
      parts.tensors.erase(parts.tensors.begin() + (&tensor - parts.tensors.data()));
      break;
    case 1: {
      TensorParts copy = tensor;
      copy.name += below(random, 2) == 0 ? "x" : "";
      parts.tensors.push_back(std::move(copy));
      break;
    }
    case 2:
      tensor.name = other.name + (below(random, 2) == 0 ? "" : ".steps");
      break;
    case 3:
      tensor.type = one_of(random, kTypes);
      break;
    case 4:
      std::swap(tensor.data, other.data);
      std::swap(tensor.shape, other.shape);
      std::swap(tensor.type, other.type);
      break;
    case 5:
      tensor.shape.push_back(one_of(random, kSizes));
      break;
    case 6:
      if (!tensor.shape.empty()) tensor.shape[below(random, tensor.shape.size())] = one_of(random, kSizes);
      break;
    case 7:
      std::reverse(tensor.shape.begin(), tensor.shape.end());
      break;
    case 8:  // the last size and the bytes change together
      if (tensor.shape.empty()) break;
      tensor.shape.back() = static_cast<std::int64_t>(below(random, 100));
      tensor.data.resize(
          static_cast<std::size_t>(tensor.shape[0] * (tensor.shape.size() > 1 ? tensor.shape[1] : 1)) %
          100'000 * (tensor.type == "U8" ? 1 : 4));
      break;
    case 9:
      if (tensor.data.size() >= 4)
        std::memcpy(tensor.data.data() + below(random, tensor.data.size() / 4) * 4, &one_of(random, kFloats),
                    4);
      break;
    default:
      if (!tensor.data.empty())
        tensor.data[below(random, tensor.data.size())] ^= static_cast<std::uint8_t>(1 << below(random, 8));
      break;
  }
}

}  // namespace speechq::testing
