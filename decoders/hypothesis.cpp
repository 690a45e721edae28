#include "decoders/hypothesis.h"

namespace speechq::decoders {

TextWriter TextWriter::after(const TextWriter& before) {
  TextWriter writer;
  writer.empty_ = before.empty_;
  writer.gap_ = before.gap_;
  return writer;
}

void TextWriter::add(const Fusion& fusion, std::int32_t unit, std::int32_t closed) {
  if (fusion.closed()) {
    if (closed >= 0) add_word(fusion.word(closed));
    return;
  }
  if (unit == fusion.units().separator()) {
    gap_ = true;
    return;
  }
  if (!empty_ && (gap_ || fusion.starts(unit))) text_ += ' ';
  text_ += fusion.units().letters(unit);
  empty_ = gap_ = false;
}

void TextWriter::add_word(const std::string& word) {
  if (!empty_) text_ += ' ';
  text_ += word;
  empty_ = false;
}

std::vector<Word> words_of(const Fusion& fusion, const std::vector<PathUnit>& path, const Closing* last,
                           double last_share) {
  std::vector<Word> words;
  Word open;
  bool is_open = false;
  const auto finish = [&](std::int32_t number, double share) {
    if (number >= 0 && fusion.closed()) open.text = fusion.word(number);
    open.confidence *= share;
    words.push_back(std::move(open));
    open = Word();
    is_open = false;
  };
  for (const PathUnit& step : path) {
    const bool separates = step.unit == fusion.units().separator();
    if (step.closes) finish(step.closed, separates ? step.share : 1.0);
    if (separates) continue;
    if (!is_open) open.start = step.frame;
    is_open = true;
    open.text += fusion.units().letters(step.unit);
    open.end = step.frame + 1;
    open.confidence *= step.share;
  }
  if (is_open && (last || !fusion.closed())) finish(last ? last->word : -1, last_share);
  return words;
}

}  // namespace speechq::decoders
