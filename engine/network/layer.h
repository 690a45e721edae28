// What all layers share: the signal between two of them, the block of frames that they work on, and the state
// that a stream keeps in each.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "model/model.h"
#include "network/arena.h"

namespace speechq::engine {

enum class Mode { hybrid, integer };

// Column t * streams + s is frame t of stream s. Codes where there is a grid, values where not.
struct Signal {
  Grid grid;
  std::int64_t width = 0, stride = 0;
  std::int16_t* codes = nullptr;
  float* values = nullptr;

  void* row(std::int64_t column, std::int64_t unit = 0) const {
    const std::int64_t at = column * stride + unit;
    return grid.on() ? static_cast<void*>(codes + at) : static_cast<void*>(values + at);
  }
  std::int64_t value_bytes() const { return grid.on() ? 2 : 4; }
};

struct LayerState {
  std::vector<float> cell;
  std::vector<std::int32_t> integer_cell;
  // Output of the last frame (lstm), or frames before the next one (qrnn, isru): as in Signal.
  std::vector<std::int16_t> codes;
  std::vector<float> values;
  std::int64_t waiting = 0;  // isru: frames that still wait for their look-ahead
  // Above the words' layers: the product of what they hold, [tiles][4][kTile].
  std::vector<float> context;
  std::vector<std::int32_t> integer_context;

  std::size_t bytes() const {
    return (cell.size() + values.size() + context.size()) * sizeof(float) +
           (integer_cell.size() + integer_context.size()) * sizeof(std::int32_t) +
           codes.size() * sizeof(std::int16_t);
  }
  void* frames(const Grid& grid) {
    return grid.on() ? static_cast<void*>(codes.data()) : static_cast<void*>(values.data());
  }
  void reserve_frames(const Grid& grid, std::int64_t count) {
    (grid.on() ? codes.assign(static_cast<std::size_t>(count), 0)
               : values.assign(static_cast<std::size_t>(count), 0.0f));
  }
};

// What a stream keeps between blocks; used by one thread at a time. A copy goes on from the same place.
struct StreamState {
  std::vector<LayerState> layers;
};

struct Profile {
  double products = 0;  // seconds; one thread only
};

struct Block {
  int streams = 0;
  std::vector<int> lengths;  // frames of each stream in this block; a layer with look-ahead changes them
  std::vector<LayerState*> states;
  // Of a hierarchy, lstm only; empty: nowhere. Columns whose frame starts from a zero state, and what is
  // added to the input's products of a column, [tiles][4][kTile] in the mode's arithmetic.
  std::vector<bool> forget;
  std::vector<const void*> context;
  bool finish = false;
  int threads = 1;
  Arena* arena = nullptr;
  Profile* profile = nullptr;

  // Points at the states of layer `k` of all streams.
  void use_layer(std::size_t k, const std::vector<StreamState*>& all);
  int frames() const;
  int columns() const { return frames() * streams; }
  bool has(int column) const {
    return column / streams < lengths[static_cast<std::size_t>(column % streams)];
  }
  bool forgets(int column) const { return !forget.empty() && forget[static_cast<std::size_t>(column)]; }
  // Room for all columns; zero where a stream has ended already, unless no stream has.
  Signal signal(std::int64_t width, const Grid& grid) const;
};

class LayerRunner {
 public:
  virtual ~LayerRunner() = default;
  virtual void start(LayerState& state) const = 0;
  virtual Signal run(const Signal& x, Block& block) const = 0;
};

// Where the packed weights of a network go, piece by piece. A matrix begins with a page, since the processor
// does not fetch ahead over a page's end: measured, 64 bytes off make 8-bit products of one column a fifth
// slower.
class WeightStore {
 public:
  explicit WeightStore(std::size_t bytes) : buffer_(bytes, kPage) { buffer_.use_large_pages(); }
  // bytes: whole pages, as stored_bytes gives them.
  std::uint8_t* take(std::int64_t bytes) {
    std::uint8_t* piece = static_cast<std::uint8_t*>(buffer_.data()) + used_;
    used_ += static_cast<std::size_t>(bytes);
    return piece;
  }
  std::size_t size() const { return buffer_.size(); }

 private:
  Buffer buffer_;
  std::size_t used_ = 0;
};

}  // namespace speechq::engine
