#include "decoders/units.h"

#include <algorithm>
#include <stdexcept>

namespace speechq::decoders {
namespace {

const std::string kMarker = "\xe2\x96\x81";  // U+2581, as SentencePiece writes the beginning of a word

}  // namespace

std::vector<std::string> characters(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
    parts.push_back(text.substr(i, length));
    i += parts.back().size();
  }
  return parts;
}

std::vector<std::string> split(const std::string& text) {
  constexpr const char* kSpace = " \t\r\n\v\f";
  std::vector<std::string> parts;
  for (std::size_t end = 0;;) {
    const std::size_t begin = text.find_first_not_of(kSpace, end);
    if (begin == std::string::npos) return parts;
    end = std::min(text.find_first_of(kSpace, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
  }
}

Units::Units(UnitKind kind, std::vector<std::string> symbols)
    : kind_(kind),
      symbols_(std::move(symbols)),
      letters_(symbols_),
      marked_(symbols_.size(), false),
      labels_(symbols_.size()) {
  if (symbols_.size() < 2) throw std::invalid_argument("there must be a blank and at least one other symbol");
  for (int unit = 1; unit < size(); ++unit) {
    std::string& letters = letters_[unit];
    if (letters.empty()) throw std::invalid_argument("symbol " + std::to_string(unit) + " is empty");
    if (kind_ == UnitKind::pieces && letters.compare(0, kMarker.size(), kMarker) == 0) {
      letters.erase(0, kMarker.size());
      marked_[unit] = !letters.empty();
    }
    if (letters.empty() || (kind_ == UnitKind::characters && letters == " ")) {
      separator_ = unit;
      letters.clear();
    } else if (kind_ == UnitKind::pieces) {
      for (const std::string& part : characters(letters)) {
        const auto next = static_cast<Label>(label_of_.size()) + 1;
        labels_[unit].push_back(label_of_.emplace(part, next).first->second);
      }
    } else {
      label_of_.emplace(letters, unit);
      labels_[unit] = {unit};
    }
  }
}

bool Units::spell(const std::string& word, std::vector<Label>& labels) const {
  labels.clear();
  for (const std::string& part : split(word))
    for (const std::string& piece :
         kind_ == UnitKind::phones ? std::vector<std::string>{part} : characters(part)) {
      if (kind_ == UnitKind::pieces && piece == kMarker) continue;
      const auto found = label_of_.find(piece);
      if (found == label_of_.end()) return false;
      labels.push_back(found->second);
    }
  return !labels.empty();
}

}  // namespace speechq::decoders
