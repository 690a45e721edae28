#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <random>
#include <stdexcept>
#include <string>

#include "decoders/decoder.h"
#include "decoders/network_lm.h"
#include "model_writer.h"

using namespace speechq;
using namespace speechq::decoders;
using speechq::testing::layer_of;
using speechq::testing::ModelSpec;
using speechq::testing::write_model;

namespace {

const std::vector<std::string> kSymbols{"<blank>", " ", "'", "A", "B", "C"};
using Row = std::vector<float>;

std::shared_ptr<const engine::Network> network_of(engine::Kind kind, int bits) {
  ModelSpec spec;
  spec.takes_symbols = true;
  spec.symbols = kSymbols;
  spec.symbols[0] = "</s>";
  spec.layers.assign(2, layer_of(kind, bits, 19));
  return std::make_shared<engine::Network>(engine::parse_model(write_model(spec)), engine::Mode::hybrid);
}

// What the network says behind a whole history.
Row row_of(const engine::Network& network, const std::vector<std::int32_t>& history) {
  std::vector<std::int32_t> symbols{0};
  symbols.insert(symbols.end(), history.begin(), history.end());
  engine::StreamState state = network.start();
  std::vector<engine::StreamFrames> stream(1);
  stream[0].state = &state;
  stream[0].symbols = symbols.data();
  stream[0].frames = static_cast<std::int64_t>(symbols.size());
  network.run(stream, 64, 1, false);
  return Row(stream[0].scores.end() - 6, stream[0].scores.end());
}

bool same(const float* a, const Row& b) { return std::memcmp(a, b.data(), b.size() * sizeof(float)) == 0; }

Row random_frames(std::mt19937& random, int frames, double scale) {
  std::normal_distribution<double> normal(0.0, scale);
  Row rows;
  for (int t = 0; t < frames; ++t) {
    double row[6], sum = 0;
    for (double& value : row) sum += std::exp(value = normal(random));
    for (const double value : row) rows.push_back(static_cast<float>(value - std::log(sum)));
  }
  return rows;
}

}  // namespace

TEST_CASE("states that fork and go say what the network says of their histories") {
  std::mt19937 random(1);
  for (const engine::Kind kind : {engine::Kind::lstm, engine::Kind::sru, engine::Kind::qrnn})
    for (const int bits : {2, 4, 32}) {
      CAPTURE(bits);
      const auto network = network_of(kind, bits);
      const NetworkLm model(network);
      CHECK(model.row_size() == 6);
      const auto states = model.states();
      std::map<CharLmStates::Handle, std::vector<std::int32_t>> alive;
      Row first(6);
      alive[states->start(first.data())] = {};
      CHECK(same(first.data(), row_of(*network, {})));
      std::size_t bytes = 0;
      for (int round = 0; round < 30; ++round) {
        std::vector<CharLmStates::Handle> parents, gone;
        std::vector<int> units;
        for (const auto& [handle, history] : alive) {
          for (unsigned copies = random() % 3; copies > 0; --copies) {
            parents.push_back(handle);
            units.push_back(1 + static_cast<int>(random() % 5));
          }
          if (alive.size() > gone.size() + 1 && random() % 2 == 0) gone.push_back(handle);
        }
        if (parents.size() > 20) parents.resize(20);
        std::vector<CharLmStates::Handle> after(parents.size());
        Row rows(6 * parents.size());
        if (!parents.empty())
          states->advance(static_cast<int>(parents.size()), parents.data(), units.data(), after.data(),
                          rows.data());
        for (std::size_t i = 0; i < after.size(); ++i) {
          std::vector<std::int32_t> history = alive.at(parents[i]);
          history.push_back(units[i]);
          CHECK(same(rows.data() + 6 * i, row_of(*network, history)));
          REQUIRE(alive.emplace(after[i], history).second);
        }
        while (alive.size() - gone.size() > 20)
          for (const auto& [handle, history] : alive)
            if (std::find(gone.begin(), gone.end(), handle) == gone.end()) {
              gone.push_back(handle);
              break;
            }
        for (const CharLmStates::Handle handle : gone) alive.erase(handle);
        states->release(static_cast<int>(gone.size()), gone.data());
        if (round == 15) bytes = states->bytes();
      }
      CHECK(bytes > 0);
      CHECK(states->bytes() <= 2 * bytes);
    }
}

TEST_CASE("any chunking, segments and a look at the best texts in between") {
  std::mt19937 random(2);
  for (int round = 0; round < 8; ++round) {
    Options options;
    options.beam = 1 + static_cast<int>(random() % 24);
    options.depth = 1 + static_cast<int>(random() % 12);
    const auto model = std::make_shared<NetworkLm>(network_of(engine::Kind::lstm, round % 2 ? 2 : 4));
    const auto decoder = std::make_shared<const Decoder>(Units(UnitKind::characters, kSymbols), options,
                                                         nullptr, nullptr, model);
    Stream whole(decoder), cut(decoder);
    for (int segment = 0; segment < 3; ++segment) {
      const Row rows = random_frames(random, 90, 1.0 + round);
      whole.accept(rows.data(), 90);
      for (std::int64_t at = 0; at < 90;) {
        const auto next = std::min<std::int64_t>(90, at + static_cast<std::int64_t>(random() % 7));
        cut.accept(rows.data() + at * 6, next - at);
        at = next;
        if (random() % 3 == 0) cut.best(3);
      }
      const auto expected = whole.finish(5), found = cut.finish(5);
      REQUIRE(found.size() == expected.size());
      for (std::size_t i = 0; i < found.size(); ++i) {
        CHECK(found[i].text == expected[i].text);
        CHECK(found[i].score == expected[i].score);
      }
    }
    CHECK(whole.scored() > 0);
    CHECK(whole.scored() <= 3 * (90 * options.beam + options.beam));
    whole.reset();
    CHECK(whole.scored() == 0);
  }
}

TEST_CASE("an acoustic model is no language model") {
  const auto network =
      std::make_shared<engine::Network>(engine::parse_model(write_model(ModelSpec())), engine::Mode::hybrid);
  CHECK_THROWS_AS(NetworkLm{network}, std::invalid_argument);
}
