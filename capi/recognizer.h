// What all streams share: the network, how its frames are made, and the decoder.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "capi/settings.h"
#include "decoders/decoder.h"
#include "model/model.h"
#include "network/network.h"

namespace speechq::capi {

constexpr double kFrameSeconds = 0.010;

// How network frames are made of frames of 10 ms.
struct Stacking {
  std::vector<float> mean, scale;  // of one frame: (x - mean) * scale
  std::size_t stack, stride;
};

class Recognizer {
 public:
  // model: a model file or a folder. Throws Failure and engine::ModelError.
  Recognizer(const std::string& model, const speechq_option* options, std::size_t count);

  const Settings& settings() const { return settings_; }
  const engine::Features& features() const { return features_; }
  const Stacking& stacking() const { return stacking_; }
  const engine::Network& network() const { return *network_; }
  const std::shared_ptr<const decoders::Decoder>& decoder() const { return decoder_; }
  // Whether the best path is taken, without a search.
  bool greedy() const { return greedy_; }

 private:
  void make_decoder(const engine::Model& model);

  Settings settings_;
  engine::Features features_;
  Stacking stacking_;
  bool greedy_ = false;
  std::unique_ptr<const engine::Network> network_;
  std::shared_ptr<const decoders::Decoder> decoder_;
};

}  // namespace speechq::capi
