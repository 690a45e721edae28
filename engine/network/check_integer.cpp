#include "network/check_integer.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace speechq::engine {
namespace {

// The largest sum of codes that a row can give.
std::int64_t bound_of(const Matrix& matrix, const Grid& input) {
  std::vector<std::int8_t> codes(static_cast<std::size_t>(matrix.columns));
  std::int64_t most = 0;
  for (std::int64_t row = 0; row < matrix.rows; ++row) {
    unpack_codes(matrix, row * matrix.columns, matrix.columns, codes.data());
    std::int64_t sum = 0;
    for (std::int8_t code : codes) sum += std::abs(static_cast<int>(code));
    most = std::max(most, sum);
  }
  return most * input.qmax();
}

std::string name_of(Kind kind) {
  switch (kind) {
    case Kind::sru:
      return "sru";
    case Kind::lstm:
      return "lstm";
    case Kind::residual_lstm:
      return "residual_lstm";
    case Kind::qrnn:
      return "qrnn";
    case Kind::isru:
      return "isru";
    default:
      return "linear";
  }
}

void check_layer(const std::string& where, const Layer& layer, const Grid& input, const Grid& context) {
  for (const auto& [name, matrix] : layer.matrices)
    if (matrix.bits == 32)
      throw ModelError(where + ": the matrix " + name + " is float; expected 2 to 8 bits");
  if (layer.kind == Kind::linear) return;
  const auto need = [&](const char* name, const Grid& grid) {
    if (!grid.on())
      throw ModelError(where + ": the signal " + name + " is float; use a scheme with gate=a8,cell=a16");
  };
  need("h", layer.h);
  need("gate", layer.gate);
  need("cell", layer.cell);
  if (layer.kind == Kind::isru) need("conv", layer.conv);
  const double reach = static_cast<double>(layer.gate.step) * layer.gate.qmax();
  if (layer.gate.bits < 8 || layer.gate.bits > 10 || std::fabs(reach - 1.0) > 1e-3)
    throw ModelError(where + ": gates need 8 to 10 bits over ±1, found " + std::to_string(layer.gate.bits) +
                     " bits, step " + std::to_string(layer.gate.step));
  if (layer.cell.bits < 16)
    throw ModelError(where + ": the cell needs 16 bits, found " + std::to_string(layer.cell.bits));
  for (const auto& [name, matrix] : layer.matrices) {
    const Grid& grid = name == "rec"                     ? layer.h
                       : name == "proj"                  ? layer.gate
                       : name == "context"               ? context
                       : name == "in" && layer.conv.on() ? layer.conv
                                                         : input;
    const std::int64_t bound = bound_of(matrix, grid);
    if (bound >= std::int64_t{1} << 31)
      throw ModelError(where + ": matrix " + name + ": sums up to " + std::to_string(bound) +
                       " do not fit 32 bits; use fewer signal bits");
  }
}

}  // namespace

void check_integer(const Model& model) {
  if (!model.input_grid().on())
    throw ModelError("integer mode: the signal feat is float; use a scheme such as w8a8,gate=a8,cell=a16");
  for (std::size_t k = 0; k < model.layers.size(); ++k) {
    const Layer& layer = model.layers[k];
    check_layer("integer mode: layer " + std::to_string(k) + " (" + name_of(layer.kind) + ")", layer,
                model.source_grid(k), k == 0 ? Grid() : model.layers[k - 1].h);
  }
}

}  // namespace speechq::engine
