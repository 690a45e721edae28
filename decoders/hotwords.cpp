#include "decoders/hotwords.h"

#include <algorithm>

namespace speechq::decoders {
namespace {

Trie trie_of(const std::vector<Hotwords::Phrase>& phrases) {
  std::vector<Trie::Entry> entries;
  for (std::size_t i = 0; i < phrases.size(); ++i)
    entries.push_back({phrases[i].labels, static_cast<std::int32_t>(i)});
  return Trie(std::move(entries));
}

}  // namespace

Hotwords::Hotwords(const std::vector<Phrase>& phrases, int steps)
    : trie_(trie_of(phrases)), fail_(trie_.size(), 0), earned_(trie_.size(), 0.0), lent_(trie_.size(), 0.0) {
  for (const Phrase& phrase : phrases) {
    State state = Trie::kRoot;
    for (std::size_t i = 0; i + 1 < phrase.labels.size(); ++i) {
      state = trie_.child(state, phrase.labels[i]);
      const double share = static_cast<double>(i + 1) / static_cast<double>(phrase.labels.size());
      lent_[state] = std::max(lent_[state], phrase.boost * share);
    }
  }
  for (State state = 1; state < trie_.size(); ++state) {
    if (trie_.parent(state) != Trie::kRoot)
      fail_[state] = step(fail_[trie_.parent(state)], trie_.label(state));
    for (const std::int32_t phrase : trie_.values(state)) earned_[state] += phrases[phrase].boost;
    earned_[state] += earned_[fail_[state]];
    lent_[state] = std::max(lent_[state], lent_[fail_[state]]);
  }
  most_ = lent_;
  for (std::vector<double> before; steps > 0; --steps) {
    before = most_;
    for (State state = 1; state < trie_.size(); ++state) {
      double& most = most_[trie_.parent(state)];
      most = std::max(most, earned_[state] + before[state]);
    }
    for (State state = 1; state < trie_.size(); ++state)
      most_[state] = std::max(most_[state], most_[fail_[state]]);
  }
}

}  // namespace speechq::decoders
