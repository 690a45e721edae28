#include "network/network.h"

#include <algorithm>
#include <cstring>

#include "network/affine.h"
#include "network/check_integer.h"
#include "network/layers.h"

namespace speechq::engine {
namespace {

// Gates of a matrix: what its rows are divided into.
std::int64_t parts_of(const Layer& layer, const std::string& name) {
  if (name != "in" && name != "rec" && name != "context") return 1;
  return layer.kind == Kind::linear ? 1 : layer.matrices.at(name).rows / layer.units;
}

std::size_t store_size(const Model& model) {
  std::size_t bytes = 0;
  for (const Layer& layer : model.layers)
    for (const auto& [name, matrix] : layer.matrices)
      bytes += static_cast<std::size_t>(stored_bytes(matrix, parts_of(layer, name)));
  return bytes;
}

std::unique_ptr<LayerRunner> make_layer(const Layer& layer, const Grid& input, Mode mode,
                                        WeightStore& store) {
  switch (layer.kind) {
    case Kind::sru:
      return make_sru(layer, input, mode, store);
    case Kind::lstm:
    case Kind::residual_lstm:
      return make_lstm(layer, input, mode, store);
    case Kind::qrnn:
      return make_qrnn(layer, input, mode, store);
    case Kind::isru:
      return make_isru(layer, input, mode, store);
    default:
      return make_linear(layer, input, mode, store);
  }
}

}  // namespace

Network::Network(const Model& model, Mode mode)
    : takes_symbols_(model.takes_symbols),
      inputs_(model.inputs()),
      outputs_(model.outputs()),
      input_grid_(model.input_grid()),
      store_(store_size(model)) {
  if (mode == Mode::integer) check_integer(model);
  for (std::size_t k = 0; k < model.layers.size(); ++k) {
    const Layer& layer = model.layers[k];
    layers_.push_back(make_layer(layer, model.source_grid(k), mode, store_));
    for (const auto& [name, matrix] : layer.matrices) {
      const std::int64_t count = matrix.rows * matrix.columns;
      weight_bytes_ += matrix.bits == 32 ? 4 * count : (count * panel_bits(matrix) + 7) / 8;
      vector_bytes_ += 16 * matrix.rows;
    }
    for (const auto& [name, vector] : layer.vectors)
      vector_bytes_ += 8 * static_cast<std::int64_t>(vector.size());
    if (mode == Mode::integer) vector_bytes_ += 2 * 2 * kTableHalf * static_cast<std::int64_t>(2);
  }
  if (model.hierarchy.on()) hierarchy_ = std::make_unique<HierarchyRunner>(model, mode, store_);
}

StreamState Network::start() const {
  StreamState state;
  state.layers.resize(layers_.size());
  for (std::size_t k = 0; k < layers_.size(); ++k) layers_[k]->start(state.layers[k]);
  if (hierarchy_ != nullptr) hierarchy_->start(state);
  return state;
}

std::int64_t Network::memory_bytes() const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::int64_t bytes = static_cast<std::int64_t>(store_.size()) + vector_bytes_;
  for (const auto& arena : idle_) bytes += static_cast<std::int64_t>(arena->size());
  return bytes;
}

void Network::run(std::vector<StreamFrames>& streams, int block, int threads, bool finish,
                  Profile* profile) const {
  std::unique_ptr<Arena> arena;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!idle_.empty()) {
      arena = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (arena == nullptr) arena = std::make_unique<Arena>();
  std::int64_t longest = 0;
  for (const StreamFrames& stream : streams) longest = std::max(longest, stream.frames);
  for (std::int64_t first = 0; first < longest || (finish && first == 0); first += block) {
    const bool last = first + block >= longest;
    run_block(streams, first, block, threads, finish && last, *arena, profile);
    arena->reset();
  }
  std::lock_guard<std::mutex> lock(mutex_);
  idle_.push_back(std::move(arena));
}

void Network::run_block(std::vector<StreamFrames>& streams, std::int64_t first, int size, int threads,
                        bool finish, Arena& arena, Profile* profile) const {
  Block block;
  block.streams = static_cast<int>(streams.size());
  block.finish = finish;
  block.threads = threads;
  block.arena = &arena;
  block.profile = profile;
  for (const StreamFrames& stream : streams)
    block.lengths.push_back(static_cast<int>(std::clamp<std::int64_t>(stream.frames - first, 0, size)));
  std::vector<StreamState*> states;
  for (const StreamFrames& stream : streams) states.push_back(stream.state);
  const Signal x = input(streams, first, block);
  if (hierarchy_ == nullptr) return scores(run_in_turn(x, states, block), block, streams);
  if (block.frames() == 0) return;
  for (int n = 0; n < block.columns(); ++n) {
    const StreamFrames& stream = streams[static_cast<std::size_t>(n % block.streams)];
    block.forget.push_back(block.has(n) && hierarchy_->ticks(stream.symbols[first + n / block.streams]));
  }
  scores(hierarchy_->run(layers_, x, states, block), block, streams);
}

Signal Network::run_in_turn(Signal signal, const std::vector<StreamState*>& states, Block& block) const {
  for (std::size_t k = 0; k < layers_.size(); ++k) {
    // A layer without look-ahead has nothing to do without frames; at the end one with it may have.
    if (block.frames() == 0 && !block.finish) break;
    block.use_layer(k, states);
    signal = layers_[k]->run(signal, block);
  }
  return signal;
}

Signal Network::input(const std::vector<StreamFrames>& streams, std::int64_t first,
                      const Block& block) const {
  const Signal signal = block.signal(inputs_, input_grid_);
  const auto padding = static_cast<std::size_t>((signal.stride - signal.width) * signal.value_bytes());
  for (int n = 0; n < block.columns(); ++n) {
    if (!block.has(n)) continue;
    fill(streams[static_cast<std::size_t>(n % block.streams)], first + n / block.streams, n, signal);
    std::memset(signal.row(n, signal.width), 0, padding);
  }
  return signal;
}

void Network::fill(const StreamFrames& stream, std::int64_t frame, std::int64_t column,
                   const Signal& signal) const {
  if (takes_symbols_) {
    std::memset(signal.row(column), 0, static_cast<std::size_t>(inputs_) * sizeof(std::int16_t));
    signal.codes[column * signal.stride + stream.symbols[frame]] = 1;
    return;
  }
  const float* x = stream.features + frame * inputs_;
  if (input_grid_.on())
    kernels().cells.quantize(x, inputs_, input_grid_, signal.codes + column * signal.stride);
  else
    std::memcpy(signal.row(column), x, static_cast<std::size_t>(inputs_) * sizeof(float));
}

void Network::scores(const Signal& logits, const Block& block, std::vector<StreamFrames>& streams) const {
  for (int n = 0; n < block.columns(); ++n) {
    if (!block.has(n)) continue;
    std::vector<float>& to = streams[static_cast<std::size_t>(n % block.streams)].scores;
    to.resize(to.size() + static_cast<std::size_t>(outputs_));
    kernels().cells.log_softmax(logits.values + n * logits.stride, outputs_,
                                to.data() + to.size() - outputs_);
  }
}

}  // namespace speechq::engine
