// One stream: frames in, segments of text and words out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "capi/recognizer.h"
#include "capi/speechq.h"
#include "decoders/decoder.h"
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

struct Result {
  std::string text;
  std::vector<decoders::Word> words;
  std::vector<speechq_word> shown;  // what a caller sees of the words, which own the texts
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
  std::unique_ptr<Result> result();
  std::unique_ptr<Result> finish_segment();
  void reset();

 private:
  void check_open() const;
  void check_whole() const;
  static void run(Stream* const* streams, const std::vector<std::vector<float>>& frames, bool finish);
  std::unique_ptr<Result> result_of(const decoders::Hypothesis& hypothesis) const;
  void start_decoder();

  std::shared_ptr<const Recognizer> recognizer_;
  engine::StreamState state_;
  FrameStacker stacker_;
  AnyDecoder decoder_;
  bool finished_ = false, broken_ = false;
};

}  // namespace speechq::capi
