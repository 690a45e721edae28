// What a search gives: texts with words, times and confidences.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "decoders/fusion.h"

namespace speechq::decoders {

struct Word {
  std::string text;
  std::int64_t start = 0, end = 0;  // frames: of its first unit, one after that of its last
  double confidence = 1;
};

struct TimedUnit {
  int unit;
  std::int64_t frame;
};

struct Hypothesis {
  std::string text;
  std::vector<Word> words;
  // score = acoustic + char_lm_weight * char_lm + known_char_lm_weight * known_char_lm
  //         + ngram_weight * ngram + bonuses + penalties + hotwords
  double score = 0, acoustic = 0, char_lm = 0, known_char_lm = 0, ngram = 0;
  std::vector<TimedUnit> units;
};

// A unit on the way from the beginning of the segment to a prefix.
struct PathUnit {
  std::int32_t unit;
  std::int32_t closed;  // the word of the lexicon that closed before it, or -1
  bool closes;          // whether a word closed before it
  std::int32_t frame;
  double share;  // of the beam's probability at the prefix before that went on with this unit
};

// Writes units as text, words separated by single spaces; with a lexicon only the words that have closed.
class TextWriter {
 public:
  // Goes on after text that ended as `before` did, without repeating it.
  static TextWriter after(const TextWriter& before);

  void add(const Fusion& fusion, std::int32_t unit, std::int32_t closed);
  void add_word(const std::string& word);
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  bool empty_ = true, gap_ = false;
};

// The words of a path. last: what the word at the end closes as (null: it stays out if there is a lexicon);
// last_share: the share that ended there.
std::vector<Word> words_of(const Fusion& fusion, const std::vector<PathUnit>& path, const Closing* last,
                           double last_share);

}  // namespace speechq::decoders
