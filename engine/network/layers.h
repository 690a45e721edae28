// The kinds of layers, one file each.
#pragma once

#include "network/layer.h"

namespace speechq::engine {

std::unique_ptr<LayerRunner> make_linear(const Layer& layer, const Grid& input, Mode mode,
                                         WeightStore& store);
std::unique_ptr<LayerRunner> make_sru(const Layer& layer, const Grid& input, Mode mode, WeightStore& store);
// Also the residual LSTM.
std::unique_ptr<LayerRunner> make_lstm(const Layer& layer, const Grid& input, Mode mode, WeightStore& store);
std::unique_ptr<LayerRunner> make_qrnn(const Layer& layer, const Grid& input, Mode mode, WeightStore& store);
std::unique_ptr<LayerRunner> make_isru(const Layer& layer, const Grid& input, Mode mode, WeightStore& store);

}  // namespace speechq::engine
