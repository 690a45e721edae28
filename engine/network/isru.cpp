// i-SRU: a depthwise convolution over time, perhaps with look-ahead, in front of an SRU without v.
#include "network/cells.h"
#include "network/depthwise.h"
#include "network/history.h"
#include "network/layers.h"

namespace speechq::engine {
namespace {

class Isru : public LayerRunner {
 public:
  Isru(const Layer& layer, const Grid& input, Mode mode, WeightStore& store)
      : mode_(mode),
        inputs_(layer.inputs),
        units_(layer.units),
        left_(layer.taps_left),
        right_(layer.taps_right),
        input_grid_(input),
        conv_grid_(layer.conv),
        h_(layer.h),
        context_(layer, mode),
        conv_(layer.matrices.at("conv"), input, layer.vectors.at("conv_bias"), layer.conv, mode, store),
        affine_(layer.matrices.at("in"), 4, layer.conv, &layer.vectors.at("bias"), mode, store) {
    if (mode == Mode::hybrid) return;
    const LayerSteps step(layer, input);
    mix_cell_ = mix_of(step.gate, step.gate / kQ12 / step.cell);
    mix_output_ = inputs_ == units_ ? mix_of(step.gate * step.gate / step.h, step.gate * step.x / step.h)
                                    : mix_of(step.gate * step.gate / step.h);
  }

  void start(LayerState& state) const override {
    start_cell(state, units_, mode_);
    state.reserve_frames(input_grid_, (left_ + right_) * blocks_of(inputs_, kRows) * kRows);
    state.waiting = 0;
  }

  Signal run(const Signal& x, Block& block) const override {
    const History history(x, block, left_ + right_);
    // A fresh stream first fills its look-ahead; the first output then is of the oldest waiting frame.
    const std::vector<int> before = block.lengths;
    std::vector<std::int64_t> skipped(before.size());
    std::vector<int> ready(before.size());
    for (std::size_t s = 0; s < before.size(); ++s) {
      LayerState& state = *block.states[s];
      const std::int64_t length = before[s] + (block.finish ? right_ : 0);
      skipped[s] = right_ - state.waiting;
      ready[s] = static_cast<int>(std::max<std::int64_t>(length - skipped[s], 0));
      state.waiting += length - ready[s];
    }
    block.lengths = ready;
    const Signal v = block.signal(inputs_, conv_grid_);
    // Under an output of another width there is no highway; a column without a frame has none either.
    const Signal centre = inputs_ == units_ ? block.signal(inputs_, input_grid_) : Signal();
    block.lengths = before;  // as the history counts
    convolve(history, block, ready, skipped, v, centre);
    for (std::size_t s = 0; s < before.size(); ++s)
      history.keep(static_cast<int>(s), before[s] + (block.finish ? right_ : 0));
    block.lengths = ready;
    if (block.frames() == 0) return block.signal(units_, h_);
    return mode_ == Mode::integer ? run_as<Integer>(v, centre, block) : run_as<Hybrid>(v, centre, block);
  }

 private:
  void convolve(const History& history, const Block& block, const std::vector<int>& ready,
                const std::vector<std::int64_t>& skipped, const Signal& v, const Signal& centre) const {
    for_tiles(conv_.tiles(), block.threads, [&](std::int64_t tile) {
      Depthwise::Taps taps;
      conv_.unpack(tile, taps);
      const auto at = static_cast<std::size_t>(tile * kTile * (input_grid_.on() ? 2 : 4));
      const void* frames[129];
      for (int s = 0; s < block.streams; ++s)
        for (int t = 0; t < ready[static_cast<std::size_t>(s)]; ++t) {
          const std::int64_t first = t + skipped[static_cast<std::size_t>(s)];
          const int column = t * block.streams + s;
          for (std::int64_t k = 0; k < conv_.taps(); ++k)
            frames[k] = static_cast<const std::uint8_t*>(history.frame(s, first + k)) + at;
          conv_.run(tile, taps, frames, v.row(column, tile * kTile));
          if (inputs_ == units_) {
            const auto bytes = static_cast<std::size_t>(
                std::min<std::int64_t>(kTile, centre.stride - tile * kTile) * centre.value_bytes());
            std::memcpy(centre.row(column, tile * kTile), frames[left_], bytes);
          }
        }
    });
  }

  template <class A>
  Signal run_as(const Signal& v, const Signal& centre, Block& block) const {
    const Signal out = block.signal(units_, h_);
    const int columns = block.columns();
    const Operand operand = affine_.operand(v, 0, columns, *block.arena);
    for_tiles(affine_.tiles(), block.threads, [&](std::int64_t tile) {
      alignas(kLine) typename A::Value u[kColumns * 4 * kTile];
      Columns<A> cells;
      for_columns(columns, [&](int first, int count) {
        affine_.run(tile, operand, first, count, u, block.profile);
        cells.point(block, tile * kTile, first, count, out);
        for (int i = 0; i < count; ++i)
          cells.column[i].skip = inputs_ == units_ ? centre.row(first + i, tile * kTile) : nullptr;
        step(tile, count, u, cells.column);
      });
    });
    return out;
  }

  void step(std::int64_t tile, int count, const float* u, const Column* columns) const {
    CellTask task;
    task.units = affine_.tile_units(tile);
    task.columns = count;
    task.u = u;
    task.column = columns;
    task.skip_step = input_grid_.on() ? input_grid_.step : 0;
    context_.fill(task);
    kernels().cells.isru(task);
  }

  void step(std::int64_t tile, int count, const std::int32_t* u, const IntegerColumn* columns) const {
    IntegerTask task;
    task.units = affine_.tile_units(tile);
    task.columns = count;
    task.u = u;
    task.column = columns;
    task.cell = mix_cell_;
    task.output = mix_output_;
    context_.fill(task);
    kernels().integer.isru(task);
  }

  Mode mode_;
  std::int64_t inputs_, units_, left_, right_;
  Grid input_grid_, conv_grid_, h_;
  CellContext context_;
  Depthwise conv_;
  Affine affine_;
  Mix mix_cell_, mix_output_;
};

}  // namespace

std::unique_ptr<LayerRunner> make_isru(const Layer& layer, const Grid& input, Mode mode, WeightStore& store) {
  return std::make_unique<Isru>(layer, input, mode, store);
}

}  // namespace speechq::engine
