#include "model/json.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <system_error>
#include <vector>

namespace speechq::engine::json {
namespace {

constexpr int kMaxDepth = 64;
constexpr std::size_t kShown = 60;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The functions that take pointers walk through text that is known to be JSON.

const char* skip_blanks(const char* at, const char* end) {
  while (at != end && is_blank(*at)) ++at;
  return at;
}

// Behind the string that begins at `at`.
const char* skip_string(const char* at) {
  for (++at; *at != '"'; ++at)
    if (*at == '\\') ++at;
  return at + 1;
}

// Behind the value that begins at `at`.
const char* skip_value(const char* at, const char* end) {
  if (*at == '"') return skip_string(at);
  if (*at != '{' && *at != '[') {
    while (at != end && *at != ',' && *at != ']' && *at != '}' && !is_blank(*at)) ++at;
    return at;
  }
  int open = 0;
  do {
    if (*at == '"') {
      at = skip_string(at);
      continue;
    }
    if (*at == '{' || *at == '[') ++open;
    if (*at == '}' || *at == ']') --open;
    ++at;
  } while (open != 0);
  return at;
}

std::string_view string_at(const char* at) { return {at, static_cast<std::size_t>(skip_string(at) - at)}; }

unsigned unit_at(const char* digits) {
  unsigned unit = 0;
  for (int i = 0; i < 4; ++i) unit = unit * 16 + static_cast<unsigned>(hex_digit(digits[i]));
  return unit;
}

void append_utf8(std::string& out, unsigned point) {
  const auto low = [](unsigned bits) { return static_cast<char>(0x80 | (bits & 0x3f)); };
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xc0 | point >> 6);
    out += low(point);
  } else if (point < 0x10000) {
    out += static_cast<char>(0xe0 | point >> 12);
    out += low(point >> 6);
    out += low(point);
  } else {
    out += static_cast<char>(0xf0 | point >> 18);
    out += low(point >> 12);
    out += low(point >> 6);
    out += low(point);
  }
}

// `quoted` without its quotes and escapes.
std::string unescaped(std::string_view quoted) {
  std::string out;
  out.reserve(quoted.size() - 2);
  const char* at = quoted.data() + 1;
  for (const char* end = quoted.data() + quoted.size() - 1; at != end;) {
    if (*at != '\\') {
      out += *at++;
      continue;
    }
    const char kind = at[1];
    at += 2;
    if (kind == 'u') {
      unsigned point = unit_at(at);
      at += 4;
      if (point >= 0xd800 && point < 0xdc00) {  // the check saw to it that its second half follows
        point = 0x10000 + ((point - 0xd800) << 10) + (unit_at(at + 2) - 0xdc00);
        at += 6;
      }
      append_utf8(out, point);
      continue;
    }
    constexpr std::string_view kNames = "bfnrt", kControls = "\b\f\n\r\t";
    const std::size_t control = kNames.find(kind);
    out += control == std::string_view::npos ? kind : kControls[control];
  }
  return out;
}

// Three-way order of two strings as written, by their UTF-8.
int compare_strings(std::string_view a, std::string_view b) {
  const bool plain = a.find('\\') == std::string_view::npos && b.find('\\') == std::string_view::npos;
  if (!plain) return unescaped(a).compare(unescaped(b));
  return a.substr(1, a.size() - 2).compare(b.substr(1, b.size() - 2));
}

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

const char* type_name(Type type) {
  switch (type) {
    case Type::null:
      return "null";
    case Type::boolean:
      return "true or false";
    case Type::number:
      return "a number";
    case Type::string:
      return "a string";
    case Type::array:
      return "a list";
    default:
      return "an object";
  }
}

Value parse(std::string_view text) { return Value(Checker(text).run()); }

Type Value::type() const {
  switch (text_.front()) {
    case '{':
      return Type::object;
    case '[':
      return Type::array;
    case '"':
      return Type::string;
    case 't':
    case 'f':
      return Type::boolean;
    case 'n':
      return Type::null;
    default:
      return Type::number;
  }
}

std::string Value::shown() const {
  if (text_.size() <= kShown) return std::string(text_);
  std::size_t length = kShown;
  while ((static_cast<unsigned char>(text_[length]) & 0xc0) == 0x80) --length;  // whole code points
  return std::string(text_.substr(0, length)) + "...";
}

void Value::expect(Type wanted) const {
  if (type() != wanted) throw Error("found " + shown() + ", expected " + type_name(wanted));
}

bool Value::boolean() const {
  expect(Type::boolean);
  return text_.front() == 't';
}

double Value::number() const {
  expect(Type::number);
  double result = 0;
  if (std::from_chars(text_.data(), text_.data() + text_.size(), result).ec != std::errc())
    throw Error("found " + shown() + ", which is beyond the range of numbers");
  return result;
}

std::int64_t Value::integer() const {
  std::int64_t result = 0;
  const char* end = text_.data() + text_.size();
  const auto read = std::from_chars(text_.data(), end, result);
  if (type() != Type::number || read.ec != std::errc() || read.ptr != end)
    throw Error("found " + shown() + ", expected an integer of at most 64 bits");
  return result;
}

std::string Value::string() const {
  expect(Type::string);
  return unescaped(text_);
}

Items Value::elements() const {
  expect(Type::array);
  return Items(text_.substr(1, text_.size() - 2), false);
}

Items Value::members() const {
  expect(Type::object);
  return Items(text_.substr(1, text_.size() - 2), true);
}

std::int64_t Value::size() const {
  std::int64_t count = 0;
  const Items items = elements();
  for (auto at = items.begin(); at != items.end(); ++at) ++count;
  return count;
}

std::optional<Value> Value::find(std::string_view key) const {
  for (const Item& item : members())
    if (item.named(key)) return item.value;
  return std::nullopt;
}

Value Value::at(std::string_view key) const {
  const std::optional<Value> found = find(key);
  if (!found) throw Error(std::string(key) + " is missing");
  return *found;
}

std::string Item::name() const { return unescaped(key); }

bool Item::named(std::string_view wanted) const {
  return key.find('\\') == std::string_view::npos ? key.substr(1, key.size() - 2) == wanted
                                                  : name() == wanted;
}

Items::Iterator Items::begin() const {
  return Iterator(inner_.data(), inner_.data() + inner_.size(), keyed_);
}

Items::Iterator Items::end() const {
  const char* end = inner_.data() + inner_.size();
  return Iterator(end, end, keyed_);
}

Items::Iterator::Iterator(const char* at, const char* end, bool keyed)
    : at_(skip_blanks(at, end)), end_(end), keyed_(keyed), item_{{}, Value({})} {
  read();
}

void Items::Iterator::read() {
  if (at_ == end_) return;
  const char* at = at_;
  if (keyed_) {
    item_.key = string_at(at);
    at = skip_blanks(at + item_.key.size(), end_);
    at = skip_blanks(at + 1, end_);  // the colon
  }
  item_.value = Value({at, static_cast<std::size_t>(skip_value(at, end_) - at)});
}

Items::Iterator& Items::Iterator::operator++() {
  const std::string_view value = item_.value.text();
  at_ = skip_blanks(value.data() + value.size(), end_);
  if (at_ != end_) at_ = skip_blanks(at_ + 1, end_);  // the comma
  read();
  return *this;
}

}  // namespace speechq::engine::json
