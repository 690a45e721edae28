// Codes in groups (docs/model-format.md): table indices of structured sparse ternary weights.
#pragma once

#include <cstdint>
#include <vector>

#include "model/model.h"

namespace speechq::engine {

// All patterns of a group in the order of their indices, code i in the bits 2i and 2i + 1. Throws ModelError
// for sizes that the format does not have.
std::vector<std::uint32_t> patterns_of(const Groups& groups);

// Packed codes of 2 bits of a matrix [rows, columns], both at least 1, whose product is checked. Throws
// ModelError unless `data` holds exactly those.
std::vector<std::uint8_t> decode_groups(const std::uint8_t* data, std::int64_t size, std::int64_t rows,
                                        std::int64_t columns, const Groups& groups);

}  // namespace speechq::engine
