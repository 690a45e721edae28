#include "decoders/greedy.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace speechq::decoders {

GreedyStream::GreedyStream(std::shared_ptr<const Decoder> decoder)
    : decoder_(std::move(decoder)), fusion_(decoder_->fusion()), units_(decoder_->units()) {}

void GreedyStream::accept(const float* log_probs, std::int64_t frames) {
  const float* end = log_probs + frames * units_;
  if (std::any_of(log_probs, end, [](float value) { return std::isnan(value); }))
    throw std::invalid_argument("log-probabilities: a value is not a number");
  for (const float* row = log_probs; row != end; row += units_, ++frame_) {
    const auto unit = static_cast<std::int32_t>(std::max_element(row, row + units_) - row);
    score_ += row[unit];
    const double share = std::exp(static_cast<double>(row[unit]));
    const bool held = unit == last_;
    last_ = unit;
    if (unit == 0) continue;
    if (held) {
      // A label that sounds on from the segment before has no place in this one.
      if (!path_.empty() && share > path_.back().share) {
        path_.back().share = share;
        path_.back().frame = static_cast<std::int32_t>(frame_);
      }
      continue;
    }
    const bool separates = unit == fusion_.units().separator();
    const bool closes = open_ && (separates || fusion_.starts(unit));
    open_ = !separates;
    path_.push_back({unit, -1, closes, static_cast<std::int32_t>(frame_), separates ? 1.0 : share});
    stable_.add(fusion_, unit, -1);
  }
}

std::vector<Hypothesis> GreedyStream::best(int) const {
  Hypothesis hypothesis;
  hypothesis.text = stable_.text();
  hypothesis.words = words_of(fusion_, path_, nullptr, 1.0);
  hypothesis.score = hypothesis.acoustic = score_;
  for (const PathUnit& unit : path_) hypothesis.units.push_back({unit.unit, unit.frame});
  return {hypothesis};
}

std::vector<Hypothesis> GreedyStream::finish(int count) {
  std::vector<Hypothesis> hypotheses = best(count);
  begin_segment();
  return hypotheses;
}

void GreedyStream::reset() {
  begin_segment();
  last_ = 0;
  frame_ = 0;
}

void GreedyStream::begin_segment() {
  open_ = false;
  score_ = 0;
  path_.clear();
  stable_ = TextWriter();
}

}  // namespace speechq::decoders
