// A packed character model in the engine, as the decoder calls it.
#pragma once

#include <memory>
#include <vector>

#include "decoders/char_lm.h"
#include "network/network.h"

namespace speechq::decoders {

class NetworkLm : public CharLm {
 public:
  // Symbol 0 of the network is the end of the sentence, and a sentence begins behind one. Throws
  // std::invalid_argument for a network that takes no symbols.
  explicit NetworkLm(std::shared_ptr<const engine::Network> network);

  int row_size() const override { return static_cast<int>(network_->outputs()); }
  std::unique_ptr<CharLmStates> states() const override;

 private:
  class States;

  std::shared_ptr<const engine::Network> network_;
  engine::StreamState first_;  // behind the end of a sentence, and what comes next there
  std::vector<float> first_row_;
};

}  // namespace speechq::decoders
