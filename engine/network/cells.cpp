#include "network/cells.h"

namespace speechq::engine {

GateCodes::GateCodes(const Grid& gate) {
  const auto fill = [&](std::vector<std::int16_t>& codes, auto function) {
    std::vector<float> values(2 * kTableHalf);
    for (std::size_t k = 0; k < values.size(); ++k)
      values[k] = function((static_cast<float>(k) - kTableHalf) / (1 << kIndexBits));
    codes.resize(values.size() + 1);  // look-ups read an entry more
    kernels().cells.quantize(values.data(), static_cast<std::int64_t>(values.size()), gate, codes.data());
  };
  fill(sigmoid, gate_sigmoid);
  fill(tanh, gate_tanh);
}

Ratios ratios_of(const std::vector<float>& vector, std::int64_t parts, double factor) {
  std::vector<std::int32_t> multiplier(vector.size()), shift(vector.size());
  for (std::size_t i = 0; i < vector.size(); ++i) {
    const Ratio ratio = ratio_of(static_cast<double>(vector[i]) * factor);
    multiplier[i] = ratio.multiplier;
    shift[i] = ratio.shift;
  }
  Ratios result{padded(multiplier, parts), padded(shift, parts)};
  std::replace(result.shift.begin(), result.shift.end(), 0, 1);
  return result;
}

CellContext::CellContext(const Layer& layer, Mode mode) : gate_(layer.gate), cell_(layer.cell), h_(layer.h) {
  if (mode == Mode::hybrid) return;
  codes_.emplace(layer.gate);
  cell_index_ = ratio_of(static_cast<double>(layer.cell.step) * (1 << kIndexBits));
}

void CellContext::fill(IntegerTask& task) const {
  task.table = codes_->tables();
  task.one = gate_.qmax();
  task.cell_qmax = cell_.qmax();
  task.h_qmax = h_.qmax();
  task.cell_index = cell_index_;
}

Skip::Skip(const Layer& layer, const Grid& input, Mode mode, WeightStore& store) : input_(input) {
  const auto matrix = layer.matrices.find("skip");
  if (matrix != layer.matrices.end())
    affine_.emplace(matrix->second, 1, input, nullptr, mode, store, kValueLimit);
}

Skip::Prepared Skip::prepare(const Signal& x, Block& block) const {
  if (!has_matrix()) return {&x, {}};
  return {&x, affine_->operand(x, 0, block.columns(), *block.arena)};
}

}  // namespace speechq::engine
