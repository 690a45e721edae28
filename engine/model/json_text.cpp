#include "model/json_text.h"

namespace speechq::engine::json {
namespace {

// Behind the string that begins at `at`.
const char* skip_string(const char* at) {
  for (++at; *at != '"'; ++at)
    if (*at == '\\') ++at;
  return at + 1;
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

}  // namespace

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

const char* skip_blanks(const char* at, const char* end) {
  while (at != end && is_blank(*at)) ++at;
  return at;
}

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

int compare_strings(std::string_view a, std::string_view b) {
  const bool plain = a.find('\\') == std::string_view::npos && b.find('\\') == std::string_view::npos;
  if (!plain) return unescaped(a).compare(unescaped(b));
  return a.substr(1, a.size() - 2).compare(b.substr(1, b.size() - 2));
}

}  // namespace speechq::engine::json
