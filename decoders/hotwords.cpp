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
    : trie_(trie_of(phrases)), states_(trie_.size()) {
  for (const Phrase& phrase : phrases) {
    State state = Trie::kRoot;
    for (std::size_t i = 0; i + 1 < phrase.labels.size(); ++i) {
      state = trie_.child(state, phrase.labels[i]);
      const double share = static_cast<double>(i + 1) / static_cast<double>(phrase.labels.size());
      states_[state].lent = std::max(states_[state].lent, phrase.boost * share);
    }
  }
  // A parent comes before its children, and a state after the one that it fails to.
  for (State state = 1; state < trie_.size(); ++state) {
    Of& here = states_[state];
    const State parent = trie_.parent(state);
    const Label label = trie_.label(state);
    if (parent == Trie::kRoot) {
      if (first_.size() <= static_cast<std::size_t>(label)) first_.resize(label + 1, Trie::kRoot);
      first_[label] = state;
    } else {
      here.fail = step(states_[parent].fail, label);
    }
    for (const std::int32_t phrase : trie_.values(state)) here.earned += phrases[phrase].boost;
    here.earned += states_[here.fail].earned;
    here.lent = std::max(here.lent, states_[here.fail].lent);
  }
  for (Of& here : states_) here.most = here.lent;
  for (std::vector<Of> before; steps > 0; --steps) {
    before = states_;
    for (State state = 1; state < trie_.size(); ++state) {
      double& most = states_[trie_.parent(state)].most;
      most = std::max(most, states_[state].earned + before[state].most);
    }
    for (Of& here : states_) here.most = std::max(here.most, states_[here.fail].most);
  }
}

}  // namespace speechq::decoders
