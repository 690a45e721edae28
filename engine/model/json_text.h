// Walks through JSON text: single characters of any text, and parts of text that is known to be JSON.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace speechq::engine::json {

inline bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
int hex_digit(char c);  // its value, or -1

// From here on `at` points into text that is known to be JSON.

const char* skip_blanks(const char* at, const char* end);
const char* skip_value(const char* at, const char* end);  // behind the value that begins at `at`
std::string_view string_at(const char* at);               // the string that begins at `at`, with its quotes
unsigned unit_at(const char* digits);                     // the number of a \u escape

// A string as written, with its quotes, as UTF-8.
std::string unescaped(std::string_view quoted);

// Three-way order of two strings as written, by their UTF-8.
int compare_strings(std::string_view a, std::string_view b);

}  // namespace speechq::engine::json
