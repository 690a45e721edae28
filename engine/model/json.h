// A strict JSON reader (RFC 8259): valid UTF-8, no key twice in an object, limited depth. The text is checked
// once as a whole; a Value is a view of a part of it, so that reading needs hardly any memory, whatever a
// damaged file holds. The text must outlive its Values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace speechq::engine::json {

// The text is not JSON, or a value is not what was asked for.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

enum class Type { null, boolean, number, string, array, object };

const char* type_name(Type type);  // for an error message: "a string"

class Items;

class Value {
 public:
  explicit Value(std::string_view checked) : text_(checked) {}  // `checked`: one value, without blanks around
  Type type() const;
  std::string_view text() const { return text_; }  // as written
  std::string shown() const;                       // the beginning of it, for an error message

  // The content; each throws Error for a value of another type.
  bool boolean() const;
  double number() const;         // throws also beyond the range of double
  std::int64_t integer() const;  // throws also for a fraction, an exponent, or beyond 64 bits
  std::string string() const;    // UTF-8
  Items elements() const;        // of an array
  Items members() const;         // of an object
  std::int64_t size() const;     // elements of an array
  std::optional<Value> find(std::string_view key) const;  // in an object
  Value at(std::string_view key) const;                   // the same; throws Error if it is missing

 private:
  void expect(Type wanted) const;

  std::string_view text_;
};

// Throws Error, saying at which byte, unless `text` is one JSON value (with blanks around it or not).
Value parse(std::string_view text);

struct Item {
  std::string_view key;  // of a member: as written, with the quotes
  Value value;

  std::string name() const;  // the key as UTF-8
  bool named(std::string_view wanted) const;
};

// The elements of an array or the members of an object, in the order of the text.
class Items {
 public:
  class Iterator {
   public:
    const Item& operator*() const { return item_; }
    const Item* operator->() const { return &item_; }
    Iterator& operator++();
    bool operator!=(const Iterator& other) const { return at_ != other.at_; }

   private:
    friend class Items;
    Iterator(const char* at, const char* end, bool keyed);
    void read();

    const char *at_, *end_;  // at_: where the item begins, or end_: behind the last one
    bool keyed_;
    Item item_;
  };

  Iterator begin() const;
  Iterator end() const;

 private:
  friend class Value;
  Items(std::string_view inner, bool keyed) : inner_(inner), keyed_(keyed) {}

  std::string_view inner_;  // what is between the brackets
  bool keyed_;
};

}  // namespace speechq::engine::json
