#include "generic/cells.h"

#define SPEECHQ_ISA scalar
#include "generic/math.h"

namespace speechq::engine {

float gate_sigmoid(float x) { return scalar::sigmoid_of(x); }
float gate_tanh(float x) { return scalar::tanh_of(x); }

}  // namespace speechq::engine
