#include "sample.h"

#include <fstream>
#include <random>
#include <stdexcept>

namespace speechq::testing {

ModelSpec sample_model() {
  ModelSpec spec;
  LayerSpec ahead = layer_of(engine::Kind::isru, 4, 16);
  ahead.taps_right = 2;
  spec.layers = {ahead, layer_of(engine::Kind::lstm, 6, 16)};
  spec.stack = 3;
  spec.stride = 4;
  spec.seed = 10;  // one that says several words
  return spec;
}

void write_file(const std::string& path, const void* data, std::size_t size) {
  std::ofstream file(path, std::ios::binary);
  if (!file.write(static_cast<const char*>(data), static_cast<std::streamsize>(size)))
    throw std::runtime_error(path + ": cannot be written");
}

void write_model_file(const std::string& path, const ModelSpec& spec) {
  const std::vector<std::uint8_t> bytes = write_model(spec);
  write_file(path, bytes.data(), bytes.size());
}

std::vector<float> sample_frames(std::size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<float> frames(count * kFrameSize);
  for (float& value : frames)
    value = static_cast<float>(static_cast<double>(generator()) * 0x1p-29) - 4.0f;  // -4 to 4
  return frames;
}

}  // namespace speechq::testing
