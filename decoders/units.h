// The output symbols of an acoustic model as the decoder sees them: which of them separate or begin words,
// and how words are spelled in them.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace speechq::decoders {

enum class UnitKind { characters, phones, pieces };

// Word pieces cut a word in many ways, so words are spelled in labels: the characters of pieces, and the
// symbols themselves of the other kinds. Label 0 is never part of a word.
using Label = std::int32_t;

class Units {
 public:
  // symbols[0] is the blank. Throws std::invalid_argument if there is nothing else, or for an empty symbol.
  Units(UnitKind kind, std::vector<std::string> symbols);

  UnitKind kind() const { return kind_; }
  int size() const { return static_cast<int>(symbols_.size()); }
  const std::string& symbol(int unit) const { return symbols_[unit]; }
  // What a unit adds to a word: a piece without its marker, any other symbol itself.
  const std::string& letters(int unit) const { return letters_[unit]; }

  // The unit that stands between words and belongs to none (space, or a piece of nothing but the marker);
  // 0, the blank, if there is none.
  int separator() const { return separator_; }
  // Whether a unit is the first of a word by itself: a piece with the marker.
  bool marked(int unit) const { return marked_[unit]; }

  const std::vector<Label>& labels(int unit) const { return labels_[unit]; }
  // The labels of a word (phones: symbols with white space between); false if the units cannot spell it.
  bool spell(const std::string& word, std::vector<Label>& labels) const;

 private:
  UnitKind kind_;
  std::vector<std::string> symbols_, letters_;
  int separator_ = 0;
  std::vector<bool> marked_;
  std::vector<std::vector<Label>> labels_;
  std::unordered_map<std::string, Label> label_of_;
};

// The characters of UTF-8 text; a byte that begins none stands alone.
std::vector<std::string> characters(const std::string& text);

// The parts of a text between white space.
std::vector<std::string> split(const std::string& text);

}  // namespace speechq::decoders
