// Streaming CTC beam search on a tree of prefixes (papers: Hwang and Sung 2016, "Character-level incremental
// speech recognition with recurrent neural networks"; Hannun et al. 2014 for the recursion). docs/decoder.md
// has the rules.
//
// A Decoder is what all streams share and never changes; a Stream is used by one thread at a time:
//
//   Stream stream(decoder);
//   stream.accept(log_probs, frames);      // as often as wanted; the cutting does not matter
//   stream.stable_text(), stream.partial() // at any time
//   stream.finish(n);                      // ends the segment; the next frames begin another one
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "decoders/fusion.h"
#include "decoders/hypothesis.h"
#include "decoders/tree.h"

namespace speechq::decoders {

class Decoder {
 public:
  // As Fusion's constructor. Throws std::invalid_argument.
  Decoder(Units units, const Options& options, const std::vector<LexiconEntry>* lexicon = nullptr,
          std::shared_ptr<const Ngram> ngram = nullptr, std::shared_ptr<const CharLm> char_lm = nullptr,
          const std::vector<HotwordEntry>& hotwords = {})
      : options_(options),
        fusion_(std::move(units), options, lexicon, std::move(ngram), std::move(char_lm), hotwords) {}

  const Options& options() const { return options_; }
  const Fusion& fusion() const { return fusion_; }
  int units() const { return fusion_.units().size(); }

 private:
  Options options_;
  Fusion fusion_;
};

class Stream {
 public:
  explicit Stream(std::shared_ptr<const Decoder> decoder);
  ~Stream();
  Stream(Stream&&) = delete;

  // log_probs: [frames][units], natural logs, -inf allowed. Throws std::invalid_argument for NaN and for
  // values above 0, before any frame is taken. What the character model throws comes through; then no text is
  // possible until the next segment.
  void accept(const float* log_probs, std::int64_t frames);

  // The text of the current segment that no further frame changes, and what follows it in the best prefix:
  // their concatenation is the present text.
  const std::string& stable_text() const { return stable_.text(); }
  std::string partial();

  // The `count` best texts as if the segment ended here, with its end scored; best first, at least one. Where
  // no prefix is a whole text (a lexicon's word was not finished, or no text is possible), the only one is
  // made of the words that closed and has the score -inf.
  std::vector<Hypothesis> best(int count);
  // The same, and then a new segment begins: the models start anew, while frames are counted on and a label
  // that sounds beyond the end is not taken for a new one.
  std::vector<Hypothesis> finish(int count);
  // Back to the beginning of a stream.
  void reset();

  // Since the beginning of the stream.
  std::int64_t frames() const { return frame_; }
  // Prefixes held, and bytes of everything but the text of the segment.
  int nodes() const { return tree_.count(); }
  std::size_t bytes() const;

 private:
  struct Candidate {
    double score, label, blank, text_value;
    std::int32_t node, parent, unit, slot, closing;
    // When the last unit was said: `time` and `in_blank` are times of this prefix, or, where its label came
    // in from the parent, `time` is that of the unit before.
    std::int32_t time, in_blank;
    float peak;  // of the label in this frame
    bool came_in, higher;
  };
  struct Key {
    double score;
    std::int32_t candidate;
  };
  struct Final;

  void begin_segment(std::int32_t unit, double label, double blank);
  void step(const float* row);
  void find_units(const float* row);
  void keep_on(const float* row);
  void add(const Candidate& candidate);
  void raise_bar();
  void extend(const float* row);
  void extend(std::int32_t parent, const float* row);
  bool can_extend(std::int32_t parent, const float* row) const;
  void offer(std::int32_t parent, std::int32_t unit, std::int32_t slot, std::int32_t closing, double label,
             float peak);
  void select();
  void rebuild();
  void deactivate(std::int32_t node);
  void release(std::int32_t node);
  void cut(std::int32_t node);
  void prune_depth();
  void advance_root();
  void commit(std::int32_t child);
  void advance(const std::vector<std::int32_t>& nodes);
  void score(const std::vector<std::int32_t>& nodes);
  void release_states();
  bool separates(std::int32_t node) const { return separator_ && tree_[node].unit == separator_; }
  static std::int32_t time_before(const Node& parent, std::int32_t unit);
  void keep_times();
  double relative(double score) const;

  std::vector<Final> finals();
  std::vector<PathUnit> path_to(std::int32_t node, std::int32_t time, const std::vector<double>& mass) const;
  Hypothesis incomplete() const;

  std::shared_ptr<const Decoder> decoder_;
  const Options& options_;
  const Fusion& fusion_;
  const int units_, separator_;
  std::unique_ptr<CharLmStates> lm_;
  CharLmStates::Handle before_root_ = kNoState;  // while the root has no state

  Tree tree_;
  Alignment times_;
  std::int32_t root_ = kNil, best_node_ = kNil;
  std::int64_t frame_ = 0;
  std::vector<std::int32_t> active_;
  std::vector<PathUnit> committed_;  // of the segment, down to the root
  TextWriter stable_;

  // Of one frame.
  double best_ = kImpossible, least_ = kImpossible;  // candidates below least_ cannot be selected
  std::size_t full_ = 0;                             // candidates at which least_ is looked at again
  std::vector<double> scores_;
  std::vector<std::int32_t> extending_, child_at_, kept_, path_, waiting_;
  std::vector<Candidate> candidates_;
  std::vector<Key> keys_;
  Text longer_;
  struct LmBlock {
    std::vector<CharLmStates::Handle> parent, state;
    std::vector<int> unit;
    std::vector<float> rows;
  } lm_block_;
};

}  // namespace speechq::decoders
