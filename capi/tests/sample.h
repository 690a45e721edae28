// A small random model and random frames for it.
#pragma once

#include <string>
#include <vector>

#include "model_writer.h"

namespace speechq::testing {

constexpr std::size_t kFrameSize = 8;

// An i-SRU layer that looks ahead, and an LSTM.
ModelSpec sample_model();

void write_file(const std::string& path, const void* data, std::size_t size);
void write_model_file(const std::string& path, const ModelSpec& spec = sample_model());

// Frames of 10 ms [count][kFrameSize].
std::vector<float> sample_frames(std::size_t count, unsigned seed = 1);

}  // namespace speechq::testing
