// SRU: all products of a block at once, then the cells step through it unit by unit.
#include "network/cells.h"
#include "network/layers.h"

namespace speechq::engine {
namespace {

class Sru : public LayerRunner {
 public:
  Sru(const Layer& layer, const Grid& input, Mode mode, WeightStore& store)
      : mode_(mode),
        units_(layer.units),
        h_(layer.h),
        tanh_(layer.tanh),
        scale_x_(layer.scale_x),
        context_(layer, mode),
        skip_(layer, input, mode, store),
        affine_(make_affine(layer, input, mode, store)) {
    const LayerSteps step(layer, input);
    const auto v = layer.vectors.find("v");
    if (v != layer.vectors.end()) {
      if (mode == Mode::integer)
        v_ratios_ = ratios_of(v->second, 2, step.cell * kQ12);
      else
        v_ = padded(v->second, 2);
    }
    if (mode == Mode::hybrid) return;
    mix_cell_ = mix_of(step.gate, step.gate / kQ12 / step.cell);
    const double inner = tanh_ ? step.gate : step.cell;
    const double skip_step = skip_.has_matrix() ? 1.0 / kQ12 : step.x;
    mix_output_ = mix_of(step.gate * inner / step.h, step.gate * layer.scale_x * skip_step / step.h);
  }

  void start(LayerState& state) const override { start_cell(state, units_, mode_); }

  Signal run(const Signal& x, Block& block) const override {
    return mode_ == Mode::integer ? run_as<Integer>(x, block) : run_as<Hybrid>(x, block);
  }

 private:
  // The biases of the gates and, where there is one, of the candidate as one vector. A candidate without one
  // must stay what it is: -0 + 0 would be another number.
  static Affine make_affine(const Layer& layer, const Grid& input, Mode mode, WeightStore& store) {
    const std::vector<float>& gates = layer.vectors.at("bias");
    const auto candidate = layer.vectors.find("candidate_bias");
    std::vector<float> bias(static_cast<std::size_t>(layer.units), -0.0f);
    if (candidate != layer.vectors.end()) bias = candidate->second;
    bias.insert(bias.end(), gates.begin(), gates.end());
    return Affine(layer.matrices.at("in"), 3, input, &bias, mode, store);
  }

  template <class A>
  Signal run_as(const Signal& x, Block& block) const {
    const Signal out = block.signal(units_, h_);
    const int columns = block.columns();
    const Operand operand = affine_.operand(x, 0, columns, *block.arena);
    const Skip::Prepared skip = skip_.prepare(x, block);
    for_tiles(affine_.tiles(), block.threads, [&](std::int64_t tile) {
      alignas(kLine) typename A::Value u[kColumns * 3 * kTile], highway[kColumns * kTile];
      Columns<A> cells;
      for_columns(columns, [&](int first, int count) {
        affine_.run(tile, operand, first, count, u, block.profile);
        cells.point(block, tile * kTile, first, count, out);
        skip_.point(skip, tile, first, count, cells, highway, block.profile);
        step(tile, count, u, cells.column);
      });
    });
    return out;
  }

  template <class Task>
  void fill(Task& task, std::int64_t tile, int count) const {
    task.units = affine_.tile_units(tile);
    task.columns = count;
    task.stride = stride();
    task.tanh = tanh_;
    context_.fill(task);
    skip_.fill(task);
  }

  void step(std::int64_t tile, int count, const float* u, const Column* columns) const {
    SruTask task;
    fill(task, tile, count);
    task.u = u;
    task.column = columns;
    task.v = v_.empty() ? nullptr : v_.data() + tile * kTile;
    task.scale_x = scale_x_;
    kernels().cells.sru(task);
  }

  void step(std::int64_t tile, int count, const std::int32_t* u, const IntegerColumn* columns) const {
    IntegerSruTask task;
    fill(task, tile, count);
    task.u = u;
    task.column = columns;
    if (!v_ratios_.multiplier.empty()) {
      task.v_multiplier = v_ratios_.multiplier.data() + tile * kTile;
      task.v_shift = v_ratios_.shift.data() + tile * kTile;
    }
    task.cell = mix_cell_;
    task.output = mix_output_;
    kernels().integer.sru(task);
  }

  std::int64_t stride() const { return blocks_of(units_, kRows) * kRows; }

  Mode mode_;
  std::int64_t units_;
  Grid h_;
  bool tanh_;
  float scale_x_;
  CellContext context_;
  Skip skip_;
  Affine affine_;
  std::vector<float> v_;
  Ratios v_ratios_;
  Mix mix_cell_, mix_output_;
};

}  // namespace

std::unique_ptr<LayerRunner> make_sru(const Layer& layer, const Grid& input, Mode mode, WeightStore& store) {
  return std::make_unique<Sru>(layer, input, mode, store);
}

}  // namespace speechq::engine
