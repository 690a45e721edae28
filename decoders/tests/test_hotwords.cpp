#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "decoders/hotwords.h"

using namespace speechq::decoders;

namespace {

using Labels = std::vector<Label>;

bool ends_with(const Labels& text, std::size_t length, const Labels& phrase, std::size_t matched) {
  return matched <= length &&
         std::equal(phrase.begin(), phrase.begin() + matched, text.begin() + length - matched);
}

// The rule itself: what all phrases that end at `length` earn, and the largest loan of one that is under way.
double earned_at(const Labels& text, std::size_t length, const std::vector<Hotwords::Phrase>& phrases) {
  double sum = 0;
  for (const auto& phrase : phrases)
    if (ends_with(text, length, phrase.labels, phrase.labels.size())) sum += phrase.boost;
  return sum;
}

double lent_at(const Labels& text, std::size_t length, const std::vector<Hotwords::Phrase>& phrases) {
  double most = 0;
  for (const auto& phrase : phrases)
    for (std::size_t matched = 1; matched < phrase.labels.size(); ++matched)
      if (ends_with(text, length, phrase.labels, matched))
        most = std::max(most, phrase.boost * static_cast<double>(matched) / phrase.labels.size());
  return most;
}

}  // namespace

TEST_CASE("the automaton equals the rule on random texts") {
  std::mt19937 random(2);
  for (int round = 0; round < 300; ++round) {
    std::vector<Hotwords::Phrase> phrases;
    for (unsigned i = random() % 6; i < 6; ++i) {
      Labels labels(1 + random() % 4);
      for (Label& label : labels) label = static_cast<Label>(random() % 3);
      phrases.push_back({labels, static_cast<double>(random() % 9) - 2});
    }
    const int steps = 1 + static_cast<int>(random() % 3);
    const Hotwords hotwords(phrases, steps);
    Labels text;
    std::vector<Hotwords::State> states{Trie::kRoot};
    for (int i = 0; i < 30; ++i) {
      text.push_back(static_cast<Label>(random() % 4));
      states.push_back(hotwords.step(states.back(), text.back()));
      CHECK(hotwords.earned(states.back()) == doctest::Approx(earned_at(text, text.size(), phrases)));
      CHECK(hotwords.lent(states.back()) == doctest::Approx(lent_at(text, text.size(), phrases)));
    }
    // The bound holds for up to `steps` labels.
    for (std::size_t i = 0; i < text.size(); ++i) {
      double sum = 0;
      for (std::size_t j = i + 1; j <= std::min(text.size(), i + steps); ++j) {
        sum += hotwords.earned(states[j]);
        CHECK(sum + hotwords.lent(states[j]) <= hotwords.most(states[i]) + 1e-9);
      }
    }
  }
}

TEST_CASE("no hotwords are worth nothing") {
  const Hotwords hotwords({});
  CHECK(hotwords.empty());
  CHECK(hotwords.step(Trie::kRoot, 7) == Trie::kRoot);
  CHECK(hotwords.most(Trie::kRoot) == 0);
}
