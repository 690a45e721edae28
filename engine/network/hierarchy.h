// The layers of a hierarchical language model (1609.03777): layers of characters, which step with every
// symbol, and between them layers of words, which step for those streams alone whose clock ticks.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "network/affine.h"

namespace speechq::engine {

class HierarchyRunner {
 public:
  HierarchyRunner(const Model& model, Mode mode, WeightStore& store);

  // Sets what a stream holds before its first symbol, beside the states of the layers.
  void start(StreamState& state) const;

  bool ticks(std::int32_t symbol) const { return ticks_[static_cast<std::size_t>(symbol)]; }

  // Logits of one-hot frames, of which there must be some; `block.forget` says where the clock ticks.
  Signal run(const std::vector<std::unique_ptr<LayerRunner>>& layers, const Signal& symbols,
             const std::vector<StreamState*>& streams, Block& block) const;

 private:
  // The ticks of a block.
  struct Words {
    Block block;                           // a frame per tick, of the streams that tick
    std::vector<StreamState*> streams;     // those
    std::vector<int> numbers;              // and their numbers in the block of symbols
    std::vector<std::vector<int>> frames;  // of each, the frames where it ticks
  };

  Words find_words(const std::vector<StreamState*>& streams, const Block& block) const;
  Signal outputs_before(const Block& block) const;
  Signal finished_words(const Signal& before, const Signal& embedded, const Words& words,
                        const Block& block) const;
  template <class Value>
  Signal run_above(const LayerRunner& layer, const Signal& x, const Signal& held,
                   const std::vector<StreamState*>& streams, const Words& words, Block& block) const;
  template <class Value>
  const Value* products(const Signal& held, const Block& block) const;
  std::int64_t context_size() const { return context_.tiles() * 4 * kTile; }

  Mode mode_;
  bool reads_symbols_;  // HLSTM-A: layer 3 reads them in place of layer 0
  std::vector<bool> ticks_;
  std::int64_t embedded_units_;
  Grid embedded_grid_;
  Affine context_;    // from what layer 2 holds to the gates of layer 3
  LayerState start_;  // of layer 3, its context
};

}  // namespace speechq::engine
