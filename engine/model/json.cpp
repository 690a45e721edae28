#include "model/json.h"

#include <charconv>
#include <system_error>

#include "model/json_check.h"
#include "model/json_text.h"

namespace speechq::engine::json {
namespace {

constexpr std::size_t kShown = 60;

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

Value parse(std::string_view text) { return Value(checked(text)); }

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
