// Best-path decoding: the most likely symbol of every frame, repeats merged, blanks dropped. A stream with
// the functions of Stream (decoders/decoder.h); what a path has said is certain at once.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "decoders/decoder.h"
#include "decoders/hypothesis.h"

namespace speechq::decoders {

class GreedyStream {
 public:
  // Of the decoder only the units matter.
  explicit GreedyStream(std::shared_ptr<const Decoder> decoder);

  // log_probs: [frames][units], natural logs. Throws std::invalid_argument for NaN, before any frame is
  // taken.
  void accept(const float* log_probs, std::int64_t frames);

  const std::string& stable_text() const { return stable_.text(); }
  std::string partial() const { return ""; }

  // One hypothesis, whatever the count. score and acoustic: of the path. A word's confidence is the product
  // of the highest probability of each of its units.
  std::vector<Hypothesis> best(int count) const;
  // The same, and then a new segment begins: frames are counted on, and a label that sounds beyond the end is
  // not taken for a new one.
  std::vector<Hypothesis> finish(int count);
  void reset();

 private:
  void begin_segment();

  std::shared_ptr<const Decoder> decoder_;
  const Fusion& fusion_;
  const int units_;
  std::int32_t last_ = 0;  // the symbol of the frame before
  bool open_ = false;      // within a word
  std::int64_t frame_ = 0;
  double score_ = 0;
  std::vector<PathUnit> path_;
  TextWriter stable_;
};

}  // namespace speechq::decoders
