#include "decoders/fusion.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <unordered_map>

namespace speechq::decoders {
namespace {

constexpr Label kBoundary = 0;  // between words, for hotwords

void check(const Options& options) {
  const auto demand = [](bool holds, const char* message) {
    if (!holds) throw std::invalid_argument(message);
  };
  demand(options.beam >= 1, "beam must be at least 1");
  demand(options.depth >= 1, "depth must be at least 1");
  demand(options.beam_threshold > 0, "beam_threshold must be above 0");
  demand(options.symbol_threshold < 0, "symbol_threshold must be below 0");
  for (const double weight : {options.ngram_weight, options.char_lm_weight, options.known_char_lm_weight,
                              options.word_bonus, options.char_bonus, options.oov_penalty})
    demand(std::isfinite(weight), "weights, bonuses and the penalty must be finite numbers");
  demand(options.ngram_weight >= 0 && options.char_lm_weight >= 0 && options.known_char_lm_weight >= 0,
         "weights must not be negative");
}

}  // namespace

Fusion::Fusion(Units units, const Options& options, const std::vector<LexiconEntry>* lexicon,
               std::shared_ptr<const Ngram> ngram, std::shared_ptr<const CharLm> char_lm,
               const std::vector<HotwordEntry>& hotwords)
    : units_(std::move(units)),
      options_(options),
      ngram_(std::move(ngram)),
      char_lm_(options.char_lm_weight > 0 ? std::move(char_lm) : nullptr),
      closed_(lexicon != nullptr),
      starts_(units_.size()),
      hotwords_({}) {
  check(options_);
  if (char_lm_ && char_lm_->row_size() != units_.size())
    throw std::invalid_argument("the character model has " + std::to_string(char_lm_->row_size()) +
                                " symbols, the units are " + std::to_string(units_.size()));
  bool any_marked = false;
  for (int unit = 1; unit < units_.size(); ++unit) any_marked = any_marked || units_.marked(unit);
  by_lexicon_ = closed_ && units_.separator() == 0 && !any_marked;
  const bool each = units_.kind() == UnitKind::phones && !closed_;
  for (int unit = 1; unit < units_.size(); ++unit) starts_[unit] = each || units_.marked(unit);
  if (closed_ || ngram_) build_vocabulary(lexicon);
  if (ngram_ && !char_lm_) build_look_ahead();
  build_hotwords(hotwords);
}

void Fusion::build_vocabulary(const std::vector<LexiconEntry>* lexicon) {
  vocabulary_ = true;
  hot_words_ = by_lexicon_;
  std::vector<Trie::Entry> entries;
  std::vector<Label> labels, own;
  if (closed_) {
    std::unordered_map<std::string, std::int32_t> number_of;
    for (const auto& [word, spelling] : *lexicon) {
      if (split(word).size() != 1) throw std::invalid_argument("lexicon: '" + word + "' is not one word");
      if (!units_.spell(spelling, labels))
        throw std::invalid_argument("lexicon: the units cannot spell '" + word + "' as '" + spelling + "'");
      hot_words_ = hot_words_ || !units_.spell(word, own) || own != labels;
      const auto [place, is_new] = number_of.emplace(word, static_cast<std::int32_t>(texts_.size()));
      if (is_new) {
        texts_.push_back(word);
        numbers_.push_back(ngram_ ? ngram_->number(word) : Ngram::kUnknown);
      }
      entries.push_back({labels, place->second});
    }
    if (entries.empty()) throw std::invalid_argument("the lexicon has no words");
  } else {
    const std::vector<std::string>& words = ngram_->words();
    numbers_.resize(words.size());
    for (std::size_t i = 0; i < words.size(); ++i) {
      numbers_[i] = static_cast<Ngram::Word>(i);
      if (i != Ngram::kUnknown && words[i] != "<s>" && words[i] != "</s>" && units_.spell(words[i], labels))
        entries.push_back({labels, static_cast<std::int32_t>(i)});
    }
  }
  trie_ = Trie(std::move(entries));
  for (Trie::Node node = 0; node < trie_.size(); ++node) {
    const Trie::Values values = trie_.values(node);
    most_closings_ = std::max(most_closings_, static_cast<int>(values.last - values.first));
  }
}

void Fusion::build_look_ahead() {
  look_ahead_.assign(trie_.size(), -std::numeric_limits<float>::infinity());
  for (Trie::Node node = trie_.size() - 1; node >= 0; --node) {
    float& best = look_ahead_[node];
    for (const std::int32_t word : trie_.values(node)) {
      const double score = numbers_[word] == Ngram::kUnknown
                               ? options_.oov_penalty
                               : options_.ngram_weight * ngram_->unigram(numbers_[word]);
      best = std::max(best, static_cast<float>(score));
    }
    if (node != Trie::kRoot) {
      float& above = look_ahead_[trie_.parent(node)];
      above = std::max(above, best);
    }
  }
}

void Fusion::build_hotwords(const std::vector<HotwordEntry>& entries) {
  std::unordered_map<std::string, Label> label_of;
  if (hot_words_) {
    hot_label_.resize(texts_.size());
    for (std::size_t i = 0; i < texts_.size(); ++i) hot_label_[i] = static_cast<Label>(i) + 1;
  }
  if (closed_)
    for (std::size_t i = 0; i < texts_.size(); ++i) label_of.emplace(texts_[i], static_cast<Label>(i) + 1);
  std::vector<Hotwords::Phrase> phrases;
  std::vector<Label> spelling;
  for (const auto& [phrase, boost] : entries) {
    if (!std::isfinite(boost))
      throw std::invalid_argument("hotword '" + phrase + "': the boost must be a finite number");
    const std::vector<std::string> words = split(phrase);
    if (words.empty()) throw std::invalid_argument("a hotword is empty");
    std::vector<Label> labels;
    for (const std::string& word : words) {
      const auto found = label_of.find(word);
      if (closed_ && found == label_of.end())
        throw std::invalid_argument("hotword '" + phrase + "': '" + word + "' is not in the lexicon");
      if (hot_words_) {
        labels.push_back(found->second);
        continue;
      }
      if (!units_.spell(word, spelling))
        throw std::invalid_argument("hotword '" + phrase + "': the units cannot spell '" + word + "'");
      if (units_.kind() != UnitKind::phones) labels.push_back(kBoundary);
      labels.insert(labels.end(), spelling.begin(), spelling.end());
    }
    if (!hot_words_ && units_.kind() != UnitKind::phones) labels.push_back(kBoundary);
    phrases.push_back({std::move(labels), boost});
  }
  std::size_t steps = 1;
  if (units_.kind() == UnitKind::pieces && !hot_words_)
    for (int unit = 1; unit < units_.size(); ++unit) steps = std::max(steps, units_.labels(unit).size() + 1);
  hotwords_ = Hotwords(phrases, static_cast<int>(steps));
  hot_ = !hotwords_.empty() && !hot_words_;
  hot_words_ = !hotwords_.empty() && hot_words_;
}

Fusion::Most Fusion::most(const Text& text) const {
  const double unknown = ngram_ ? options_.oov_penalty : 0.0,
               unit = options_.char_bonus + hotwords_.most(text.hot);
  const double pending = char_lm_ ? text.pending + std::max(unknown, 0.0) : std::max(text.pending, unknown);
  // The open word as it may close: known, with an n-gram score of at most 0, or unknown.
  const bool listed = vocabulary_ && text.word != Trie::kNone && !trie_.values(text.word).empty();
  double closed = unknown + (char_lm_ ? options_.char_lm_weight * text.word_chars : 0.0);
  if (listed && ngram_) closed = std::max(closed, options_.known_char_lm_weight * text.word_chars);
  if (!listed && closed_) closed = -std::numeric_limits<double>::infinity();
  return {text.settled + unit + pending,
          text.settled + unit + options_.word_bonus + closed + std::max(unknown, 0.0)};
}

Text Fusion::start() const {
  Text text;
  if (ngram_) text.before = ngram_->sentence_start();
  text.hot = hotwords_.step(text.hot, kBoundary);
  return text;
}

void Fusion::closings(const Text& text, std::vector<Closing>& found) const {
  found.clear();
  if (vocabulary_ && text.word != Trie::kNone)
    for (const std::int32_t word : trie_.values(text.word)) {
      found.emplace_back();
      found.back().word = word;
      found.back().known = ngram_ && numbers_[word] != Ngram::kUnknown;
    }
  if (found.empty() && !closed_) found.emplace_back();
  if (ngram_)
    for (Closing& closing : found) {
      const Ngram::Word number = closing.known ? numbers_[closing.word] : Ngram::kUnknown;
      closing.ngram = ngram_->score(text.before, number, closing.after);
    }
}

// end: the character model's score of the unit that ends the word and belongs to it.
void Fusion::close(Text& text, const Closing& closing, double end) const {
  const double chars = text.word_chars + end;  // 0 without a character model
  if (closing.known) {
    text.ngram += closing.ngram;
    text.known_char_lm += chars;
    text.settled += options_.ngram_weight * closing.ngram + options_.known_char_lm_weight * chars;
  } else {
    text.char_lm += chars;
    text.settled += options_.char_lm_weight * chars;
    if (ngram_) text.settled += options_.oov_penalty;
  }
  if (ngram_) text.before = closing.after;
  text.settled += options_.word_bonus;
  text.pending = text.word_chars = 0;
  text.word = Trie::kRoot;
  text.open = false;
  if (hot_words_) pass(text, hot_label_[closing.word]);
}

bool Fusion::extend(const Text& text, int unit, const Closing* closing, const float* row,
                    Text& longer) const {
  longer = text;
  const bool separates = unit == units_.separator();
  if (closing) {
    close(longer, *closing, row && separates ? static_cast<double>(row[unit]) : 0.0);
    if (hot_ && units_.kind() != UnitKind::phones) pass(longer, kBoundary);
  }
  if (separates) {
    longer.settled += options_.char_bonus;
    return true;
  }
  longer.open = true;
  return extend_within(longer, unit, row, longer);
}

bool Fusion::extend_within(const Running& text, int unit, const float* row, Running& longer) const {
  longer = text;
  longer.settled += options_.char_bonus;
  for (const Label label : units_.labels(unit)) {
    if (vocabulary_ && longer.word != Trie::kNone) longer.word = trie_.child(longer.word, label);
    if (hot_) pass(longer, label);
  }
  const bool unknown = vocabulary_ && longer.word == Trie::kNone;
  if (unknown && closed_) return false;
  if (char_lm_) {
    longer.word_chars += static_cast<double>(row[unit]);
    longer.pending =
        options_.char_lm_weight * longer.word_chars + (unknown && ngram_ ? options_.oov_penalty : 0.0);
  } else if (ngram_) {
    longer.pending = unknown ? options_.oov_penalty : static_cast<double>(look_ahead_[longer.word]);
  }
  return true;
}

Text Fusion::finish(const Text& text, const Closing* closing, const float* row) const {
  Text whole = text;
  const double end = row ? static_cast<double>(row[0]) : 0.0;
  if (closing) {
    close(whole, *closing, end);
    if (hot_) pass(whole, kBoundary);
  } else if (char_lm_ && !ngram_) {
    whole.char_lm += end;
    whole.settled += options_.char_lm_weight * end;
  }
  if (ngram_) {
    Ngram::Context after;
    const double score = ngram_->score(whole.before, ngram_->sentence_end(), after);
    whole.ngram += score;
    whole.settled += options_.ngram_weight * score;
  }
  whole.hot = Trie::kRoot;
  return whole;
}

}  // namespace speechq::decoders
