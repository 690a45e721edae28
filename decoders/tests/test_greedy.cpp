#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>

#include "decoders/greedy.h"

using namespace speechq::decoders;

namespace {

const std::vector<std::string> kSymbols{"<blank>", " ", "a", "b"};

GreedyStream letters() {
  return GreedyStream(std::make_shared<const Decoder>(Units(UnitKind::characters, kSymbols), Options()));
}

// One frame per step: the symbol and its probability, the rest shared by the others.
std::vector<float> frames(const std::vector<std::pair<int, double>>& steps) {
  std::vector<float> rows;
  for (const auto& [symbol, share] : steps)
    for (int unit = 0; unit < 4; ++unit)
      rows.push_back(static_cast<float>(std::log(unit == symbol ? share : (1 - share) / 3)));
  return rows;
}

void accept(GreedyStream& stream, const std::vector<std::pair<int, double>>& steps) {
  const std::vector<float> rows = frames(steps);
  stream.accept(rows.data(), static_cast<std::int64_t>(steps.size()));
}

}  // namespace

TEST_CASE("repeats are merged, blanks and stray separators dropped, words timed") {
  GreedyStream stream = letters();
  accept(stream, {{1, .9}, {2, .5}, {2, .8}, {2, .6}, {0, .9}, {2, .7}, {1, .9}, {0, .5}, {1, .9}});
  CHECK(stream.stable_text() == "aa");
  accept(stream, {{3, .5}, {3, .4}, {1, .9}});
  CHECK(stream.stable_text() == "aa b");
  const Hypothesis best = stream.best(5).front();
  CHECK(best.text == "aa b");
  REQUIRE(best.words.size() == 2);
  CHECK(best.words[0].text == "aa");
  CHECK(best.words[0].start == 2);
  CHECK(best.words[0].end == 6);
  CHECK(best.words[0].confidence == doctest::Approx(.8 * .7));
  CHECK(best.words[1].start == 9);
  CHECK(best.words[1].end == 10);
  CHECK(best.words[1].confidence == doctest::Approx(.5));
}

TEST_CASE("a label that sounds beyond the end of a segment is not said again") {
  GreedyStream stream = letters();
  accept(stream, {{2, .5}, {3, .5}});
  CHECK(stream.finish(1).front().text == "ab");
  CHECK(stream.stable_text() == "");
  accept(stream, {{3, .9}, {3, .9}, {2, .5}, {3, .5}});
  const Hypothesis best = stream.finish(1).front();
  CHECK(best.text == "ab");
  CHECK(best.words.front().start == 4);
  accept(stream, {{0, .5}, {3, .5}});
  CHECK(stream.best(1).front().words.front().start == 7);
  stream.reset();
  accept(stream, {{3, .5}});
  CHECK(stream.best(1).front().words.front().start == 0);
}

TEST_CASE("how frames are cut changes nothing") {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 2);
  std::vector<float> rows(4 * 300);
  for (float& value : rows) value = normal(random);
  GreedyStream whole = letters(), cut = letters();
  whole.accept(rows.data(), 300);
  for (int t = 0; t < 300;) {
    const int count = std::min<int>(static_cast<int>(random() % 7), 300 - t);
    cut.accept(rows.data() + 4 * t, count);
    t += count;
  }
  const Hypothesis expected = whole.best(1).front(), found = cut.best(1).front();
  CHECK(found.text == expected.text);
  CHECK(found.score == expected.score);
  REQUIRE(found.words.size() == expected.words.size());
  for (std::size_t i = 0; i < found.words.size(); ++i) {
    CHECK(found.words[i].start == expected.words[i].start);
    CHECK(found.words[i].confidence == expected.words[i].confidence);
  }
}

TEST_CASE("what is not a number is refused, and nothing taken") {
  GreedyStream stream = letters();
  std::vector<float> rows = frames({{2, .5}, {3, .5}});
  rows[5] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_AS(stream.accept(rows.data(), 2), std::invalid_argument);
  CHECK(stream.stable_text() == "");
}
