// A loaded model: packed weights and layers, shared by any number of threads; and the state of one stream.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "network/hierarchy.h"
#include "network/layer.h"

namespace speechq::engine {

constexpr int kMostFrames = 64;

// Frames of one stream in, log-probabilities of the frames that became ready out.
struct StreamFrames {
  StreamState* state = nullptr;
  const float* features = nullptr;  // [frames][inputs], normalized and stacked; or, of a language model,
  const std::int32_t* symbols = nullptr;  // [frames], each 0 to inputs - 1
  std::int64_t frames = 0;
  std::vector<float> scores;  // [ready][outputs]; appended to
};

class Network {
 public:
  // Throws ModelError for a model that the mode cannot run. The model's bytes are not needed afterwards.
  Network(const Model& model, Mode mode);

  StreamState start() const;

  // Runs all streams together, `block` frames of each at a time (1 to 64). With `finish` the streams end:
  // what look-ahead held back comes out, and their states are of no further use.
  void run(std::vector<StreamFrames>& streams, int block, int threads, bool finish,
           Profile* profile = nullptr) const;

  bool takes_symbols() const { return takes_symbols_; }
  std::int64_t inputs() const { return inputs_; }
  std::int64_t outputs() const { return outputs_; }
  // Packed codes, float weights: what a block reads once.
  std::int64_t weight_bytes() const { return weight_bytes_; }
  // Everything that is kept: weights as they lie in memory, vectors and tables (about), idle workspaces.
  std::int64_t memory_bytes() const;

 private:
  void run_block(std::vector<StreamFrames>& streams, std::int64_t first, int block, int threads, bool finish,
                 Arena& arena, Profile* profile) const;
  Signal run_in_turn(Signal signal, const std::vector<StreamState*>& states, Block& block) const;
  Signal input(const std::vector<StreamFrames>& streams, std::int64_t first, const Block& block) const;
  void fill(const StreamFrames& stream, std::int64_t frame, std::int64_t column, const Signal& signal) const;
  void scores(const Signal& logits, const Block& block, std::vector<StreamFrames>& streams) const;

  bool takes_symbols_;
  std::int64_t inputs_, outputs_, weight_bytes_ = 0, vector_bytes_ = 0;
  Grid input_grid_;
  WeightStore store_;
  std::vector<std::unique_ptr<LayerRunner>> layers_;
  std::unique_ptr<HierarchyRunner> hierarchy_;  // null: the layers read one another in turn
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Arena>> idle_;
};

}  // namespace speechq::engine
