#include "decoders/tree.h"

namespace speechq::decoders {

std::int32_t Tree::add(std::int32_t parent) {
  std::int32_t node = free_;
  if (node == kNil) {
    node = capacity();
    nodes_.emplace_back();
    texts_.emplace_back();
    rows_.resize(nodes_.size() * static_cast<std::size_t>(row_size_));
  } else {
    free_ = nodes_[node].next;
    nodes_[node] = Node();
  }
  ++count_;
  if (parent != kNil) {
    nodes_[node].parent = parent;
    nodes_[node].depth = nodes_[parent].depth + 1;
    nodes_[node].next = nodes_[parent].child;
    if (nodes_[node].next != kNil) nodes_[nodes_[node].next].previous = node;
    nodes_[parent].child = node;
  }
  return node;
}

void Tree::remove(std::int32_t node) {
  Node& gone = nodes_[node];
  if (gone.next != kNil) nodes_[gone.next].previous = gone.previous;
  if (gone.previous != kNil)
    nodes_[gone.previous].next = gone.next;
  else if (gone.parent != kNil)
    nodes_[gone.parent].child = gone.next;
  for (std::int32_t i = gone.closings; i != kNil;) {
    const std::int32_t next = closings_[i].next;
    closings_[i].next = free_closing_;
    free_closing_ = i;
    i = next;
  }
  if (gone.lm != kNoState) released.push_back(gone.lm);
  gone.active = false;
  gone.lm = kNoState;
  gone.next = free_;
  free_ = node;
  --count_;
}

void Tree::clear() {
  for (Node& node : nodes_)
    if (node.lm != kNoState) released.push_back(node.lm);
  nodes_.clear();
  texts_.clear();
  rows_.clear();
  closings_.clear();
  count_ = 0;
  free_ = free_closing_ = kNil;
}

std::int32_t Tree::closings(std::int32_t node, const Fusion& fusion) {
  if (nodes_[node].closings != kNil) return nodes_[node].closings;
  fusion.closings(texts_[node], found_);
  // Listed in the order found: each goes before the one that was found after it.
  std::int32_t first = kNil;
  for (auto closing = found_.rbegin(); closing != found_.rend(); ++closing) {
    std::int32_t place = free_closing_;
    if (place == kNil) {
      place = static_cast<std::int32_t>(closings_.size());
      closings_.emplace_back();
    } else {
      free_closing_ = closings_[place].next;
    }
    closings_[place] = {*closing, first};
    first = place;
  }
  return nodes_[node].closings = first;
}

std::size_t Tree::bytes() const {
  return nodes_.capacity() * sizeof(Node) + texts_.capacity() * sizeof(Text) +
         rows_.capacity() * sizeof(float) + closings_.capacity() * sizeof(Listed);
}

}  // namespace speechq::decoders
