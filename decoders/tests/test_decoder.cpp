#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <stdexcept>

#include "decoders/decoder.h"

using namespace speechq::decoders;

namespace {

using Frames = std::vector<float>;

const std::vector<std::string> kSymbols{"<blank>", " ", "a", "b"};

Frames random_frames(std::mt19937& random, int frames, int units, double scale) {
  std::normal_distribution<double> normal(0.0, scale);
  Frames rows;
  for (int t = 0; t < frames; ++t) {
    std::vector<double> row(units);
    double sum = 0;
    for (double& value : row) sum += std::exp(value = normal(random));
    for (const double value : row) rows.push_back(static_cast<float>(value - std::log(sum)));
  }
  return rows;
}

Options exact() {
  Options options;
  options.beam = 100000;
  options.beam_threshold = std::numeric_limits<double>::infinity();
  options.symbol_threshold = -std::numeric_limits<double>::infinity();
  options.depth = 1000;
  return options;
}

// A bigram over units that keeps account of its states.
class Bigram : public CharLm {
 public:
  explicit Bigram(unsigned seed) {
    std::mt19937 random(seed);
    rows_ = random_frames(random, 4, 4, 1.0);
  }
  float score(int before, int unit) const { return rows_[before * 4 + unit]; }
  int row_size() const override { return 4; }

  class States : public CharLmStates {
   public:
    explicit States(const Bigram& model) : model_(model) {}
    ~States() override { model_.alive += static_cast<long>(last_.size()); }
    Handle start(float* row) override { return keep(0, row); }
    void advance(int count, const Handle* parents, const int* units, Handle* states, float* rows) override {
      ++model_.calls;
      for (int i = 0; i < count; ++i) {
        REQUIRE(last_.count(parents[i]) == 1);
        states[i] = keep(units[i], rows + i * 4);
      }
    }
    void release(int count, const Handle* states) override {
      for (int i = 0; i < count; ++i) REQUIRE(last_.erase(states[i]) == 1);
      model_.most = std::max(model_.most, static_cast<long>(last_.size()));
    }

   private:
    Handle keep(int unit, float* row) {
      std::copy_n(model_.rows_.begin() + unit * 4, 4, row);
      last_[next_] = unit;
      return next_++;
    }
    const Bigram& model_;
    std::map<Handle, int> last_;
    Handle next_ = 0;
  };
  std::unique_ptr<CharLmStates> states() const override { return std::make_unique<States>(*this); }

  mutable long calls = 0, alive = 0, most = 0;

 private:
  Frames rows_;
};

std::vector<Hypothesis> decode(const Decoder& decoder, const Frames& frames, int count = 100000) {
  Stream stream(std::make_shared<const Decoder>(decoder));
  stream.accept(frames.data(), static_cast<std::int64_t>(frames.size()) / decoder.units());
  return stream.finish(count);
}

// Log-probability of every text without spaces at the ends or in a row, over all paths.
std::map<std::string, double> all_texts(const Frames& frames) {
  const int count = static_cast<int>(frames.size()) / 4;
  std::map<std::string, double> sums;
  for (int code = 0; code < 1 << (2 * count); ++code) {
    std::string text;
    double score = 0;
    int before = 0;
    for (int t = 0; t < count; ++t) {
      const int unit = code >> (2 * t) & 3;
      score += frames[t * 4 + unit];
      const bool second = unit == 1 && (text.empty() || text.back() == ' ');
      if (unit != 0 && unit != before && !second) text += kSymbols[unit];
      before = unit;
    }
    if (!text.empty() && text.back() == ' ') text.pop_back();
    const auto place = sums.emplace(text, kImpossible).first;
    place->second = log_add(place->second, score);
  }
  return sums;
}

}  // namespace

TEST_CASE("sums of logs") {
  CHECK(log_add(kImpossible, kImpossible) == kImpossible);
  CHECK(log_add(kImpossible, -3.0) == -3.0);
  CHECK(log_add(-3.0, kImpossible) == -3.0);
  CHECK(log_add(std::log(0.25), std::log(0.5)) == doctest::Approx(std::log(0.75)));
  CHECK(log_add(-1.0, -1000.0) == -1.0);
}

TEST_CASE("without a limit the search is the sum over all alignments") {
  std::mt19937 random(3);
  for (int frames = 0; frames <= 6; ++frames)
    for (int round = 0; round < 4; ++round) {
      const Frames rows = random_frames(random, frames, 4, 2.0);
      const auto model = std::make_shared<Bigram>(round);
      Options options = exact();
      options.char_lm_weight = 0.75;
      options.char_bonus = 0.5;
      options.word_bonus = -0.25;
      const Decoder decoder(Units(UnitKind::characters, kSymbols), options, nullptr, nullptr, model);
      const auto texts = all_texts(rows);
      const auto found = decode(decoder, rows);
      CHECK(found.size() == texts.size());
      for (const Hypothesis& hypothesis : found) {
        CHECK(hypothesis.acoustic == doctest::Approx(texts.at(hypothesis.text)));
        double chars = 0;
        int before = 0;
        for (const char c : hypothesis.text) {
          const int unit = c == ' ' ? 1 : c - 'a' + 2;
          chars += model->score(before, unit);
          before = unit;
        }
        chars += model->score(before, 0);
        CHECK(hypothesis.char_lm == doctest::Approx(chars));
        CHECK(hypothesis.score == doctest::Approx(hypothesis.acoustic + 0.75 * chars +
                                                  0.5 * static_cast<double>(hypothesis.text.size()) -
                                                  0.25 * static_cast<double>(hypothesis.words.size())));
      }
    }
}

TEST_CASE("chunks of any length give the same bits, and stable text stays") {
  std::mt19937 random(4);
  for (int round = 0; round < 30; ++round) {
    Options options;
    options.beam = 1 + static_cast<int>(random() % 12);
    options.depth = 1 + static_cast<int>(random() % 10);
    options.beam_threshold = 6;
    const auto model = std::make_shared<Bigram>(round);
    const std::vector<HotwordEntry> hotwords{{"ab a", 3.0}, {"bb", 2.0}};
    const auto decoder = std::make_shared<const Decoder>(Units(UnitKind::characters, kSymbols), options,
                                                         nullptr, nullptr, model, hotwords);
    const Frames rows = random_frames(random, 120, 4, 0.5 + round % 5);
    const auto whole = decode(*decoder, rows, 5);
    {
      Stream stream(decoder);
      std::string stable;
      for (std::int64_t at = 0; at < 120;) {
        const auto next = std::min<std::int64_t>(120, at + static_cast<std::int64_t>(random() % 9));
        stream.accept(rows.data() + at * 4, next - at);
        at = next;
        CHECK(stream.stable_text().compare(0, stable.size(), stable) == 0);
        stable = stream.stable_text();
        stream.partial();
      }
      const auto cut = stream.finish(5);
      REQUIRE(cut.size() == whole.size());
      for (std::size_t i = 0; i < cut.size(); ++i) {
        CHECK(cut[i].text == whole[i].text);
        CHECK(cut[i].score == whole[i].score);
        CHECK(cut[i].text.compare(0, stable.size(), stable) == 0);
      }
    }
  }
}

TEST_CASE("a long stream needs no more memory, and lets go of states") {
  std::mt19937 random(5);
  Options options;
  options.beam = 10;
  options.depth = 15;
  auto model = std::make_shared<Bigram>(1);
  const auto decoder =
      std::make_shared<const Decoder>(Units(UnitKind::characters, kSymbols), options, nullptr, nullptr, model,
                                      std::vector<HotwordEntry>{{"ab", 2.0}});
  {
    Stream stream(decoder);
    std::size_t bytes = 0;
    for (int block = 0; block < 200; ++block) {
      const Frames rows = random_frames(random, 100, 4, 1.0 + block % 3);
      stream.accept(rows.data(), 100);
      CHECK(stream.nodes() <= 10 * 2 * 15 + 1);
      if (block == 40) bytes = stream.bytes();
    }
    CHECK(stream.bytes() <= 2 * bytes);
    CHECK(stream.stable_text().size() > 1000);
    CHECK(model->calls <= 200 * 100);
    CHECK(model->most <= 10 * 2 * 15 + 1 + 10);
    stream.finish(1);
  }
  CHECK(model->alive == 1);  // the start of the next segment
}

TEST_CASE("impossible frames end all texts but the stable one") {
  Options options;
  options.beam = 1;
  const auto decoder = std::make_shared<const Decoder>(Units(UnitKind::characters, kSymbols), options);
  Stream stream(decoder);
  std::mt19937 random(6);
  const Frames rows = random_frames(random, 50, 4, 3.0);
  stream.accept(rows.data(), 50);
  const std::string stable = stream.stable_text();
  const Frames impossible(4, -std::numeric_limits<float>::infinity());
  stream.accept(impossible.data(), 1);
  stream.accept(rows.data(), 50);
  CHECK(stream.partial().empty());
  const auto best = stream.finish(3);
  REQUIRE(best.size() == 1);
  CHECK(best[0].text == stable);
  CHECK(best[0].score == kImpossible);
  CHECK(stream.stable_text().empty());
}

TEST_CASE("what is no log-probability is refused") {
  const Decoder decoder(Units(UnitKind::characters, kSymbols), Options());
  for (const float wrong :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 1.0f})
    CHECK_THROWS_AS(decode(decoder, {-1, -1, -1, -1, -1, wrong, -1, -1}), std::invalid_argument);
  Options options;
  options.beam = 0;
  CHECK_THROWS_AS(Decoder(Units(UnitKind::characters, kSymbols), options), std::invalid_argument);
}

TEST_CASE("a closed vocabulary gives only its words") {
  std::mt19937 random(7);
  const std::vector<LexiconEntry> lexicon{{"a", "a"}, {"abba", "abba"}, {"two", "ab"}, {"also", "ab"}};
  Options options;
  options.beam = 20;
  const Decoder decoder(Units(UnitKind::characters, kSymbols), options, &lexicon, nullptr, nullptr,
                        {{"two a", 2.0}});
  const std::set<std::string> words{"a", "abba", "two", "also"};
  for (int round = 0; round < 50; ++round)
    for (const Hypothesis& hypothesis : decode(decoder, random_frames(random, 20, 4, 2.0), 10))
      for (const Word& word : hypothesis.words) CHECK(words.count(word.text) == 1);
}
