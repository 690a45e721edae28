// Whether a model can run in integer mode.
#pragma once

#include "model/model.h"

namespace speechq::engine {

// Throws ModelError, naming the layer, for what integer mode cannot run.
void check_integer(const Model& model);

}  // namespace speechq::engine
