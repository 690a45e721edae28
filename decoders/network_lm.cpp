#include "decoders/network_lm.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace speechq::decoders {

// States live in a pool: a new one is copied over one that was released, into the memory that it has.
class NetworkLm::States : public CharLmStates {
 public:
  explicit States(const NetworkLm& model)
      : network_(model.network_), first_(model.first_), first_row_(model.first_row_) {}

  Handle start(float* row) override {
    std::copy(first_row_.begin(), first_row_.end(), row);
    return copy_of(first_);
  }

  void advance(int count, const Handle* parents, const int* units, Handle* states, float* rows) override {
    const auto size = static_cast<std::size_t>(count);
    symbols_.assign(units, units + count);
    streams_.resize(size);
    for (std::size_t i = 0; i < size; ++i) {
      states[i] = copy_of(*pool_[static_cast<std::size_t>(parents[i])]);
      streams_[i].state = pool_[static_cast<std::size_t>(states[i])].get();
      streams_[i].symbols = symbols_.data() + i;
      streams_[i].frames = 1;
      streams_[i].scores.clear();
    }
    network_->run(streams_, 1, 1, false);
    for (const engine::StreamFrames& stream : streams_)
      rows = std::copy(stream.scores.begin(), stream.scores.end(), rows);
  }

  void release(int count, const Handle* states) override {
    free_.insert(free_.end(), states, states + count);
  }

  std::size_t bytes() const override {
    std::size_t each = 0;
    for (const engine::LayerState& layer : first_.layers) each += layer.bytes();
    return pool_.size() * each;
  }

 private:
  Handle copy_of(const engine::StreamState& state) {
    if (free_.empty()) {
      pool_.push_back(std::make_unique<engine::StreamState>(state));
      return static_cast<Handle>(pool_.size()) - 1;
    }
    const Handle handle = free_.back();
    free_.pop_back();
    *pool_[static_cast<std::size_t>(handle)] = state;
    return handle;
  }

  std::shared_ptr<const engine::Network> network_;
  engine::StreamState first_;
  std::vector<float> first_row_;
  std::vector<std::unique_ptr<engine::StreamState>> pool_;
  std::vector<Handle> free_;
  std::vector<engine::StreamFrames> streams_;
  std::vector<std::int32_t> symbols_;
};

NetworkLm::NetworkLm(std::shared_ptr<const engine::Network> network) : network_(std::move(network)) {
  if (!network_->takes_symbols())
    throw std::invalid_argument("an acoustic model; expected a language model, which takes symbols");
  first_ = network_->start();
  const std::int32_t end = 0;
  std::vector<engine::StreamFrames> stream(1);
  stream[0].state = &first_;
  stream[0].symbols = &end;
  stream[0].frames = 1;
  network_->run(stream, 1, 1, false);
  first_row_ = std::move(stream[0].scores);
}

std::unique_ptr<CharLmStates> NetworkLm::states() const { return std::make_unique<States>(*this); }

}  // namespace speechq::decoders
