// One stream: frames in, segments of text and words out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "capi/recognizer.h"
#include "capi/speechq.h"
#include "decoders/decoder.h"
#include "decoders/endpoint.h"
#include "decoders/greedy.h"

namespace speechq::capi {

// Normalizes frames of 10 ms and joins them to network frames; an incomplete one at the end is never given.
class FrameStacker {
 public:
  explicit FrameStacker(const Stacking& stacking) : stacking_(&stacking) {}

  // Appends the network frames that are complete now to `stacked`.
  void push(const float* frames, std::size_t count, std::vector<float>& stacked);

 private:
  const Stacking* stacking_;
  std::vector<float> waiting_;  // normalized
  std::size_t skip_ = 0;        // frames to come that no network frame needs
};

// One text of a segment.
struct Result {
  decoders::Hypothesis hypothesis;
  struct Word {
    double start, end, confidence;
  };
  std::vector<Word> words;  // of the hypothesis, in seconds, calibrated
  double start, end;        // of the segment, in seconds
};

using AnyDecoder = std::variant<std::monostate, decoders::Stream, decoders::GreedyStream>;

class Stream {
 public:
  explicit Stream(std::shared_ptr<const Recognizer> recognizer);

  // All or none of the frames are taken: throws Failure before anything is changed. After any other exception
  // the streams are broken and only reset() helps.
  static void accept(Stream* const* streams, const float* const* frames, const std::size_t* counts,
                     std::size_t count);
  void finish_input();
  // Of the segment.
  const std::string& stable_text();
  std::string partial_text();
  // The best texts, best first; at least one.
  std::vector<Result> results();
  std::vector<Result> finish_segment();
  // Throws Failure once frames were taken.
  void set_endpoint_rules(std::vector<decoders::EndpointRule> rules);
  // Of the segment that ended first of those not given yet; nothing if there is none.
  std::vector<Result> next_segment();
  void reset();

 private:
  void check_open() const;
  void check_whole() const;
  static void run(Stream* const* streams, const std::vector<std::vector<float>>& frames, bool finish);
  // What the network says of its next frames: `take` ends segments in it, `decode` does not.
  void take(const float* log_probs, std::int64_t frames);
  void decode(const float* log_probs, std::int64_t frames);
  std::vector<Result> end_segment();
  void keep_segment();
  std::vector<Result> results_of(std::vector<decoders::Hypothesis> hypotheses) const;
  void start_decoder();

  std::shared_ptr<const Recognizer> recognizer_;
  engine::StreamState state_;
  FrameStacker stacker_;
  AnyDecoder decoder_;
  std::optional<decoders::Endpointer> endpointer_;
  std::deque<std::vector<Result>> segments_;  // that ended by rules and were not handed out
  std::int64_t frames_ = 0, begun_ = 0;       // network frames decoded, and those before the segment
  bool fresh_ = true, finished_ = false, broken_ = false;
};

}  // namespace speechq::capi
