// What a user sets. Scores and thresholds are natural logs.
#pragma once

#include <string>

namespace speechq::decoders {

struct Options {
  int beam = 64;               // prefixes kept per frame
  double beam_threshold = 20;  // a prefix that is worse than the best one by more than this is dropped
  int depth = 60;              // units that may stay undecided behind the best prefix
  double symbol_threshold =
      -10;  // units less likely than the frame's likeliest symbol by more do not extend a prefix
  double ngram_weight = 1;
  double char_lm_weight = 1;
  double known_char_lm_weight = 0;  // of words that the n-gram knows, beside its own score
  double word_bonus = 0;            // per word
  double char_bonus = 0;            // per unit, separators included
  double oov_penalty = -10;         // added for a word that the n-gram does not know
};

struct LexiconEntry {
  std::string word;
  std::string spelling;  // in units; phones with white space between
};

struct HotwordEntry {
  std::string phrase;  // words with white space between (phones without a lexicon: phones)
  double boost;
};

}  // namespace speechq::decoders
