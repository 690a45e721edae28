#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "model_writer.h"
#include "network/network.h"
#include "support.h"

using namespace speechq;
using namespace speechq::engine;
using namespace speechq::testing;

namespace {

using Frames = std::vector<float>;

Grid gate_grid(int bits) { return {bits, 1.0f / static_cast<float>((1 << (bits - 1)) - 1)}; }

// A network of two layers of one kind; `integers` gives it all grids that integer mode needs.
ModelSpec spec_of(Kind kind, int bits, std::int64_t units, bool integers) {
  ModelSpec spec;
  spec.layers.clear();
  for (int k = 0; k < 2; ++k) {
    LayerSpec layer;
    layer.kind = kind;
    layer.bits = bits;
    layer.units = units;
    layer.input_gate = k == 1;
    layer.taps_right = k;
    if (integers) {
      layer.gate = gate_grid(8);
      layer.cell = {16, 1.0f / 4096};
      if (kind == Kind::isru) layer.conv = {8, 0.03f};
    }
    spec.layers.push_back(layer);
  }
  spec.output_bits = bits;
  return spec;
}

Frames random_frames(std::int64_t count, std::int64_t width, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> value;
  Frames frames(static_cast<std::size_t>(count * width));
  for (float& x : frames) x = value(random);
  return frames;
}

// The scores of several streams that are stepped together, `chunk` frames at a time.
std::vector<Frames> scores_of(const Network& network, const std::vector<Frames>& features, int block,
                              int threads, std::int64_t chunk) {
  const std::int64_t width = network.inputs();
  std::vector<StreamState> states;
  std::vector<StreamFrames> streams(features.size());
  for (std::size_t s = 0; s < features.size(); ++s) states.push_back(network.start());
  bool more = true;
  for (std::int64_t first = 0; more; first += chunk) {
    more = false;
    for (std::size_t s = 0; s < features.size(); ++s) {
      const auto whole = static_cast<std::int64_t>(features[s].size()) / width;
      const std::int64_t begin = std::min(first, whole), end = std::min(first + chunk, whole);
      streams[s].state = &states[s];
      streams[s].features = features[s].data() + begin * width;
      streams[s].frames = end - begin;
      more = more || end < whole;
    }
    network.run(streams, block, threads, !more);
  }
  std::vector<Frames> result;
  for (StreamFrames& stream : streams) result.push_back(std::move(stream.scores));
  return result;
}

bool same_bits(const std::vector<Frames>& a, const std::vector<Frames>& b) {
  const auto same = [](float x, float y) { return std::memcmp(&x, &y, sizeof x) == 0; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](const Frames& x, const Frames& y) {
    return std::equal(x.begin(), x.end(), y.begin(), y.end(), same);
  });
}

}  // namespace

TEST_CASE("instruction sets, blocks, chunks, threads and company do not change a bit") {
  for (Kind kind : {Kind::sru, Kind::lstm, Kind::residual_lstm, Kind::qrnn, Kind::isru})
    for (int bits : {2, 3, 4, 5, 6, 8, 32})
      for (Mode mode : {Mode::hybrid, Mode::integer}) {
        if (bits == 32 && mode == Mode::integer) continue;
        CAPTURE(static_cast<int>(kind));
        CAPTURE(bits);
        const ModelSpec spec = spec_of(kind, bits, 19, mode == Mode::integer || bits == 4);
        const Network network(parse_model(write_model(spec)), mode);
        std::vector<Frames> features;
        for (std::int64_t length : {9, 0, 4, 17})
          features.push_back(random_frames(length, network.inputs(), static_cast<unsigned>(length)));
        set_isa(Isa::generic);
        std::vector<Frames> expected;
        for (const Frames& alone : features) expected.push_back(scores_of(network, {alone}, 64, 1, 64)[0]);
        CHECK(expected[0].size() == 9 * static_cast<std::size_t>(network.outputs()));
        CHECK(expected[1].empty());
        for_each_isa([&] {
          CHECK(same_bits(scores_of(network, features, 64, 1, 64), expected));
          CHECK(same_bits(scores_of(network, features, 1, 1, 7), expected));
          CHECK(same_bits(scores_of(network, features, 3, 3, 5), expected));
        });
      }
}

namespace {

// Leaves at most two of eight neighbouring codes in the ternary matrices.
void thin_out(Model& model) {
  for (Layer& layer : model.layers)
    for (auto& [name, matrix] : layer.matrices) {
      std::vector<std::uint8_t> packed(static_cast<std::size_t>((matrix.rows * matrix.columns + 3) / 4));
      for (std::int64_t row = 0; row < matrix.rows; ++row)
        for (std::int64_t k = 0, used = 0; k < matrix.columns; ++k) {
          if (k % 8 == 0) used = 0;
          const std::int64_t at = row * matrix.columns + k;
          const int code = code_at(matrix, at);
          if (code == 0 || ++used > 2) continue;
          packed[static_cast<std::size_t>(at / 4)] |= static_cast<std::uint8_t>((code & 3) << (at % 4 * 2));
        }
      model.decoded.push_back(std::move(packed));
      matrix.codes = model.decoded.back().data();
    }
}

void set_groups(Model& model, const Groups& groups) {
  for (Layer& layer : model.layers)
    for (auto& [name, matrix] : layer.matrices) matrix.groups = groups;
}

}  // namespace

TEST_CASE("coded weights give the bits of ternary ones") {
  for (Kind kind : {Kind::sru, Kind::lstm, Kind::residual_lstm, Kind::qrnn, Kind::isru})
    for (int signal_bits : {8, 12, 0})
      for (Mode mode : {Mode::hybrid, Mode::integer}) {
        if (signal_bits == 0 && mode == Mode::integer) continue;
        CAPTURE(static_cast<int>(kind));
        CAPTURE(signal_bits);
        ModelSpec spec = spec_of(kind, 2, 37, signal_bits != 0);
        const Grid grid = signal_bits == 0 ? Grid{} : Grid{signal_bits, 1.5f / (1 << (signal_bits - 1))};
        spec.feat = grid;
        for (LayerSpec& layer : spec.layers) layer.h = grid;
        Model model = parse_model(write_model(spec));
        thin_out(model);
        const Network ternary(model, mode);
        set_groups(model, {8, 2});
        const Network coded(model, mode);
        CHECK(coded.weight_bytes() < 0.51 * static_cast<double>(ternary.weight_bytes()));
        std::vector<Frames> features;
        for (std::int64_t length : {9, 0, 40})
          features.push_back(random_frames(length, ternary.inputs(), static_cast<unsigned>(length)));
        set_isa(Isa::generic);
        const auto expected = scores_of(ternary, features, 64, 1, 64);
        for_each_isa([&] {
          CHECK(same_bits(scores_of(coded, features, 64, 1, 64), expected));
          CHECK(same_bits(scores_of(coded, features, 1, 1, 7), expected));
          CHECK(same_bits(scores_of(coded, features, 16, 2, 40), expected));
          CHECK(same_bits(scores_of(coded, features, 3, 3, 5), expected));
        });
      }
}

TEST_CASE("a network wider than a tile runs on several threads") {
  for (Kind kind : {Kind::sru, Kind::lstm, Kind::residual_lstm, Kind::qrnn, Kind::isru}) {
    const Network network(parse_model(write_model(spec_of(kind, 4, 150, false))), Mode::hybrid);
    const std::vector<Frames> features = {random_frames(20, network.inputs(), 1)};
    const auto expected = scores_of(network, features, 8, 1, 20);
    CHECK(same_bits(scores_of(network, features, 8, 2, 20), expected));
    CHECK(same_bits(scores_of(network, features, 8, 4, 3), expected));
  }
}
