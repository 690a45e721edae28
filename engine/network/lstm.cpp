// LSTM and residual LSTM: the input's products for the whole block, then step by step the recurrent products
// and the cells, so that the recurrent matrix stays in the cache for the block.
#include <cstring>

#include "network/cells.h"
#include "network/layers.h"

namespace speechq::engine {
namespace {

class Lstm : public LayerRunner {
 public:
  Lstm(const Layer& layer, const Grid& input, Mode mode, WeightStore& store)
      : mode_(mode),
        residual_(layer.kind == Kind::residual_lstm),
        units_(layer.units),
        gate_(layer.gate),
        h_(layer.h),
        context_(layer, mode),
        input_(layer.matrices.at("in"), 4, input, &layer.vectors.at("bias"), mode, store),
        recurrent_(layer.matrices.at("rec"), 4, layer.h, nullptr, mode, store),
        skip_(layer, input, mode, store) {
    if (residual_)
      projection_.emplace(layer.matrices.at("proj"), 1, layer.gate, nullptr, mode, store, kValueLimit);
    const LayerSteps step(layer, input);
    const auto peepholes = layer.vectors.find("peepholes");
    if (peepholes != layer.vectors.end()) {
      if (mode == Mode::integer)
        peephole_ratios_ = ratios_of(peepholes->second, 3, step.cell * kQ12);
      else
        peepholes_ = padded(peepholes->second, 3);
    }
    if (mode == Mode::hybrid) return;
    mix_cell_ = mix_of(step.gate, step.gate * step.gate / step.cell);
    mix_output_ = mix_of(step.gate * (residual_ ? 1.0 / kQ12 : step.gate) / step.h);
    x_value_ = ratio_of(step.x * kQ12);
  }

  void start(LayerState& state) const override {
    start_cell(state, units_, mode_);
    state.reserve_frames(h_, stride());
  }

  Signal run(const Signal& x, Block& block) const override {
    return mode_ == Mode::integer ? run_as<Integer>(x, block) : run_as<Hybrid>(x, block);
  }

 private:
  // What the phases of a block share.
  template <class A>
  struct Work {
    using Value = typename A::Value;
    Value* u;        // [tiles][columns][4][kTile]
    Value* highway;  // residual: [tiles][columns][kTile], where it is not the input's codes or values
    void* gates;     // residual: output gates [streams][stride]
    Operand x, skip_x, h, inner;
    Signal out, before, tanh;
  };

  template <class A>
  Signal run_as(const Signal& x, Block& block) const {
    using Value = typename A::Value;
    Arena& arena = *block.arena;
    const int streams = block.streams, columns = block.columns(), frames = block.frames();
    Work<A> work;
    work.out = block.signal(units_, h_);
    work.before = work.out;
    copy_states(block, work.before);
    work.x = input_.operand(x, 0, columns, arena);
    forget_outputs(block, 0, work.before);
    work.h = recurrent_.operand(work.before, 0, streams, arena);
    work.u = arena.take<Value>(input_.tiles() * columns * 4 * kTile);
    if (residual_) {
      work.highway = arena.take<Value>(input_.tiles() * columns * kTile);
      work.gates = arena.take<float>(streams * stride());
      work.skip_x = skip_.prepare(x, block).operand;
      work.tanh = {gate_, units_, stride(), nullptr, nullptr};
      if (gate_.on())
        work.tanh.codes = arena.take<std::int16_t>(streams * stride());
      else
        work.tanh.values = arena.take<float>(streams * stride());
      std::memset(work.tanh.row(0), 0,
                  static_cast<std::size_t>(streams * stride() * work.tanh.value_bytes()));
      work.inner = projection_->operand(work.tanh, 0, streams, arena);
    }
    // One phase for the inputs, then per step: cells, and their output made ready for the next products. Each
    // step begins with the part of the recurrent matrix with which the one before it ended.
    const int per_step = residual_ ? 4 : 2;
    const auto run_tile = [&](std::int64_t phase, std::int64_t tile) {
      if (phase == 0) return inputs(x, block, tile, work);
      const int t = static_cast<int>((phase - 1) / per_step);
      const auto part = (phase - 1) % per_step;
      if (part == 0) return cells(block, tile, t, work);
      if (residual_ && part == 2) return outputs(x, block, tile, t, work);
      if (tile != 0) return;
      if (residual_ && part == 1)
        projection_->refill(work.tanh, 0, work.inner);
      else
        next_operand(block, work, t);
    };
    for_phases(1 + per_step * frames, input_.tiles(), block.threads, run_tile, per_step);
    keep_states(block, work.out);
    return work.out;
  }

  // Makes the outputs of frame t ready for the products of the next one.
  template <class A>
  void next_operand(const Block& block, Work<A>& work, int t) const {
    const Signal* from = &work.out;
    std::int64_t first = static_cast<std::int64_t>(t) * block.streams;
    if (!block.forget.empty() && t + 1 < block.frames()) {
      std::memcpy(work.before.row(0), work.out.row(first),
                  static_cast<std::size_t>(block.streams * stride() * work.out.value_bytes()));
      forget_outputs(block, t + 1, work.before);
      from = &work.before;
      first = 0;
    }
    if (h_.on())
      recurrent_.refill(*from, first, work.h);
    else
      work.h.values.values = from->values + first * from->stride;
  }

  // Zeros in `before`, the outputs before frame t side by side, where that frame starts from a zero state.
  void forget_outputs(const Block& block, int t, Signal& before) const {
    for (int s = 0; s < block.streams; ++s)
      if (block.forgets(t * block.streams + s))
        std::memset(before.row(s), 0, static_cast<std::size_t>(stride() * before.value_bytes()));
  }

  template <class A>
  void inputs(const Signal& x, const Block& block, std::int64_t tile, const Work<A>& work) const {
    const int columns = block.columns();
    for_columns(columns, [&](int first, int count) {
      auto* u = work.u + (tile * columns + first) * 4 * kTile;
      input_.run(tile, work.x, first, count, u, block.profile);
      for (int n = 0; !block.context.empty() && n < count; ++n)
        add_context(tile, block.context[static_cast<std::size_t>(first + n)], u + n * 4 * kTile);
      if (!residual_) return;
      auto* highway = work.highway + (tile * columns + first) * kTile;
      if (skip_.has_matrix())
        skip_.run(work.skip_x, tile, first, count, highway, block.profile);
      else
        input_values(x, tile, first, count, highway);
    });
  }

  // Adds the tile's part of a column's context.
  template <class Value>
  void add_context(std::int64_t tile, const void* context, Value* u) const {
    const auto* added = static_cast<const Value*>(context) + tile * 4 * kTile;
    for (int part = 0; part < 4; ++part, u += kTile, added += kTile)
      for (int j = 0; j < input_.tile_units(tile); ++j) u[j] = joined(u[j], added[j]);
  }
  static float joined(float a, float b) { return a + b; }
  // So that the other terms of a pre-activation still fit.
  static std::int32_t joined(std::int32_t a, std::int32_t b) {
    return static_cast<std::int32_t>(
        std::clamp<std::int64_t>(std::int64_t{a} + b, -2 * kPreLimit, 2 * kPreLimit));
  }

  // The input as what the projection is added to.
  void input_values(const Signal& x, std::int64_t tile, int first, int count, float* to) const {
    const int units = input_.tile_units(tile);
    for (int n = 0; n < count; ++n, to += kTile) {
      const void* from = x.row(first + n, tile * kTile);
      if (x.grid.on())
        kernels().cells.values(static_cast<const std::int16_t*>(from), units, x.grid.step, to);
      else
        std::memcpy(to, from, static_cast<std::size_t>(units) * sizeof(float));
    }
  }
  void input_values(const Signal& x, std::int64_t tile, int first, int count, std::int32_t* to) const {
    for (int n = 0; n < count; ++n, to += kTile)
      kernels().integer.requantize_codes(static_cast<const std::int16_t*>(x.row(first + n, tile * kTile)),
                                         input_.tile_units(tile), x_value_, kValueLimit, to);
  }

  // Calls f(first, count, cells): the streams of frame t in pieces, with the places of their cells.
  template <class A, class F>
  void for_streams(const Block& block, std::int64_t tile, int t, const Work<A>& work, const F& f) const {
    Columns<A> cells;
    for_columns(block.streams, [&](int first, int count) {
      cells.point(block, tile * kTile, t * block.streams + first, count, work.out);
      for (int i = 0; residual_ && i < count; ++i) {
        using Gate = decltype(cells.column[i].inner);
        cells.column[i].inner = static_cast<Gate>(work.gates) + (first + i) * stride() + tile * kTile;
      }
      f(first, count, cells);
    });
  }

  template <class A>
  void cells(const Block& block, std::int64_t tile, int t, const Work<A>& work) const {
    const int columns = block.columns();
    for_streams(block, tile, t, work, [&](int first, int count, Columns<A>& cells) {
      for (int i = 0; i < count; ++i)
        if (block.forgets(t * block.streams + first + i))
          std::fill_n(cells.column[i].c, input_.tile_units(tile), typename A::Value{});
      alignas(kLine) typename A::Value recurrent[kColumns * 4 * kTile];
      const auto* u = work.u + (tile * columns + t * block.streams + first) * 4 * kTile;
      fetch(u, static_cast<std::int64_t>(count) * 4 * kTile);
      recurrent_.run(tile, work.h, first, count, recurrent, block.profile);
      for (int i = 0; residual_ && i < count; ++i) {
        using Output = decltype(cells.column[i].h);
        cells.column[i].h = static_cast<Output>(work.tanh.row(first + i, tile * kTile));
      }
      step(tile, count, u, recurrent, cells.column);
    });
  }

  template <class A>
  void outputs(const Signal&, const Block& block, std::int64_t tile, int t, const Work<A>& work) const {
    const int columns = block.columns();
    for_streams(block, tile, t, work, [&](int first, int count, Columns<A>& cells) {
      alignas(kLine) typename A::Value projected[kColumns * kTile];
      projection_->run(tile, work.inner, first, count, projected, block.profile);
      for (int i = 0; i < count; ++i)
        cells.column[i].skip = work.highway + (tile * columns + t * block.streams + first + i) * kTile;
      add_highway(tile, count, projected, cells.column);
    });
  }

  template <class Task>
  void fill(Task& task, std::int64_t tile, int count) const {
    task.units = input_.tile_units(tile);
    task.columns = count;
    context_.fill(task);
  }

  void step(std::int64_t tile, int count, const float* u, const float* recurrent,
            const Column* columns) const {
    LstmTask task;
    fill(task, tile, count);
    if (residual_) task.h = gate_;
    task.u = u;
    task.column = columns;
    task.recurrent = recurrent;
    task.peepholes = peepholes_.empty() ? nullptr : peepholes_.data() + tile * kTile;
    task.stride = stride();
    task.residual = residual_;
    kernels().cells.lstm(task);
  }

  void step(std::int64_t tile, int count, const std::int32_t* u, const std::int32_t* recurrent,
            const IntegerColumn* columns) const {
    IntegerLstmTask task;
    fill(task, tile, count);
    task.u = u;
    task.column = columns;
    task.recurrent = recurrent;
    if (!peephole_ratios_.multiplier.empty()) {
      task.p_multiplier = peephole_ratios_.multiplier.data() + tile * kTile;
      task.p_shift = peephole_ratios_.shift.data() + tile * kTile;
    }
    task.stride = stride();
    task.residual = residual_;
    task.cell = mix_cell_;
    task.output = mix_output_;
    kernels().integer.lstm(task);
  }

  void add_highway(std::int64_t tile, int count, const float* projected, const Column* columns) const {
    CellTask task;
    fill(task, tile, count);
    task.u = projected;
    task.column = columns;
    kernels().cells.residual(task);
  }

  void add_highway(std::int64_t tile, int count, const std::int32_t* projected,
                   const IntegerColumn* columns) const {
    IntegerTask task;
    fill(task, tile, count);
    task.u = projected;
    task.column = columns;
    task.output = mix_output_;
    task.skip_is_value = true;
    kernels().integer.residual(task);
  }

  // The outputs before the block, side by side.
  void copy_states(const Block& block, Signal& before) const {
    const auto row_bytes = static_cast<std::size_t>(stride() * before.value_bytes());
    if (h_.on())
      before.codes = block.arena->take<std::int16_t>(block.streams * stride());
    else
      before.values = block.arena->take<float>(block.streams * stride());
    for (int s = 0; s < block.streams; ++s)
      std::memcpy(before.row(s), block.states[static_cast<std::size_t>(s)]->frames(h_), row_bytes);
  }

  void keep_states(const Block& block, const Signal& out) const {
    for (int s = 0; s < block.streams; ++s) {
      const int length = block.lengths[static_cast<std::size_t>(s)];
      if (length == 0) continue;
      std::memcpy(block.states[static_cast<std::size_t>(s)]->frames(h_),
                  out.row((length - 1) * static_cast<std::int64_t>(block.streams) + s),
                  static_cast<std::size_t>(stride() * out.value_bytes()));
    }
  }

  std::int64_t stride() const { return blocks_of(units_, kRows) * kRows; }

  Mode mode_;
  bool residual_;
  std::int64_t units_;
  Grid gate_, h_;
  CellContext context_;
  Affine input_, recurrent_;
  Skip skip_;
  std::optional<Affine> projection_;
  std::vector<float> peepholes_;
  Ratios peephole_ratios_;
  Mix mix_cell_, mix_output_;
  Ratio x_value_;
};

}  // namespace

std::unique_ptr<LayerRunner> make_lstm(const Layer& layer, const Grid& input, Mode mode, WeightStore& store) {
  return std::make_unique<Lstm>(layer, input, mode, store);
}

}  // namespace speechq::engine
