// A static prefix tree over label sequences: the words of a vocabulary, or the phrases of the hotwords.
#pragma once

#include <algorithm>
#include <bitset>
#include <cstdint>
#include <utility>
#include <vector>

#include "decoders/units.h"

namespace speechq::decoders {

class Trie {
 public:
  using Node = std::int32_t;
  static constexpr Node kRoot = 0, kNone = -1;

  // value: a number of the caller's; several may end at one node. An entry without labels ends at the root.
  struct Entry {
    std::vector<Label> labels;
    std::int32_t value;
  };
  struct Values {
    const std::int32_t *first, *last;
    const std::int32_t* begin() const { return first; }
    const std::int32_t* end() const { return last; }
    bool empty() const { return first == last; }
  };

  Trie() : Trie(std::vector<Entry>{}) {}
  explicit Trie(std::vector<Entry> entries);

  // The node below `node` that `label` leads to, or kNone.
  Node child(Node node, Label label) const {
    const Children& below = children_[node];
    if (label < 64) {
      const std::uint64_t bit = std::uint64_t{1} << label;
      if (!(below.low & bit)) return kNone;
      return below.first + static_cast<Node>(std::bitset<64>(below.low & (bit - 1)).count());
    }
    const auto first = labels_.begin() + below.first, last = first + below.count;
    const auto found = std::lower_bound(first, last, label);
    return found != last && *found == label ? static_cast<Node>(found - labels_.begin()) : kNone;
  }

  // Nodes are numbered level by level: a parent comes before its children.
  Node size() const { return static_cast<Node>(children_.size()); }
  Node parent(Node node) const { return parents_[node]; }
  Label label(Node node) const { return labels_[node]; }
  Values values(Node node) const {
    return {values_.data() + first_value_[node], values_.data() + first_value_[node + 1]};
  }

 private:
  // Children are neighbours, in the order of their labels; bit n of low: whether there is one with the label
  // n.
  struct Children {
    std::uint64_t low = 0;
    Node first = 0;
    std::int32_t count = 0;
  };
  std::vector<Children> children_;
  std::vector<Node> parents_;
  std::vector<Label> labels_;  // of the edge into each node
  std::vector<std::int32_t> values_, first_value_;
};

}  // namespace speechq::decoders
