#include "model/description.h"

#include <algorithm>
#include <cfloat>
#include <iterator>
#include <numeric>
#include <optional>
#include <string_view>
#include <vector>

namespace speechq::engine {
namespace {

using json::Type;
using json::Value;

constexpr const char* kBlank = "<blank>";
constexpr const char* kEnd = "</s>";

// As written, or None, as the Python reader names a key that is absent.
std::string shown(const std::optional<Value>& value) { return value ? value->shown() : "None"; }

bool flag(const Value& features, const char* key) {
  const std::optional<Value> value = features.find(key);
  if (!value) return false;
  if (value->type() != Type::boolean)
    throw ModelError(std::string("features: ") + key + " is " + value->shown() + ": expected true or false");
  return value->boolean();
}

std::int64_t whole(const Value& features, const char* key, std::int64_t low, std::int64_t high,
                   std::int64_t otherwise) {
  if (!features.find(key)) return otherwise;
  return bounded(features, key, low, high, std::string("features: ") + key);
}

double real(const Value& features, const char* key, double otherwise) {
  const std::optional<Value> value = features.find(key);
  if (!value) return otherwise;
  try {
    return value->number();
  } catch (const json::Error& error) {
    throw ModelError(std::string("features: ") + key + ": " + error.what());
  }
}

double not_negative(const Value& features, const char* key, double otherwise) {
  const double value = real(features, key, otherwise);
  if (value < 0) throw ModelError(std::string("features: ") + key + " is negative");
  return value;
}

// The code points of UTF-8 text, one at a time: the one that begins at `at`, which moves behind it.
char32_t next_point(std::string_view text, std::size_t& at) {
  const auto first = static_cast<unsigned char>(text[at++]);
  if (first < 0x80) return first;
  const int more = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
  char32_t point = first & (0x3f >> more);
  for (int i = 0; i < more; ++i) point = point << 6 | (static_cast<unsigned char>(text[at++]) & 0x3f);
  return point;
}

// What Python's str.split() splits at.
bool is_white_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

void check_symbol(const std::string& symbol, bool character) {
  std::size_t points = 0;
  bool white_space = false;
  for (std::size_t at = 0; at < symbol.size(); ++points)
    white_space |= is_white_space(next_point(symbol, at));
  if (character && points != 1) throw ModelError("units: '" + symbol + "' is not a single character");
  if (!character && (points == 0 || white_space))
    throw ModelError("units: '" + symbol + "' must not be empty or hold white space");
}

void check_unique(const std::vector<std::string>& symbols) {
  std::vector<std::uint32_t> order(symbols.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(),
            [&](std::uint32_t a, std::uint32_t b) { return symbols[a] < symbols[b]; });
  const auto twice = std::adjacent_find(
      order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return symbols[a] == symbols[b]; });
  if (twice != order.end())
    throw ModelError("units: ['" + symbols[*twice] + "'] occur more than once; every symbol must be unique");
}

// Standard base64 with its padding; no escapes, so the text as written is what counts.
bool is_base64(const Value& value) {
  if (value.type() != Type::string) return false;
  std::string_view text = value.text();
  text = text.substr(1, text.size() - 2);
  if (text.size() % 4 != 0) return false;
  for (int i = 0; i < 2 && !text.empty() && text.back() == '='; ++i) text.remove_suffix(1);
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
  });
}

}  // namespace

Value member_of(const Value& object, const char* key, Type type) {
  const Value value = object.at(key);
  if (value.type() != type)
    throw ModelError(std::string(key) + " is " + value.shown() + ": expected " + json::type_name(type));
  return value;
}

std::int64_t integer_of(const Value& object, const char* key) {
  const Value value = object.at(key);
  try {
    return value.integer();
  } catch (const json::Error& error) {
    throw ModelError(std::string(key) + ": " + error.what());
  }
}

std::string string_of(const Value& object, const char* key) {
  return member_of(object, key, Type::string).string();
}

std::int64_t bounded(const Value& object, const char* key, std::int64_t low, std::int64_t high,
                     const std::string& what) {
  const std::optional<Value> value = object.find(key);
  const auto fail = [&]() -> std::int64_t {
    throw ModelError(what + " is " + shown(value) + ": expected an integer from " + std::to_string(low) +
                     " to " + std::to_string(high));
  };
  if (!value) return fail();
  try {
    const std::int64_t found = value->integer();
    return found < low || found > high ? fail() : found;
  } catch (const json::Error&) {
    return fail();
  }
}

Grid read_grid(const std::string& name, const Value& value) {
  try {
    const Value bits = value.at("bits"), step = value.at("step");
    if (bits.integer() < 2 || bits.integer() > 16)
      throw ModelError("signal " + name + " has " + bits.shown() + " bits: expected 2 to 16");
    const double number = step.number();
    // The first comparison keeps the conversion within the range of float.
    if (!(number > 0 && number <= FLT_MAX) || static_cast<double>(static_cast<float>(number)) != number)
      throw ModelError("signal " + name + " has the step " + step.shown() +
                       ": expected a positive float32 number");
    Grid grid;
    grid.bits = static_cast<int>(bits.integer());
    grid.step = static_cast<float>(number);
    return grid;
  } catch (const json::Error& error) {
    throw ModelError("signal " + name + ": " + error.what());
  }
}

void read_features(const Value& features, Model& model) {
  constexpr const char* kKeys[] = {"sample_rate", "mels",    "energy", "deltas", "dither",
                                   "low_hz",      "high_hz", "stack",  "stride"};
  for (const json::Item& item : features.members())
    if (std::none_of(std::begin(kKeys), std::end(kKeys), [&](const char* key) { return item.named(key); }))
      throw ModelError("features: " + Value(item.key).shown() + ": unknown key");
  Features& found = model.features;
  found.sample_rate = whole(features, "sample_rate", 8000, 48000, 16000);
  found.mels = whole(features, "mels", 8, 128, 40);
  found.energy = flag(features, "energy");
  found.deltas = flag(features, "deltas");
  not_negative(features, "dither", 0);
  found.low_hz = not_negative(features, "low_hz", 20);
  found.high_hz = real(features, "high_hz", -400);
  model.stack = whole(features, "stack", 1, 16, 3);
  model.stride = whole(features, "stride", 1, 8, 3);
  if (model.stride < 3)
    throw ModelError("features: stride must be at least 3: the network frame rate is at most 33 per second");
  const double half = static_cast<double>(found.sample_rate) / 2;
  const double high = found.high_hz > 0 ? found.high_hz : half + found.high_hz;
  if (!(found.low_hz < high && high <= half))
    throw ModelError(
        "features: the mel filters need low_hz < high_hz <= " + std::to_string(found.sample_rate / 2) +
        "; found " + std::to_string(found.low_hz) + " and " + std::to_string(high));
  found.dim = (found.mels + (found.energy ? 1 : 0)) * (found.deltas ? 3 : 1);
}

void read_symbol_input(const Value& header, const Value& input, Model& model) {
  const std::string kind = string_of(input, "kind");
  if (kind != "symbols") throw ModelError("input: kind '" + kind + "': expected symbols");
  for (const char* key : {"features", "feat"})
    if (header.find(key))
      throw ModelError(std::string(key) + " does not belong to a model that takes symbols");
  model.takes_symbols = true;
}

void read_hierarchy(const Value& hierarchy, Model& model) {
  if (!model.takes_symbols) throw ModelError("hierarchy does not belong to a model that takes audio");
  const std::string kind = string_of(hierarchy, "kind");
  if (kind != "a" && kind != "b") throw ModelError("hierarchy: kind '" + kind + "': expected a or b");
  model.hierarchy.kind = kind == "a" ? Hierarchy::Kind::a : Hierarchy::Kind::b;
}

void read_clock(const Value& hierarchy, Model& model) {
  const Value clock = member_of(hierarchy, "clock", Type::array);
  const std::int64_t symbols = model.outputs();
  const auto fail = [&] {
    throw ModelError("hierarchy: the clock must list symbols from 0 to " + std::to_string(symbols - 1) +
                     " in ascending order");
  };
  if (clock.size() == 0) fail();
  model.hierarchy.ticks.assign(static_cast<std::size_t>(symbols), false);
  std::int64_t last = -1;
  for (const json::Item& item : clock.elements()) {
    std::int64_t symbol = 0;
    try {
      symbol = item.value.integer();
    } catch (const json::Error&) {
      throw ModelError("hierarchy: clock: expected a list of integers");
    }
    if (symbol <= last || symbol >= symbols) fail();
    model.hierarchy.ticks[static_cast<std::size_t>(symbol)] = true;
    last = symbol;
  }
}

void read_units(const Value& units, std::int64_t outputs, Model& model) {
  const std::optional<Value> symbols = units.find("symbols");
  if (!symbols || symbols->type() != Type::array)
    throw ModelError("units: 'symbols' must be a list of strings");
  const std::optional<Value> pieces = units.find("piece_model");
  if (pieces && pieces->type() != Type::null && !is_base64(*pieces))
    throw ModelError("units: 'piece_model' must be base64 text");
  const std::optional<Value> kind = units.find("kind");
  if (kind && kind->type() == Type::string) model.units_kind = kind->string();
  if (model.units_kind != "characters" && model.units_kind != "phones" && model.units_kind != "pieces")
    throw ModelError("units: kind " + shown(kind) + " is not one of characters, phones, pieces");
  const std::int64_t count = symbols->size();
  const std::string first = model.takes_symbols ? kEnd : kBlank;
  const std::string start = "units: symbols must be '" + first + "' followed by at least one symbol";
  if (count < 2) throw ModelError(start);
  if (count != outputs)
    throw ModelError("the last layer gives " + std::to_string(outputs) + " values, but there are " +
                     std::to_string(count) + " symbols");
  model.symbols.reserve(static_cast<std::size_t>(count));
  for (const json::Item& item : symbols->elements()) {
    if (item.value.type() != Type::string) throw ModelError("units: 'symbols' must be a list of strings");
    std::string symbol = item.value.string();
    if (!model.symbols.empty())
      check_symbol(symbol, model.units_kind == "characters");
    else if (symbol != first)
      throw ModelError(start);
    model.symbols.push_back(std::move(symbol));
  }
  check_unique(model.symbols);
}

}  // namespace speechq::engine
