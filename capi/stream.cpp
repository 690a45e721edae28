#include "capi/stream.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <stdexcept>
#include <utility>

#include "capi/status.h"

namespace speechq::capi {
namespace {

constexpr double kMostSure = 1e-6;  // a confidence this near to 0 or 1 counts as this when it is calibrated

double calibrated(double confidence, const Settings& settings) {
  if (settings.scale == 1 && settings.offset == 0) return confidence;
  const double p = std::clamp(confidence, kMostSure, 1 - kMostSure);
  return 1 / (1 + std::exp(-(settings.scale * std::log(p / (1 - p)) + settings.offset)));
}

// Calls `function` with the decoder that there is.
template <class Function>
decltype(auto) with_decoder(AnyDecoder& decoder, const Function& function) {
  if (auto* search = std::get_if<decoders::Stream>(&decoder)) return function(*search);
  return function(std::get<decoders::GreedyStream>(decoder));
}

void check_finite(const float* frames, std::size_t count, std::size_t size) {
  const float* end = frames + count * size;
  const float* wrong = std::find_if_not(frames, end, [](float value) { return std::isfinite(value); });
  if (wrong == end) return;
  const auto at = static_cast<std::size_t>(wrong - frames);
  throw invalid("frame " + std::to_string(at / size) + ", value " + std::to_string(at % size) + " is " +
                std::to_string(*wrong) + ": expected finite numbers");
}

}  // namespace

void FrameStacker::push(const float* frames, std::size_t count, std::vector<float>& stacked) {
  const std::size_t size = stacking_->mean.size(), width = stacking_->stack * size;
  for (std::size_t t = 0; t < count; ++t, frames += size) {
    if (skip_ > 0) {
      --skip_;
      continue;
    }
    for (std::size_t i = 0; i < size; ++i)
      waiting_.push_back((frames[i] - stacking_->mean[i]) * stacking_->scale[i]);
    if (waiting_.size() < width) continue;
    stacked.insert(stacked.end(), waiting_.begin(), waiting_.end());
    const std::size_t used = std::min(stacking_->stride, stacking_->stack);
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(used * size));
    skip_ = stacking_->stride - used;
  }
}

Stream::Stream(std::shared_ptr<const Recognizer> recognizer)
    : recognizer_(std::move(recognizer)),
      state_(recognizer_->network().start()),
      stacker_(recognizer_->stacking()) {
  start_decoder();
}

void Stream::start_decoder() {
  if (recognizer_->greedy())
    decoder_.emplace<decoders::GreedyStream>(recognizer_->decoder());
  else
    decoder_.emplace<decoders::Stream>(recognizer_->decoder());
}

void Stream::check_whole() const {
  if (broken_)
    throw Failure(SPEECHQ_STATE, "an earlier call failed halfway, so the stream can only be reset or freed");
}

void Stream::check_open() const {
  check_whole();
  if (finished_)
    throw Failure(SPEECHQ_STATE, "the input of the stream has been finished; reset it for another one");
}

void Stream::accept(Stream* const* streams, const float* const* frames, const std::size_t* counts,
                    std::size_t count) {
  std::set<const Stream*> seen;
  for (std::size_t s = 0; s < count; ++s) {
    const Stream& stream = *streams[s];
    if (stream.recognizer_ != streams[0]->recognizer_)
      throw invalid("the streams belong to different recognizers");
    if (!seen.insert(&stream).second) throw invalid("a stream occurs twice");
    stream.check_open();
    check_finite(frames[s], counts[s], stream.recognizer_->stacking().mean.size());
  }
  for (std::size_t s = 0; s < count; ++s) {
    streams[s]->broken_ = true;
    streams[s]->fresh_ = streams[s]->fresh_ && counts[s] == 0;
  }
  std::vector<std::vector<float>> stacked(count);
  for (std::size_t s = 0; s < count; ++s) streams[s]->stacker_.push(frames[s], counts[s], stacked[s]);
  run(streams, stacked, false);
  for (std::size_t s = 0; s < count; ++s) streams[s]->broken_ = false;
}

void Stream::run(Stream* const* streams, const std::vector<std::vector<float>>& frames, bool finish) {
  if (frames.empty()) return;
  const Recognizer& recognizer = *streams[0]->recognizer_;
  const engine::Network& network = recognizer.network();
  std::vector<engine::StreamFrames> blocks(frames.size());
  for (std::size_t s = 0; s < frames.size(); ++s) {
    blocks[s].state = &streams[s]->state_;
    blocks[s].features = frames[s].data();
    blocks[s].frames = static_cast<std::int64_t>(frames[s].size()) / network.inputs();
  }
  network.run(blocks, recognizer.settings().block, recognizer.settings().threads, finish);
  for (std::size_t s = 0; s < frames.size(); ++s)
    streams[s]->take(blocks[s].scores.data(),
                     static_cast<std::int64_t>(blocks[s].scores.size()) / network.outputs());
}

void Stream::take(const float* log_probs, std::int64_t frames) {
  const std::int64_t width = recognizer_->network().outputs();
  std::int64_t begin = 0;
  if (endpointer_)
    for (const std::int64_t end : endpointer_->ends(log_probs, frames)) {
      decode(log_probs + begin * width, end - begin);
      keep_segment();
      begin = end;
    }
  decode(log_probs + begin * width, frames - begin);
}

void Stream::decode(const float* log_probs, std::int64_t frames) {
  with_decoder(decoder_, [&](auto& decoder) { decoder.accept(log_probs, frames); });
  frames_ += frames;
}

void Stream::finish_input() {
  check_open();
  broken_ = true;
  fresh_ = false;
  Stream* self = this;
  run(&self, {{}}, true);
  if (endpointer_) keep_segment();
  broken_ = false;
  finished_ = true;
}

const std::string& Stream::stable_text() {
  check_whole();
  return with_decoder(decoder_, [](auto& decoder) -> const std::string& { return decoder.stable_text(); });
}

std::string Stream::partial_text() {
  check_whole();
  return with_decoder(decoder_, [](auto& decoder) -> std::string { return decoder.partial(); });
}

std::vector<Result> Stream::results() {
  check_whole();
  const int count = recognizer_->settings().n_best;
  return results_of(with_decoder(decoder_, [&](auto& decoder) { return decoder.best(count); }));
}

std::vector<Result> Stream::finish_segment() {
  check_whole();
  broken_ = true;
  std::vector<Result> results = end_segment();
  if (endpointer_) endpointer_->begin();
  broken_ = false;
  return results;
}

std::vector<Result> Stream::end_segment() {
  const int count = recognizer_->settings().n_best;
  std::vector<Result> results =
      results_of(with_decoder(decoder_, [&](auto& decoder) { return decoder.finish(count); }));
  begun_ = frames_;
  return results;
}

// Ends the segment; one without a word is left out.
void Stream::keep_segment() {
  std::vector<Result> results = end_segment();
  if (!results.front().words.empty()) segments_.push_back(std::move(results));
}

void Stream::set_endpoint_rules(std::vector<decoders::EndpointRule> rules) {
  check_whole();
  if (!fresh_)
    throw Failure(SPEECHQ_STATE,
                  "the stream has taken frames; endpoint rules are set before, or after a reset");
  if (rules.empty()) {
    endpointer_.reset();
    return;
  }
  const decoders::Units& units = recognizer_->decoder()->fusion().units();
  const double seconds = kFrameSeconds * static_cast<double>(recognizer_->stacking().stride);
  endpointer_.emplace(rules, units.size(), units.separator(), seconds);
}

std::vector<Result> Stream::next_segment() {
  check_whole();
  if (segments_.empty()) return {};
  std::vector<Result> results = std::move(segments_.front());
  segments_.pop_front();
  return results;
}

std::vector<Result> Stream::results_of(std::vector<decoders::Hypothesis> hypotheses) const {
  const Settings& settings = recognizer_->settings();
  const double seconds = kFrameSeconds * static_cast<double>(recognizer_->stacking().stride);
  std::vector<Result> results;
  for (decoders::Hypothesis& hypothesis : hypotheses) {
    Result result{std::move(hypothesis),
                  {},
                  static_cast<double>(begun_) * seconds,
                  static_cast<double>(frames_) * seconds};
    for (const decoders::Word& word : result.hypothesis.words) {
      const double start = std::max(0.0, static_cast<double>(word.start) * seconds + settings.start_shift);
      const double end = std::max(start, static_cast<double>(word.end) * seconds + settings.end_shift);
      result.words.push_back({start, end, calibrated(word.confidence, settings)});
    }
    results.push_back(std::move(result));
  }
  return results;
}

void Stream::reset() {
  broken_ = true;
  state_ = recognizer_->network().start();
  stacker_ = FrameStacker(recognizer_->stacking());
  start_decoder();
  if (endpointer_) endpointer_->begin();
  segments_.clear();
  frames_ = begun_ = 0;
  fresh_ = true;
  finished_ = broken_ = false;
}

}  // namespace speechq::capi
