// Frames of a stream that a layer keeps from block to block, in front of those of the block.
#pragma once

#include <cstring>

#include "network/layer.h"

namespace speechq::engine {

// Frame `index` of a stream counts from the oldest kept one; `past` are kept.
class History {
 public:
  History(const Signal& x, const Block& block, std::int64_t past)
      : x_(x), block_(block), past_(past), zeros_(block.arena->take<std::uint8_t>(bytes())) {
    std::memset(zeros_, 0, bytes());
  }

  // Zero behind the last frame of the block.
  const void* frame(int stream, std::int64_t index) const {
    if (index < past_) {
      LayerState& state = *block_.states[static_cast<std::size_t>(stream)];
      return static_cast<const std::uint8_t*>(state.frames(x_.grid)) +
             index * static_cast<std::int64_t>(bytes());
    }
    const std::int64_t t = index - past_;
    if (t >= block_.lengths[static_cast<std::size_t>(stream)]) return zeros_;
    return x_.row(t * block_.streams + stream);
  }

  // Keeps the last `past` frames of a stream that has now seen `length` more.
  void keep(int stream, std::int64_t length) const {
    LayerState& state = *block_.states[static_cast<std::size_t>(stream)];
    std::uint8_t* kept = static_cast<std::uint8_t*>(state.frames(x_.grid));
    // In ascending order no frame is overwritten that is still needed.
    for (std::int64_t k = 0; length > 0 && k < past_; ++k)
      std::memcpy(kept + k * static_cast<std::int64_t>(bytes()), frame(stream, k + length), bytes());
  }

 private:
  std::size_t bytes() const { return static_cast<std::size_t>(x_.stride * x_.value_bytes()); }

  const Signal& x_;
  const Block& block_;
  std::int64_t past_;
  std::uint8_t* zeros_;
};

}  // namespace speechq::engine
