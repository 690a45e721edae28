#include <algorithm>
#include <cstring>

#include "generic/panel.h"
#include "network/layer.h"

namespace speechq::engine {

int Block::frames() const { return *std::max_element(lengths.begin(), lengths.end()); }

void Block::use_layer(std::size_t k, const std::vector<StreamState*>& all) {
  states.clear();
  for (StreamState* stream : all) states.push_back(&stream->layers[k]);
}

Signal Block::signal(std::int64_t width, const Grid& grid) const {
  Signal result{grid, width, blocks_of(width, kRows) * kRows, nullptr, nullptr};
  const std::int64_t count = columns() * result.stride;
  const bool ragged = *std::min_element(lengths.begin(), lengths.end()) < frames();
  if (grid.on()) {
    result.codes = arena->take<std::int16_t>(count);
    if (ragged) std::fill_n(result.codes, count, std::int16_t{0});
  } else {
    result.values = arena->take<float>(count);
    if (ragged) std::fill_n(result.values, count, 0.0f);
  }
  return result;
}

}  // namespace speechq::engine
