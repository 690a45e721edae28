// Whether a model is complete and its parts fit together: speechq/runtime/checks.py in C++.
#pragma once

#include <deque>
#include <map>
#include <string>

#include "model/json.h"
#include "model/model.h"
#include "model/safetensors.h"

namespace speechq::engine {

struct MatrixTensors {
  const Tensor* codes = nullptr;
  const Tensor* steps = nullptr;  // null for 32 bits
};

// A layer as it stands in the file, before its parts are known to fit together.
struct LayerParts {
  Layer layer;  // `inputs` and `units` come from the checks, the vectors after them; steps may have any shape
  std::map<std::string, MatrixTensors> matrices;
  std::map<std::string, const Tensor*> vectors;
};

const char* kind_name(Kind kind);

// Throws ModelError unless `name` is a kind of layer.
Kind kind_of(const std::string& name);

// The options of the layer's kind. Throws ModelError for one that is missing or out of range.
void read_options(const json::Value& options, Layer& layer);

// Sets `inputs` and `units` of every layer of `model`, whose input is known. Throws ModelError, naming the
// layer, for the first part that is missing, has the wrong shape, or does not belong there.
void check_layers(std::deque<LayerParts>& layers, const Model& model);

}  // namespace speechq::engine
