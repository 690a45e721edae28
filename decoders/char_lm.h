// A language model over units, as the decoder calls it: all prefixes of a frame that need it as one block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace speechq::decoders {

// The states of one stream. A state is a handle that stays valid until it is released.
class CharLmStates {
 public:
  using Handle = std::int32_t;

  virtual ~CharLmStates() = default;

  // The state before the first unit of a sentence. Row: natural-log probabilities [units] of what comes next;
  // entry 0, the place of the blank, is the end of the sentence. Rows sum to 1.
  virtual Handle start(float* row) = 0;

  // For each i < count: the state after units[i] follows parents[i], and its row rows[i * row_size].
  virtual void advance(int count, const Handle* parents, const int* units, Handle* states, float* rows) = 0;

  virtual void release(int count, const Handle* states) = 0;

  // Of all states, those kept for reuse included; 0 where that is not known.
  virtual std::size_t bytes() const { return 0; }
};

class CharLm {
 public:
  virtual ~CharLm() = default;

  // Length of a row: as many as the decoder has units.
  virtual int row_size() const = 0;

  // Called from any thread; what it returns is used by one thread at a time.
  virtual std::unique_ptr<CharLmStates> states() const = 0;
};

}  // namespace speechq::decoders
