// A static prefix tree over label sequences: the words of a vocabulary, or the phrases of the hotwords.
#pragma once

#include <algorithm>
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
    const Label *first = labels_.data() + nodes_[node].children, *last = first + nodes_[node].count;
    if (last - first > 8) {
      const Label* found = std::lower_bound(first, last, label);
      return found != last && *found == label ? static_cast<Node>(found - labels_.data()) : kNone;
    }
    for (; first != last; ++first)
      if (*first == label) return static_cast<Node>(first - labels_.data());
    return kNone;
  }

  // Nodes are numbered level by level: a parent comes before its children.
  Node size() const { return static_cast<Node>(nodes_.size()); }
  Node parent(Node node) const { return nodes_[node].parent; }
  Label label(Node node) const { return labels_[node]; }
  Values values(Node node) const {
    return {values_.data() + nodes_[node].values,
            values_.data() +
                (node + 1 < size() ? nodes_[node + 1].values : static_cast<std::int32_t>(values_.size()))};
  }

 private:
  struct Inner {
    Node parent, children;
    std::int32_t count, values;
  };
  std::vector<Inner> nodes_;
  std::vector<Label> labels_;  // of the edge into each node, so that the labels of siblings lie side by side
  std::vector<std::int32_t> values_;
};

}  // namespace speechq::decoders
