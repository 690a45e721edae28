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
    for (;; state = fail_[state]) {
      const State next = trie_.child(state, label);
      if (next != Trie::kNone) return next;
      if (state == Trie::kRoot) return state;
    }
  }
  // What the phrases that end here earn together.
  double earned(State state) const { return earned_[state]; }
  double lent(State state) const { return lent_[state]; }
  // The most that one further unit can earn together with what is lent then.
  double most(State state) const { return most_[state]; }

 private:
  Trie trie_;
  std::vector<State> fail_;
  std::vector<double> earned_, lent_, most_;
};

}  // namespace speechq::decoders
