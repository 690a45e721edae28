// Range-coded codes (docs/model-format.md): interleaved rANS, static frequencies.
#pragma once

#include <cstdint>
#include <vector>

namespace speechq::engine {

// The `count` (at least one) codes of 2 to 8 bits that `data` holds, as packed codes. Throws ModelError
// unless they are exactly those; memory stays within 64 times `size`.
std::vector<std::uint8_t> decode_entropy(const std::uint8_t* data, std::int64_t size, std::int64_t count,
                                         int bits);

}  // namespace speechq::engine
