// Damaged model files: each either loads or gives an error that names it, and none takes much memory.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "allocations.h"
#include "model/model.h"
#include "model_damage.h"
#include "model_writer.h"

using namespace speechq::engine;
using namespace speechq::testing;

namespace {

using Bytes = std::vector<std::uint8_t>;

// Two layers of a kind, or a hierarchy of four.
struct Case {
  Kind kind;
  Hierarchy::Kind hierarchy = Hierarchy::Kind::none;
};
constexpr Case kCases[] = {{Kind::sru},
                           {Kind::lstm},
                           {Kind::residual_lstm},
                           {Kind::qrnn},
                           {Kind::isru},
                           {Kind::lstm, Hierarchy::Kind::a},
                           {Kind::lstm, Hierarchy::Kind::b}};

// Reads every code and value, so that the address sanitizer sees what lies outside the file. False if two
// ways to read a code differ.
bool readable(const Model& model) {
  volatile std::uint8_t sink = 0;
  for (const Layer& layer : model.layers)
    for (const auto& [name, matrix] : layer.matrices) {
      const std::int64_t count = matrix.rows * matrix.columns;
      if (matrix.bits == 32) {
        for (std::int64_t i = 0; i < 4 * count; ++i) sink = matrix.codes[i];
        continue;
      }
      std::vector<std::int8_t> codes(static_cast<std::size_t>(count));
      unpack_codes(matrix, 0, count, codes.data());
      for (std::int64_t i = 0; i < count; ++i)
        if (codes[static_cast<std::size_t>(i)] != code_at(matrix, i)) return false;
    }
  static_cast<void>(sink);
  return true;
}

// What became of the damaged files.
class Outcomes {
 public:
  void add(Bytes bytes) {
    const auto size = static_cast<std::int64_t>(bytes.size());
    std::string error;
    AllocationMeter meter;
    try {
      const Model model = parse_model(std::move(bytes), "damaged.sqm");
      note_peak(meter.peak(), size);
      if (!readable(model)) FAIL("codes differ");
      ++loaded;
      return;
    } catch (const ModelError& caught) {
      error = caught.what();
    }
    note_peak(meter.peak(), size);
    ++refused;
    if (error.rfind("damaged.sqm: ", 0) != 0 || error.size() < 20) FAIL("not a useful message: " << error);
    for (const char* stage :
         {"not a readable safetensors", "no header", "checksum", "layer ", "units: ", "features", "signal ",
          " is missing", "belongs to no layer", "does not belong", "bytes of codes", "not a finite",
          "a code is", "expected an integer", "hierarchy: "})
      stages[stage] += error.find(stage) != std::string::npos;
  }

  int loaded = 0, refused = 0;
  std::map<std::string, int> stages;  // how many of the errors hold each text

 private:
  static void note_peak(std::int64_t peak, std::int64_t size) {
    if (peak > 4 * size + (1 << 20)) FAIL(peak << " bytes of memory for a file of " << size);
  }
};

ModelSpec spec_of(const Case& what, unsigned seed) {
  LayerSpec layer;
  layer.kind = what.kind;
  layer.units = 4 + seed % 3;
  layer.bits = seed % 8 == 0 ? 32 : 2 + static_cast<int>(seed % 7);
  layer.row_steps = seed % 2 == 0;
  layer.gate = {8, 0.0078125f};
  layer.taps_right = static_cast<int>(seed % 2);
  layer.input_gate = seed % 2 == 1;
  ModelSpec spec;
  spec.seed = seed;
  spec.layers = {layer, layer};
  if (what.hierarchy == Hierarchy::Kind::none) return spec;
  spec.hierarchy = what.hierarchy;
  spec.layers.resize(4, layer);
  spec.takes_symbols = true;
  spec.symbols[0] = "</s>";
  return spec;
}

unsigned seed_of(const Case& what) {
  return static_cast<unsigned>(what.kind) + 100 * static_cast<unsigned>(what.hierarchy);
}

Bytes truncated(const Bytes& bytes, std::size_t size) {
  return Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
}

// The container's JSON header changed as a text.
Bytes outer_edited(const Bytes& bytes, Random& random) {
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  const auto end = bytes.begin() + 8 + static_cast<std::ptrdiff_t>(length);
  return container(edited(std::string(bytes.begin() + 8, end), random, 1 + below(random, 2)),
                   Bytes(end, bytes.end()));
}

}  // namespace

TEST_CASE("every cut of a model file is refused") {
  for (const Case& what : kCases) {
    const Bytes bytes = write_model(spec_of(what, 3));
    Outcomes outcomes;
    // Around the ends of the regions each length, elsewhere one of seven.
    std::uint64_t header = 0;
    std::memcpy(&header, bytes.data(), 8);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      const auto near = [&](std::size_t place) { return size + 20 > place && size < place + 20; };
      if (near(0) || near(8 + header) || near(bytes.size()) || size % 7 == 0)
        outcomes.add(truncated(bytes, size));
    }
    CHECK(outcomes.loaded == 0);
    CHECK(outcomes.refused > 400);
  }
}

TEST_CASE("flipped bits") {
  for (const Case& what : kCases) {
    Random random(11 + seed_of(what));
    Outcomes outcomes;
    for (int n = 0; n < 1500; ++n) {
      Bytes bytes = write_model(spec_of(what, 1 + static_cast<unsigned>(n) % 16));
      std::uint64_t header = 0;
      std::memcpy(&header, bytes.data(), 8);
      const std::size_t ends[] = {8, 8 + static_cast<std::size_t>(header), bytes.size()};
      for (std::size_t flips = 1 + below(random, 4); flips > 0; --flips)
        bytes[below(random, ends[below(random, 3)])] ^= static_cast<std::uint8_t>(1 << below(random, 8));
      outcomes.add(std::move(bytes));
    }
    // A flip may turn a blank behind the header into another blank; all else is found.
    CHECK(outcomes.refused > 1400);
    CHECK(outcomes.stages["checksum"] > 100);
    CHECK(outcomes.stages["not a readable safetensors"] > 200);
  }
}

TEST_CASE("changed containers") {
  for (const Case& what : kCases) {
    Random random(23 + seed_of(what));
    Outcomes outcomes;
    for (int n = 0; n < 1500; ++n)
      outcomes.add(outer_edited(write_model(spec_of(what, 1 + static_cast<unsigned>(n) % 16)), random));
    CHECK(outcomes.refused > 1200);
    CHECK(outcomes.stages["not a readable safetensors"] > 800);
  }
}

TEST_CASE("changed headers and tensors with the right checksum") {
  std::map<std::string, int> stages;
  for (const Case& what : kCases) {
    Random random(37 + seed_of(what));
    Outcomes outcomes;
    for (int n = 0; n < 4000; ++n) {
      ModelParts parts = model_parts(spec_of(what, 1 + static_cast<unsigned>(n) % 16));
      const std::size_t what = below(random, 4);
      if (what != 0) parts.header = edited(parts.header, random, 1 + below(random, 2));
      if (what == 0 || what == 3) damage_tensors(parts, random);
      outcomes.add(assemble(parts));
    }
    CHECK(outcomes.loaded > 100);
    CHECK(outcomes.refused > 2000);
    CHECK(outcomes.stages["checksum"] < 1000);
    for (const auto& [stage, count] : outcomes.stages) stages[stage] += count;
  }
  for (const auto& [stage, count] : stages) {
    INFO(stage);
    CHECK(count > 10);
  }
}

TEST_CASE("texts that blow up in memory if one is careless") {
  const auto repeated = [](const std::string& unit, std::size_t count) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) text += (i == 0 ? "" : ",") + unit;
    return text;
  };
  const auto numbered = [](const std::string& before, const std::string& after, int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += (i == 0 ? "" : ",") + before + std::to_string(i) + after;
    return text;
  };
  constexpr std::size_t kMany = 300'000;
  Outcomes outcomes;
  const std::vector<std::string> outers = {
      "{\"a\":[" + repeated("0", kMany) + "]}",
      "{\"a\":[" + repeated("[]", kMany) + "]}",
      "{" + repeated("\"\":0", kMany) + "}",
      "{" + numbered("\"", "\":0", kMany) + "}",
      "{" + numbered("\"", R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})", kMany) + "}",
      "{\"a\":{\"dtype\":\"U8\",\"shape\":[" + repeated("1", kMany) + "],\"data_offsets\":[0,0]}}",
      "{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[" + repeated("0", kMany) + "]}}",
      "{\"__metadata__\":{" + numbered("\"", "\":\"\"", kMany) + "}}",
      "{\"__metadata__\":{\"speechq\":\"" + std::string(kMany * 4, '[') + "\"}}",
      "{\"__metadata__\":{\"speechq\":\"[" + repeated("0", kMany) + "]\"}}",
  };
  for (const std::string& outer : outers) outcomes.add(container(outer, {}));

  const auto with = [&](const std::string& from, const std::string& to) {
    ModelParts parts = model_parts({});
    const std::size_t at = parts.header.find(from);
    REQUIRE(at != std::string::npos);
    parts.header.replace(at, from.size(), to);
    outcomes.add(assemble(parts));
  };
  with("\"layers\":[", "\"layers\":[" + repeated("{}", kMany) + ",");
  with("\"layers\":[",
       "\"layers\":[" +
           repeated(R"({"kind":"linear","matrices":{},"options":{},"signals":{},"vectors":[]})", 30'000) +
           ",");
  with("\"vectors\":[", "\"vectors\":[" + repeated("\"\"", kMany) + ",");
  with("\"matrices\":{", "\"matrices\":{" + numbered("\"", "\":0", kMany) + ",");
  with("\"symbols\":[", "\"symbols\":[" + repeated("\"\"", kMany) + ",");
  with("\"symbols\":[\"<blank>\"", "\"symbols\":[\"<blank>\"," + repeated("\"A\"", kMany));
  with("\"card\":\"", "\"card\":\"" + std::string(kMany * 4, 'x'));
  with("\"provenance\":{", "\"provenance\":{" + numbered("\"", "\":0", kMany) + ",");
  CHECK(outcomes.loaded == 2);

  // Large numbers of small parts that are all as they should be, but for the end of the list.
  ModelSpec spec;
  spec.layers.assign(3000, LayerSpec());
  for (LayerSpec& layer : spec.layers) layer.units = 1;
  spec.layers[0].kind = Kind::lstm;
  spec.mels = 8;
  outcomes.add(write_model(spec));
  spec.layers.assign(3000, spec.layers[0]);
  for (LayerSpec& layer : spec.layers) layer.kind = Kind::qrnn, layer.window = 1, layer.h = {};
  outcomes.add(write_model(spec));
  CHECK(outcomes.loaded == 4);
  spec.layers.clear();
  spec.output_bits = 2;
  spec.stack = 1;
  spec.symbols.resize(1);
  for (std::size_t i = 0; i < 100'000; ++i) spec.symbols.push_back(std::to_string(i));
  outcomes.add(write_model(spec));
  for (std::size_t i = 1; i < spec.symbols.size(); ++i) spec.symbols[i] = "A";
  outcomes.add(write_model(spec));
  CHECK(outcomes.loaded == 4);
}
