#include "model/json_check.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "model/json.h"
#include "model/json_text.h"

namespace speechq::engine::json {
namespace {

constexpr int kMaxDepth = 64;

class Checker {
 public:
  explicit Checker(std::string_view text) : text_(text) {}

  // The text without the blanks around it.
  std::string_view run() {
    if (text_.size() > std::numeric_limits<std::uint32_t>::max()) fail("longer than 4 GiB");
    blanks();
    const std::size_t begin = at_;
    value(0);
    const std::size_t end = at_;
    blanks();
    if (at_ != text_.size()) fail("text behind the value");
    return text_.substr(begin, end - begin);
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const {
    throw Error("byte " + std::to_string(at_) + ": " + problem);
  }

  // 0 at the end, which no rule accepts.
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  bool take(char wanted) {
    if (at_ == text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }

  void expect(char wanted) {
    if (!take(wanted)) fail(std::string("expected ") + wanted);
  }

  void blanks() {
    while (is_blank(peek())) ++at_;
  }

  void value(int depth) {
    if (depth > kMaxDepth) fail("nested too deeply");
    switch (peek()) {
      case '{':
        return object(depth);
      case '[':
        return array(depth);
      case '"':
        return string();
      case 't':
        return word("true");
      case 'f':
        return word("false");
      case 'n':
        return word("null");
      default:
        return number();
    }
  }

  void array(int depth) {
    ++at_;
    blanks();
    if (take(']')) return;
    do {
      blanks();
      value(depth + 1);
      blanks();
    } while (take(','));
    expect(']');
  }

  void object(int depth) {
    const std::size_t first = keys_.size();
    ++at_;
    blanks();
    if (take('}')) return;
    do {
      blanks();
      if (peek() != '"') fail("expected a key");
      keys_.push_back(static_cast<std::uint32_t>(at_));
      string();
      blanks();
      expect(':');
      blanks();
      value(depth + 1);
      blanks();
    } while (take(','));
    expect('}');
    unique_keys(first);
  }

  // Checks the keys from number `first` on and forgets them.
  void unique_keys(std::size_t first) {
    const auto begin = keys_.begin() + static_cast<std::ptrdiff_t>(first);
    const auto key = [this](std::uint32_t at) { return string_at(text_.data() + at); };
    std::sort(begin, keys_.end(),
              [&](std::uint32_t a, std::uint32_t b) { return compare_strings(key(a), key(b)) < 0; });
    const auto twice = std::adjacent_find(begin, keys_.end(), [&](std::uint32_t a, std::uint32_t b) {
      return compare_strings(key(a), key(b)) == 0;
    });
    if (twice != keys_.end()) fail("the key " + Value(key(*twice)).shown() + " occurs twice");
    keys_.resize(first);
  }

  void word(std::string_view wanted) {
    if (text_.substr(at_, wanted.size()) != wanted) fail("expected a value");
    at_ += wanted.size();
  }

  void digits() {
    if (!is_digit(peek())) fail("expected a digit");
    while (is_digit(peek())) ++at_;
  }

  void number() {
    const bool negative = take('-');
    if (!negative && !is_digit(peek())) fail("expected a value");
    if (!take('0')) digits();
    if (take('.')) digits();
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      digits();
    }
  }

  void string() {
    ++at_;
    while (!take('"')) {
      if (at_ == text_.size()) fail("a string that does not end");
      const auto byte = static_cast<unsigned char>(text_[at_]);
      if (byte < 0x20) fail("a control character in a string");
      if (byte == '\\')
        escape();
      else if (byte < 0x80)
        ++at_;
      else
        utf8();
    }
  }

  void escape() {
    ++at_;
    if (!take('u')) {
      constexpr std::string_view kKnown = "\"\\/bfnrt";
      if (at_ == text_.size() || kKnown.find(text_[at_]) == std::string_view::npos) fail("unknown escape");
      ++at_;
      return;
    }
    const unsigned unit = hex4();
    if (unit < 0xd800 || unit > 0xdfff) return;
    const bool paired = unit < 0xdc00 && take('\\') && take('u');
    const unsigned second = paired ? hex4() : 0;
    if (second < 0xdc00 || second > 0xdfff) fail("half of a surrogate pair");
  }

  unsigned hex4() {
    for (std::size_t i = 0; i < 4; ++i)
      if (at_ + i >= text_.size() || hex_digit(text_[at_ + i]) < 0) fail("expected four hexadecimal digits");
    at_ += 4;
    return unit_at(text_.data() + at_ - 4);
  }

  // One code point of two to four bytes: in its shortest form, no surrogate, at most U+10FFFF.
  void utf8() {
    const auto byte = [this](std::size_t i) {
      return at_ + i < text_.size() ? static_cast<unsigned char>(text_[at_ + i]) : 0u;
    };
    const unsigned first = byte(0);
    const std::size_t length = first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf8 ? 4 : 0;
    if (length == 0) fail("not UTF-8");
    unsigned point = first & (0x7fu >> length);
    for (std::size_t i = 1; i < length; ++i) {
      if ((byte(i) & 0xc0) != 0x80) fail("not UTF-8");
      point = point << 6 | (byte(i) & 0x3f);
    }
    const unsigned least = length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000;
    if (point < least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) fail("not UTF-8");
    at_ += length;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<std::uint32_t> keys_;  // where the keys of the objects that are open begin
};

}  // namespace

std::string_view checked(std::string_view text) { return Checker(text).run(); }

}  // namespace speechq::engine::json
