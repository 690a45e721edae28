// QRNN: the input matrix sees a window of frames; the rest is elementwise.
#include "network/cells.h"
#include "network/history.h"
#include "network/layers.h"

namespace speechq::engine {
namespace {

class Qrnn : public LayerRunner {
 public:
  Qrnn(const Layer& layer, const Grid& input, Mode mode, WeightStore& store)
      : mode_(mode),
        inputs_(layer.inputs),
        units_(layer.units),
        past_(layer.window - 1),
        parts_(static_cast<int>(layer.matrices.at("in").rows / layer.units)),
        input_grid_(input),
        h_(layer.h),
        context_(layer, mode),
        affine_(layer.matrices.at("in"), parts_, input, &layer.vectors.at("bias"), mode, store) {
    if (mode == Mode::hybrid) return;
    const LayerSteps step(layer, input);
    mix_cell_ = mix_of(step.gate, step.gate * step.gate / step.cell);
    mix_output_ = mix_of(step.gate * step.cell / step.h);
  }

  void start(LayerState& state) const override {
    start_cell(state, units_, mode_);
    state.reserve_frames(input_grid_, past_ * blocks_of(inputs_, kRows) * kRows);
  }

  Signal run(const Signal& x, Block& block) const override {
    const Signal windows = past_ == 0 ? x : windows_of(x, block);
    return mode_ == Mode::integer ? run_as<Integer>(windows, block) : run_as<Hybrid>(windows, block);
  }

 private:
  // Every frame behind the ones before it, oldest first.
  Signal windows_of(const Signal& x, const Block& block) const {
    const Signal windows = block.signal((past_ + 1) * inputs_, x.grid);
    const History history(x, block, past_);
    const auto bytes = static_cast<std::size_t>(inputs_ * x.value_bytes());
    for (int n = 0; n < block.columns(); ++n) {
      if (!block.has(n)) continue;
      for (std::int64_t k = 0; k <= past_; ++k)
        std::memcpy(windows.row(n, k * inputs_), history.frame(n % block.streams, n / block.streams + k),
                    bytes);
      // Nothing reads what is behind the last window; it is cleared because whole rows are converted.
      std::memset(windows.row(n, windows.width), 0,
                  static_cast<std::size_t>((windows.stride - windows.width) * x.value_bytes()));
    }
    for (int s = 0; s < block.streams; ++s) history.keep(s, block.lengths[static_cast<std::size_t>(s)]);
    return windows;
  }

  template <class A>
  Signal run_as(const Signal& x, Block& block) const {
    const Signal out = block.signal(units_, h_);
    const int columns = block.columns();
    const Operand operand = affine_.operand(x, 0, columns, *block.arena);
    for_tiles(affine_.tiles(), block.threads, [&](std::int64_t tile) {
      alignas(kLine) typename A::Value u[kColumns * 4 * kTile];
      Columns<A> cells;
      for_columns(columns, [&](int first, int count) {
        affine_.run(tile, operand, first, count, u, block.profile);
        cells.point(block, tile * kTile, first, count, out);
        step(tile, count, u, cells.column);
      });
    });
    return out;
  }

  void step(std::int64_t tile, int count, const float* u, const Column* columns) const {
    QrnnTask task;
    task.units = affine_.tile_units(tile);
    task.columns = count;
    task.parts = parts_;
    task.u = u;
    task.column = columns;
    context_.fill(task);
    kernels().cells.qrnn(task);
  }

  void step(std::int64_t tile, int count, const std::int32_t* u, const IntegerColumn* columns) const {
    IntegerQrnnTask task;
    task.units = affine_.tile_units(tile);
    task.columns = count;
    task.parts = parts_;
    task.u = u;
    task.column = columns;
    task.cell = mix_cell_;
    task.output = mix_output_;
    context_.fill(task);
    kernels().integer.qrnn(task);
  }

  Mode mode_;
  std::int64_t inputs_, units_, past_;
  int parts_;
  Grid input_grid_, h_;
  CellContext context_;
  Affine affine_;
  Mix mix_cell_, mix_output_;
};

}  // namespace

std::unique_ptr<LayerRunner> make_qrnn(const Layer& layer, const Grid& input, Mode mode, WeightStore& store) {
  return std::make_unique<Qrnn>(layer, input, mode, store);
}

}  // namespace speechq::engine
