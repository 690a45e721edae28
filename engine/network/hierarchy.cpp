#include "network/hierarchy.h"

#include <algorithm>
#include <cstring>

#include "base/pool.h"

namespace speechq::engine {
namespace {

constexpr std::size_t kWordLayers[] = {1, 2};

std::vector<float>& context_of(LayerState& state, float) { return state.context; }
std::vector<std::int32_t>& context_of(LayerState& state, std::int32_t) { return state.integer_context; }

std::size_t row_bytes(const Signal& signal) {
  return static_cast<std::size_t>(signal.stride * signal.value_bytes());
}

}  // namespace

HierarchyRunner::HierarchyRunner(const Model& model, Mode mode, WeightStore& store)
    : mode_(mode),
      reads_symbols_(model.hierarchy.kind == Hierarchy::Kind::a),
      ticks_(model.hierarchy.ticks),
      embedded_units_(model.layers[0].units),
      embedded_grid_(model.layers[0].h),
      context_(model.layers[kContextLayer].matrices.at("context"), 4, model.layers[kContextLayer - 1].h,
               nullptr, mode, store) {
  // A fresh stream holds the product of a zero output.
  Arena arena;
  Block block;
  block.streams = 1;
  block.lengths = {1};
  block.arena = &arena;
  const Layer& below = model.layers[kContextLayer - 1];
  const Signal zero = block.signal(below.units, below.h);
  std::memset(zero.row(0), 0, row_bytes(zero));
  const auto keep = [&](const auto* values) {
    context_of(start_, *values).assign(values, values + context_size());
  };
  if (mode == Mode::integer)
    keep(products<std::int32_t>(zero, block));
  else
    keep(products<float>(zero, block));
}

void HierarchyRunner::start(StreamState& state) const {
  LayerState& above = state.layers[kContextLayer];
  above.context = start_.context;
  above.integer_context = start_.integer_context;
}

Signal HierarchyRunner::run(const std::vector<std::unique_ptr<LayerRunner>>& layers, const Signal& symbols,
                            const std::vector<StreamState*>& streams, Block& block) const {
  Words words = find_words(streams, block);
  block.use_layer(0, streams);
  const Signal before = outputs_before(block);
  const Signal embedded = layers[0]->run(symbols, block);
  Signal held;
  if (words.block.streams > 0) {
    held = finished_words(before, embedded, words, block);
    for (std::size_t k : kWordLayers) {
      words.block.use_layer(k, words.streams);
      held = layers[k]->run(held, words.block);
    }
  }
  const LayerRunner& above = *layers[kContextLayer];
  const Signal& beside = reads_symbols_ ? symbols : embedded;
  const Signal h = mode_ == Mode::integer
                       ? run_above<std::int32_t>(above, beside, held, streams, words, block)
                       : run_above<float>(above, beside, held, streams, words, block);
  block.use_layer(kContextLayer + 1, streams);
  return layers[kContextLayer + 1]->run(h, block);
}

HierarchyRunner::Words HierarchyRunner::find_words(const std::vector<StreamState*>& streams,
                                                   const Block& block) const {
  Words words;
  words.block.threads = block.threads;
  words.block.arena = block.arena;
  words.block.profile = block.profile;
  for (int s = 0; s < block.streams; ++s) {
    std::vector<int> frames;
    for (int t = 0; t < block.lengths[static_cast<std::size_t>(s)]; ++t)
      if (block.forgets(t * block.streams + s)) frames.push_back(t);
    if (frames.empty()) continue;
    words.block.lengths.push_back(static_cast<int>(frames.size()));
    words.streams.push_back(streams[static_cast<std::size_t>(s)]);
    words.numbers.push_back(s);
    words.frames.push_back(std::move(frames));
  }
  words.block.streams = static_cast<int>(words.streams.size());
  return words;
}

// What layer 0 gave before the block, a column per stream.
Signal HierarchyRunner::outputs_before(const Block& block) const {
  Block single;
  single.streams = block.streams;
  single.lengths.assign(static_cast<std::size_t>(block.streams), 1);
  single.arena = block.arena;
  const Signal before = single.signal(embedded_units_, embedded_grid_);
  for (int s = 0; s < block.streams; ++s)
    std::memcpy(before.row(s), block.states[static_cast<std::size_t>(s)]->frames(embedded_grid_),
                row_bytes(before));
  return before;
}

// What layer 0 gave one symbol before each tick.
Signal HierarchyRunner::finished_words(const Signal& before, const Signal& embedded, const Words& words,
                                       const Block& block) const {
  const Signal finished = words.block.signal(embedded_units_, embedded_grid_);
  for (std::size_t w = 0; w < words.frames.size(); ++w)
    for (std::size_t k = 0; k < words.frames[w].size(); ++k) {
      const int s = words.numbers[w], t = words.frames[w][k];
      const void* from = t == 0 ? before.row(s) : embedded.row((t - 1) * std::int64_t{block.streams} + s);
      std::memcpy(finished.row(static_cast<std::int64_t>(k * words.frames.size() + w)), from,
                  row_bytes(finished));
    }
  return finished;
}

// The layer above the words' layers, each column with the product of what they hold there; at the end the
// streams hold that of their last tick.
template <class Value>
Signal HierarchyRunner::run_above(const LayerRunner& layer, const Signal& x, const Signal& held,
                                  const std::vector<StreamState*>& streams, const Words& words,
                                  Block& block) const {
  const std::int64_t size = context_size();
  const Value* ticked = words.block.streams > 0 ? products<Value>(held, words.block) : nullptr;
  const auto product_of = [&](std::size_t w, std::size_t tick) {
    return ticked + static_cast<std::int64_t>(tick * words.frames.size() + w) * size;
  };
  block.use_layer(kContextLayer, streams);
  block.context.resize(static_cast<std::size_t>(block.columns()));
  for (int n = 0; n < block.columns(); ++n)
    block.context[static_cast<std::size_t>(n)] =
        context_of(*block.states[static_cast<std::size_t>(n % block.streams)], Value{}).data();
  for (std::size_t w = 0; w < words.frames.size(); ++w)
    for (std::size_t k = 0; k < words.frames[w].size(); ++k)
      for (int t = words.frames[w][k]; t < block.frames(); ++t)
        block.context[static_cast<std::size_t>(t * block.streams + words.numbers[w])] = product_of(w, k);
  const Signal h = layer.run(x, block);
  for (std::size_t w = 0; w < words.frames.size(); ++w) {
    const Value* last = product_of(w, words.frames[w].size() - 1);
    std::copy(last, last + size, context_of(words.streams[w]->layers[kContextLayer], Value{}).begin());
  }
  return h;
}

// Of every column of `held`: [tiles][4][kTile].
template <class Value>
const Value* HierarchyRunner::products(const Signal& held, const Block& block) const {
  const int columns = block.columns();
  Value* result = block.arena->take<Value>(columns * context_size());
  const Operand operand = context_.operand(held, 0, columns, *block.arena);
  for_tiles(context_.tiles(), block.threads, [&](std::int64_t tile) {
    alignas(kLine) Value y[kColumns * 4 * kTile];
    for (int first = 0; first < columns; first += kColumns) {
      const int count = std::min(kColumns, columns - first);
      context_.run(tile, operand, first, count, y, block.profile);
      for (int n = 0; n < count; ++n)
        std::copy_n(y + n * 4 * kTile, 4 * kTile, result + (first + n) * context_size() + tile * 4 * kTile);
    }
  });
  return result;
}

}  // namespace speechq::engine
