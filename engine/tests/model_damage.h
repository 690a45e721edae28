// Random damage to the parts of a model file; equal seeds do equal damage.
#pragma once

#include <cstddef>
#include <random>
#include <string>

#include "model_writer.h"

namespace speechq::testing {

using Random = std::mt19937;

inline std::size_t below(Random& random, std::size_t count) { return random() % count; }

// At most `count` edits of a JSON text: values replaced, parts left out or doubled, keys changed, bits
// flipped; no more of them once it is no JSON any more.
std::string edited(std::string text, Random& random, std::size_t count);

// One change of the tensors: of a name, type, shape or content, or one more or less of them.
void damage_tensors(ModelParts& parts, Random& random);

}  // namespace speechq::testing
