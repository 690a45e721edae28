// Phrases that are worth more than the models say: an Aho-Corasick automaton over labels.
//
// A phrase that is complete earns its boost for good. On the way there a share of the boost is lent, in
// proportion to the labels matched; it is the largest among all phrases that the text may be within, and is
// taken back when the phrase breaks. Negative boosts lend nothing.
#pragma once

#include <cstdint>
#include <vector>

#include "decoders/trie.h"

namespace speechq::decoders {

class Hotwords {
 public:
  using State = Trie::Node;
  struct Phrase {
    std::vector<Label> labels;
    double boost;
  };

  // steps: labels that one unit can stand for.
  explicit Hotwords(const std::vector<Phrase>& phrases, int steps = 1);

  bool empty() const { return trie_.size() == 1; }
  State step(State state, Label label) const {
    for (; state != Trie::kRoot; state = states_[state].fail) {
      const State next = trie_.child(state, label);
      if (next != Trie::kNone) return next;
    }
    return static_cast<std::size_t>(label) < first_.size() ? first_[label] : Trie::kRoot;
  }
  // What the phrases that end here earn together.
  double earned(State state) const { return states_[state].earned; }
  double lent(State state) const { return states_[state].lent; }
  // The most that one further unit can earn together with what is lent then.
  double most(State state) const { return states_[state].most; }

 private:
  struct Of {
    double earned = 0, lent = 0, most = 0;
    State fail = Trie::kRoot;  // of the longest phrase beginning that is a proper end of this one
  };
  Trie trie_;
  std::vector<Of> states_;
  std::vector<State> first_;  // by label: what it leads to from the root
};

}  // namespace speechq::decoders
