// The prefixes that are alive, as a tree: one node per prefix, held in one array and recycled.
#pragma once

#include <cstdint>
#include <vector>

#include "decoders/alignment.h"
#include "decoders/char_lm.h"
#include "decoders/fusion.h"
#include "decoders/logadd.h"

namespace speechq::decoders {

constexpr std::int32_t kNil = -1;
constexpr CharLmStates::Handle kNoState = -1;

struct Node {
  // Log-probability that the frames so far spell the prefix, ending in its last label, in a blank, in either;
  // no language model in it. Impossible while the prefix is not in the beam.
  double label = kImpossible, blank = kImpossible, total = kImpossible;
  double text_value = 0;  // Fusion::value
  double score = kImpossible;
  double lost =
      0;  // how much of the beam's probability was dropped on ways that part here, the best way being 1
  // When the last unit was said (Alignment), if the prefix ends in its label or in a blank; held while
  // active.
  std::int32_t in_label = Alignment::kNone, in_blank = Alignment::kNone;
  std::int32_t parent = kNil, child = kNil, next = kNil, previous = kNil;  // next, previous: siblings
  std::int32_t unit = 0;
  std::int32_t slot = 0;  // 0: the unit goes on with the word; n: it came after the parent's n-th closing
  std::int32_t closed = kNil;    // the word that closed before the unit, where the vocabulary is closed
  std::int32_t closings = kNil;  // first of the list
  std::int32_t depth = 0;
  CharLmStates::Handle lm = kNoState;  // once the model has looked at the prefix; then it has a row too
  std::int64_t kept = -1;              // the last frame that kept it in the beam
  bool active = false;                 // in the beam

  std::int32_t time() const { return label >= blank ? in_label : in_blank; }
};

class Tree {
 public:
  // row_size: values that the character model gives per prefix, 0 without one.
  explicit Tree(int row_size) : row_size_(row_size) {}

  Node& operator[](std::int32_t node) { return nodes_[node]; }
  const Node& operator[](std::int32_t node) const { return nodes_[node]; }
  Text& text(std::int32_t node) { return texts_[node]; }
  const Text& text(std::int32_t node) const { return texts_[node]; }
  float* row(std::int32_t node) { return row_size_ ? rows_.data() + std::size_t(node) * row_size_ : nullptr; }

  // A node of its own, or the first child of `parent`. References to nodes and texts are void after it.
  std::int32_t add(std::int32_t parent);
  // Frees a node without children. Its states of the character model are listed in released.
  void remove(std::int32_t node);
  void clear();

  // The closings of the open word of a node, found on the first call.
  std::int32_t closings(std::int32_t node, const Fusion& fusion);
  const Closing& closing(std::int32_t index) const { return closings_[index].closing; }
  std::int32_t next_closing(std::int32_t index) const { return closings_[index].next; }

  std::int32_t count() const { return count_; }
  std::int32_t capacity() const { return static_cast<std::int32_t>(nodes_.size()); }
  std::size_t bytes() const;

  std::vector<CharLmStates::Handle> released;

 private:
  struct Listed {
    Closing closing;
    std::int32_t next;
  };
  int row_size_;
  std::int32_t count_ = 0, free_ = kNil, free_closing_ = kNil;
  std::vector<Node> nodes_;
  std::vector<Text> texts_;
  std::vector<float> rows_;
  std::vector<Listed> closings_;
  std::vector<Closing> found_;
};

}  // namespace speechq::decoders
