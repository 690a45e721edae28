#include <doctest/doctest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "model_writer.h"
#include "network/network.h"
#include "support.h"

using namespace speechq;
using namespace speechq::engine;
using namespace speechq::testing;

namespace {

using Symbols = std::vector<std::int32_t>;

// A language model of two layers; `integers` gives it all grids that integer mode needs.
ModelSpec spec_of(Kind kind, int bits, bool integers) {
  ModelSpec spec;
  spec.takes_symbols = true;
  spec.symbols[0] = "</s>";
  spec.layers.clear();
  for (int k = 0; k < 2; ++k) {
    LayerSpec layer;
    layer.kind = kind;
    layer.bits = bits;
    layer.units = 19;
    if (integers) {
      layer.gate = {8, 1.0f / 127};
      layer.cell = {16, 1.0f / 4096};
      if (kind == Kind::isru) layer.conv = {8, 0.03f};
    }
    spec.layers.push_back(layer);
  }
  spec.output_bits = bits;
  return spec;
}

// HLSTM-A or -B. The words' layers have other widths and grids than the characters'.
ModelSpec hierarchy_of(Hierarchy::Kind kind, int bits, bool integers) {
  ModelSpec spec = spec_of(Kind::lstm, bits, integers);
  spec.hierarchy = kind;
  spec.layers.resize(4, spec.layers[0]);
  spec.layers[1].units = 35;
  spec.layers[2].units = 21;
  spec.layers[1].h = {8, 0.01f};
  spec.layers[2].h = {10, 0.002f};
  return spec;
}

Symbols random_symbols(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  Symbols symbols(count);
  for (std::int32_t& symbol : symbols) symbol = static_cast<std::int32_t>(random() % 6);
  return symbols;
}

// The scores of streams that go on from `states` together.
std::vector<std::vector<float>> scores_of(const Network& network, std::vector<StreamState*> states,
                                          const std::vector<Symbols>& symbols, int block = 64) {
  std::vector<StreamFrames> streams(symbols.size());
  for (std::size_t s = 0; s < symbols.size(); ++s) {
    streams[s].state = states[s];
    streams[s].symbols = symbols[s].data();
    streams[s].frames = static_cast<std::int64_t>(symbols[s].size());
  }
  network.run(streams, block, 1, false);
  std::vector<std::vector<float>> result;
  for (StreamFrames& stream : streams) result.push_back(std::move(stream.scores));
  return result;
}

std::string problem_of(const ModelParts& parts) {
  try {
    parse_model(assemble(parts));
  } catch (const ModelError& error) {
    return error.what();
  }
  return "";
}

ModelParts edited(const std::string& from, const std::string& to) {
  ModelParts parts = model_parts(spec_of(Kind::lstm, 4, false));
  const std::size_t at = parts.header.find(from);
  REQUIRE(at != std::string::npos);
  parts.header.replace(at, from.size(), to);
  return parts;
}

}  // namespace

TEST_CASE("a language model is read without features") {
  const Model model = parse_model(write_model(spec_of(Kind::sru, 3, false)));
  CHECK(model.takes_symbols);
  CHECK(model.inputs() == 6);
  CHECK(model.outputs() == 6);
  CHECK(model.symbols[0] == "</s>");
  CHECK(model.mean.empty());
  CHECK(!model.feat.on());
}

TEST_CASE("copies of a state go on apart, whatever the instruction set and the block") {
  for (int bits : {2, 4, 8, 32})
    for (Mode mode : {Mode::hybrid, Mode::integer}) {
      if (bits == 32 && mode == Mode::integer) continue;
      const bool integers = mode == Mode::integer;
      std::vector<ModelSpec> specs;
      for (Kind kind : {Kind::sru, Kind::lstm, Kind::residual_lstm, Kind::qrnn, Kind::isru})
        specs.push_back(spec_of(kind, bits, integers));
      for (Hierarchy::Kind kind : {Hierarchy::Kind::a, Hierarchy::Kind::b})
        specs.push_back(hierarchy_of(kind, bits, integers));
      for (const ModelSpec& spec : specs) {
        CAPTURE(static_cast<int>(spec.layers[0].kind));
        CAPTURE(static_cast<int>(spec.hierarchy));
        CAPTURE(bits);
        const Network network(parse_model(write_model(spec)), mode);
        CHECK(network.takes_symbols());
        const Symbols before = random_symbols(9, 1);
        const std::vector<Symbols> branches = {random_symbols(5, 2), random_symbols(8, 3)};
        set_isa(Isa::generic);
        std::vector<std::vector<float>> expected;
        for (const Symbols& branch : branches) {
          Symbols whole = before;
          whole.insert(whole.end(), branch.begin(), branch.end());
          StreamState state = network.start();
          const std::vector<float> scores = scores_of(network, {&state}, {whole}, 5)[0];
          expected.emplace_back(scores.begin() + 9 * 6, scores.end());
        }
        for_each_isa([&] {
          StreamState state = network.start();
          scores_of(network, {&state}, {before});
          StreamState fork = state;
          const auto found = scores_of(network, {&state, &fork}, branches, 3);
          for (std::size_t s = 0; s < branches.size(); ++s) {
            REQUIRE(found[s].size() == expected[s].size());
            CHECK(std::memcmp(found[s].data(), expected[s].data(), 4 * found[s].size()) == 0);
          }
        });
      }
    }
}

TEST_CASE("what does not belong to a language model is named") {
  const auto names = [](const ModelParts& parts, const char* problem) {
    INFO(problem);
    const std::string found = problem_of(parts);
    INFO(found);
    CHECK(found.find(problem) != std::string::npos);
  };
  names(edited("{\"kind\":\"symbols\"}", "{\"kind\":\"words\"}"), "input: kind 'words': expected symbols");
  names(edited("{\"kind\":\"symbols\"}", "{}"), "kind is missing");
  names(edited("{\"kind\":\"symbols\"}", "7"), "input is 7: expected an object");
  names(edited("\"format\"", "\"feat\":null,\"format\""),
        "feat does not belong to a model that takes symbols");
  names(edited("\"format\"", "\"features\":{},\"format\""), "features does not belong to a model");
  names(edited("\"</s>\"", "\"<blank>\""), "symbols must be '</s>' followed by at least one symbol");
  names(edited(",\"C\"", ""), "the last layer gives 6 values, but there are 5 symbols");
  ModelSpec ahead = spec_of(Kind::isru, 4, false);
  ahead.layers[1].taps_right = 1;
  names(model_parts(ahead), "layer 1 (isru): look-ahead does not belong to a model that takes symbols");
  for (Hierarchy::Kind kind : {Hierarchy::Kind::a, Hierarchy::Kind::b}) {
    const ModelSpec spec = hierarchy_of(kind, 4, false);
    const Model model = parse_model(write_model(spec));
    CHECK(model.hierarchy.ticks == std::vector<bool>{true, true, false, false, false, false});
    CHECK(model.layers[3].inputs == (kind == Hierarchy::Kind::a ? 6 : 19));
    CHECK(model.layers[3].context == 21);
    const auto changed = [&](const std::string& from, const std::string& to) {
      ModelParts parts = model_parts(spec);
      replace(parts.header, from, to);
      return parts;
    };
    names(changed("\"clock\":[0,1]", "\"clock\":[]"), "the clock must list symbols from 0 to 5");
    names(changed("\"clock\":[0,1]", "\"clock\":[0,6]"), "the clock must list symbols from 0 to 5");
    names(changed("\"clock\":[0,1]", "\"clock\":[1,1]"), "the clock must list symbols from 0 to 5");
    names(changed("\"clock\":[0,1]", "\"clock\":[\"A\"]"), "clock: expected a list of integers");
    names(changed("\"version\":2", "\"version\":1"), "hierarchy does not belong to a file of version 1");
    ModelSpec other = spec;
    other.layers[1].kind = Kind::residual_lstm;
    names(model_parts(other), "expected four layers of kind lstm and one of kind linear");
    other = spec;
    other.layers.pop_back();
    names(model_parts(other), "expected four layers of kind lstm and one of kind linear");
  }
  ModelSpec audio;
  audio.symbols[0] = "</s>";
  names(model_parts(audio), "symbols must be '<blank>' followed by at least one symbol");
}
