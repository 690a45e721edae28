// What a text is worth beyond its acoustics: character model, word n-gram, bonuses, penalties and hotwords.
//
// Each score depends on the text alone. That of a word counts when the word has closed; until then something
// stands in for it (pending), so that prefixes can be compared: the character model's score, or where there
// is none the n-gram's best unigram among the words that the prefix can still become.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "decoders/char_lm.h"
#include "decoders/hotwords.h"
#include "decoders/ngram.h"
#include "decoders/options.h"
#include "decoders/trie.h"
#include "decoders/units.h"

namespace speechq::decoders {

// What changes with every unit of a text.
struct Running {
  double settled = 0;     // weighted, everything but pending and what hotwords lend
  double pending = 0;     // weighted, of the open word
  double word_chars = 0;  // unweighted, the character model on the open word
  // The open word in the vocabulary; kNone: it is not and will not be in there.
  Trie::Node word = Trie::kRoot;
  Hotwords::State hot = Trie::kRoot;
};

// The scores of a prefix and what its continuation depends on.
struct Text : Running {
  // Unweighted, what is in settled of the character model, of the same on words that the n-gram knows, and of
  // the n-gram.
  double char_lm = 0, known_char_lm = 0, ngram = 0;
  bool open = false;  // within a word
  Ngram::Context before{};
};

// A word that an open word can close as; several if words are spelled alike.
struct Closing {
  std::int32_t word = -1;  // number in the vocabulary, -1: unknown
  bool known = false;      // to the n-gram
  double ngram = 0;
  Ngram::Context after{};
};

class Fusion {
 public:
  // No lexicon (null): open vocabulary. ngram and char_lm may be null. Throws std::invalid_argument.
  Fusion(Units units, const Options& options, const std::vector<LexiconEntry>* lexicon,
         std::shared_ptr<const Ngram> ngram, std::shared_ptr<const CharLm> char_lm,
         const std::vector<HotwordEntry>& hotwords);

  const Units& units() const { return units_; }
  // null where there is none or where its weight is zero
  const CharLm* char_lm() const { return char_lm_.get(); }
  // Whether only words of the lexicon can occur. Then texts are made of the lexicon's words as it writes
  // them.
  bool closed() const { return closed_; }
  const std::string& word(std::int32_t number) const { return texts_[number]; }
  // The largest number of closings that a prefix can have.
  int most_closings() const { return most_closings_; }
  // Whether a unit begins a word by itself.
  bool starts(int unit) const { return starts_[unit]; }

  // Before the first unit.
  Text start() const;
  double value(const Running& text) const { return text.settled + text.pending + hotwords_.lent(text.hot); }

  // Whether `unit` can go on with the open word or begin the first one, and whether it can close the open
  // word.
  bool continues(const Text& text, int unit) const {
    return unit != units_.separator() && !(text.open && starts_[unit]);
  }
  bool closes(const Text& text, int unit) const {
    return text.open && (by_lexicon_ || starts_[unit] || unit == units_.separator());
  }
  // What value() cannot exceed with one more unit: within the word, and after a closing. Scores of the models
  // are taken to be at most 0.
  struct Most {
    double within, after;
  };
  Most most(const Text& text) const;
  void closings(const Text& text, std::vector<Closing>& found) const;

  // The text with one more unit, after `closing` if that is not null. row: the character model's scores at
  // `text`, null if there is no model. False if the vocabulary has no such text.
  bool extend(const Text& text, int unit, const Closing* closing, const float* row, Text& longer) const;
  // The same without a closing, only what value() needs.
  bool extend_within(const Running& text, int unit, const float* row, Running& longer) const;
  // The text as a whole; closing is null for the empty one only.
  Text finish(const Text& text, const Closing* closing, const float* row) const;

 private:
  void build_vocabulary(const std::vector<LexiconEntry>* lexicon);
  void build_look_ahead();
  void build_hotwords(const std::vector<HotwordEntry>& entries);
  std::vector<Label> hotword_labels(const std::string& phrase) const;
  void close(Text& text, const Closing& closing, double end) const;
  void pass(Running& text, Label label) const {
    text.hot = hotwords_.step(text.hot, label);
    text.settled += hotwords_.earned(text.hot);
  }

  Units units_;
  Options options_;
  std::shared_ptr<const Ngram> ngram_;
  std::shared_ptr<const CharLm> char_lm_;
  bool closed_, by_lexicon_ = false;
  bool hot_ = false, hot_words_ = false;  // hotwords go by labels, by words of the lexicon
  int most_closings_ = 1;
  std::vector<bool> starts_;  // units that begin a word by themselves

  bool vocabulary_ = false;           // whether the next three mean something
  Trie trie_;                         // values: numbers of words
  std::vector<Ngram::Word> numbers_;  // in the n-gram
  std::vector<std::string> texts_;    // closed vocabulary only
  std::vector<float> look_ahead_;     // weighted, by node of the trie; empty if there is none
  Hotwords hotwords_;
  std::vector<Label> hot_label_;  // by word, if hotwords go by words of the lexicon
};

}  // namespace speechq::decoders
