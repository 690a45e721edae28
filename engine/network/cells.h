// What the recurrent layers have in common around their cells.
#pragma once

#include <algorithm>
#include <optional>

#include "base/pool.h"
#include "network/affine.h"

namespace speechq::engine {

// Gate codes of every table index, for the gate grid of a layer in integer mode.
struct GateCodes {
  explicit GateCodes(const Grid& gate);
  GateTables tables() const { return {sigmoid.data(), tanh.data()}; }
  std::vector<std::int16_t> sigmoid, tanh;
};

// Steps of a layer in float64, as ratios are formed from them.
struct LayerSteps {
  LayerSteps(const Layer& layer, const Grid& input)
      : x(input.step), h(layer.h.step), gate(layer.gate.step), cell(layer.cell.step) {}
  double x, h, gate, cell;
};
constexpr double kQ12 = 4096.0;

// Ratios of a vector of a layer, [parts][stride].
Ratios ratios_of(const std::vector<float>& vector, std::int64_t parts, double factor);

// The grids and, in integer mode, the tables and limits of a layer's cells.
class CellContext {
 public:
  CellContext(const Layer& layer, Mode mode);
  void fill(CellTask& task) const {
    task.gate = gate_;
    task.cell = cell_;
    task.h = h_;
  }
  void fill(IntegerTask& task) const;

 private:
  Grid gate_, cell_, h_;
  std::optional<GateCodes> codes_;
  Ratio cell_index_;
};

// A state that all recurrent layers have.
inline void start_cell(LayerState& state, std::int64_t units, Mode mode) {
  const auto padded_units = static_cast<std::size_t>(blocks_of(units, kRows) * kRows);
  if (mode == Mode::integer)
    state.integer_cell.assign(padded_units, 0);
  else
    state.cell.assign(padded_units, 0.0f);
}
inline float* cell_of(LayerState& state, std::int64_t unit, float) { return state.cell.data() + unit; }
inline std::int32_t* cell_of(LayerState& state, std::int64_t unit, std::int32_t) {
  return state.integer_cell.data() + unit;
}

// What belongs to a kind of arithmetic.
struct Hybrid {
  using Value = float;
  using Column = speechq::engine::Column;
};
struct Integer {
  using Value = std::int32_t;
  using Column = IntegerColumn;
};

// Columns `first` to `first + count` of a tile for a cell kernel. Columns of streams that have ended already
// work on a scratch cell.
template <class A>
struct Columns {
  typename A::Column column[kColumns];
  typename A::Value idle_cell[kTile];
  float idle_output[kTile], idle_inner[kTile];

  void point(const Block& block, std::int64_t unit, int first, int count, const Signal& out) {
    for (int i = 0; i < count; ++i) {
      const int n = first + i;
      using Output = decltype(column[i].h);
      if (block.has(n)) {
        LayerState& state = *block.states[static_cast<std::size_t>(n % block.streams)];
        column[i].c = cell_of(state, unit, typename A::Value{});
        column[i].h = static_cast<Output>(out.row(n, unit));
      } else {
        std::fill_n(idle_cell, kTile, typename A::Value{});
        column[i].c = idle_cell;
        column[i].h = static_cast<Output>(static_cast<void*>(idle_output));
      }
    }
  }
};

// The highway input of a layer: the input itself or its product with a skip matrix.
class Skip {
 public:
  Skip(const Layer& layer, const Grid& input, Mode mode, WeightStore& store);
  bool has_matrix() const { return affine_.has_value(); }

  struct Prepared {
    const Signal* x;
    Operand operand;
  };
  Prepared prepare(const Signal& x, Block& block) const;

  template <class Value>
  void run(const Operand& operand, std::int64_t tile, int first, int count, Value* to,
           Profile* profile) const {
    affine_->run(tile, operand, first, count, to, profile);
  }

  // Points columns at their highway values; products go to `buffer` [columns][kTile].
  template <class Columns, class Value>
  void point(const Prepared& skip, std::int64_t tile, int first, int count, Columns& columns, Value* buffer,
             Profile* profile) const {
    if (has_matrix()) run(skip.operand, tile, first, count, buffer, profile);
    for (int i = 0; i < count; ++i)
      columns.column[i].skip =
          has_matrix() ? static_cast<const void*>(buffer + i * kTile) : skip.x->row(first + i, tile * kTile);
  }
  void fill(CellTask& task) const { task.skip_step = has_matrix() || !input_.on() ? 0 : input_.step; }
  void fill(IntegerTask& task) const { task.skip_is_value = has_matrix(); }

 private:
  Grid input_;
  std::optional<Affine> affine_;
};

// Calls f(first, count) for pieces of at most kColumns of all columns.
template <class F>
void for_columns(int columns, const F& f) {
  for (int first = 0; first < columns; first += kColumns) f(first, std::min(kColumns, columns - first));
}

}  // namespace speechq::engine
