#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "model/json.h"

namespace json = speechq::engine::json;

namespace {

// What is wrong with `text`; empty if nothing is.
std::string problem(const std::string& text) {
  try {
    json::parse(text);
    return "";
  } catch (const json::Error& error) {
    return error.what();
  }
}

std::string nested(int depth) { return std::string(depth, '[') + std::string(depth, ']'); }

}  // namespace

TEST_CASE("JSON that is accepted") {
  const std::vector<std::string> texts = {"null",
                                          "true",
                                          "false",
                                          "0",
                                          "-0",
                                          "1",
                                          "-12.5",
                                          "1e9",
                                          "1E+9",
                                          "1.25e-3",
                                          "\"\"",
                                          "[]",
                                          "{}",
                                          " [ ] ",
                                          "\t{\n}\r",
                                          "[1,2,[3]]",
                                          "{\"a\":1,\"b\":{\"a\":2}}",
                                          " { \"a\" : [ 1 , null ] } ",
                                          R"("\"\\\/\b\f\n\r\t\u00e9\uD83D\ude00")",
                                          "\"\xc3\xa9\xe2\x96\x81\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf\"",
                                          "[{\"a\":1},{\"a\":1}]",
                                          "\"\x7f\"",
                                          nested(64)};
  for (const std::string& text : texts) {
    INFO(text);
    CHECK(problem(text) == "");
  }
}

TEST_CASE("JSON that is refused, with the place and the reason") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "byte 0: expected a value"},
      {" ", "byte 1: expected a value"},
      {"nul", "expected a value"},
      {"True", "expected a value"},
      {"NaN", "expected a value"},
      {"Infinity", "expected a value"},
      {"-Infinity", "expected a digit"},
      {"01", "byte 1: text behind the value"},
      {"+1", "expected a value"},
      {".5", "expected a value"},
      {"-", "expected a digit"},
      {"1.", "byte 2: expected a digit"},
      {"1e", "expected a digit"},
      {"1e+-1", "expected a digit"},
      {"0x10", "text behind"},
      {"1 2", "byte 2: text behind the value"},
      {"[1,]", "expected a value"},
      {"[1 2]", "byte 3: expected ]"},
      {"[,1]", "expected a value"},
      {"[1", "expected ]"},
      {"]", "expected a value"},
      {"{\"a\"}", "expected :"},
      {"{\"a\":}", "expected a value"},
      {"{\"a\":1,}", "expected a key"},
      {"{a:1}", "expected a key"},
      {"{1:1}", "expected a key"},
      {"{\"a\":1", "expected }"},
      {"{\"a\":1]", "expected }"},
      {"// no\n1", "expected a value"},
      {"'a'", "expected a value"},
      {"\"a", "does not end"},
      {"\"\\", "unknown escape"},
      {"\"\\\"", "does not end"},
      {"\"\\x\"", "unknown escape"},
      {"\"\\u12\"", "four hexadecimal digits"},
      {"\"\\u12g4\"", "four hexadecimal digits"},
      {"\"\\u123", "four hexadecimal digits"},
      {"\"\\ud800\"", "surrogate"},
      {"\"\\ud800\\n\"", "surrogate"},
      {"\"\\ud800\\u0041\"", "surrogate"},
      {"\"\\ud800\\ud800\"", "surrogate"},
      {"\"\\udc00\"", "surrogate"},
      {std::string("\"\n\""), "control character"},
      {std::string("\"\0\"", 3), "control character"},
      {std::string("\0", 1), "expected a value"},
      {std::string("1\0", 2), "text behind"},
      {"\"\x80\"", "not UTF-8"},
      {"\"\xc3\"", "not UTF-8"},
      {"\"\xc3", "not UTF-8"},
      {"\"\xc0\xaf\"", "not UTF-8"},              // not the shortest form
      {"\"\xe0\x80\xaf\"", "not UTF-8"},          // not the shortest form
      {"\"\xf0\x80\x80\xaf\"", "not UTF-8"},      // not the shortest form
      {"\"\xed\xa0\x80\"", "not UTF-8"},          // a surrogate
      {"\"\xf4\x90\x80\x80\"", "not UTF-8"},      // beyond U+10FFFF
      {"\"\xf8\x88\x80\x80\x80\"", "not UTF-8"},  // five bytes
      {"\xef\xbb\xbf[]", "expected a value"},     // a byte order mark
      {"{\"a\":1,\"b\":2,\"a\":3}", "the key \"a\" occurs twice"},
      {"{\"a\":1,\"\\u0061\":3}", "occurs twice"},
      {"[0,{\"x\":{\"b\":1,\"b\":1}}]", "the key \"b\" occurs twice"},
      {nested(66), "nested too deeply"},
      {std::string(1'000'000, '['), "nested too deeply"},
      {[] {
         std::string text;
         for (int i = 0; i < 100'000; ++i) text += "{\"a\":";
         return text;
       }(),
       "nested too deeply"},
  };
  for (const auto& [text, reason] : cases) {
    INFO(text.substr(0, 40));
    CHECK(problem(text).find(reason) != std::string::npos);
    CHECK(problem(text).substr(0, 5) == "byte ");
  }
}

TEST_CASE("every cut of a text is refused") {
  const std::string text = R"({"a":[1,-2.5e3,true,null,"x\u00e9\ud83d\ude00"],"b":{"c":"","d":[]}})";
  CHECK(problem(text) == "");
  for (std::size_t length = 0; length < text.size(); ++length) CHECK(problem(text.substr(0, length)) != "");
}

TEST_CASE("what a text holds") {
  const std::string text =
      R"( {"n" : -12 , "x":2.5e-1,"t":true,"s":"a\"\\\/\b\f\n\r\t\u00e9\u2581\ud83d\ude00","l":[1,[2],{"k":3},"]"],)"
      R"("o":{"z":null,"\u0061":"}"},"big":9223372036854775807,"least":-9223372036854775808} )";
  const json::Value value = json::parse(text);
  CHECK(value.type() == json::Type::object);
  CHECK(value.at("n").integer() == -12);
  CHECK(value.at("n").number() == -12.0);
  CHECK(value.at("x").number() == 0.25);
  CHECK(value.at("t").boolean());
  CHECK(value.at("s").string() == "a\"\\/\b\f\n\r\t\xc3\xa9\xe2\x96\x81\xf0\x9f\x98\x80");
  CHECK(value.at("big").integer() == INT64_MAX);
  CHECK(value.at("least").integer() == INT64_MIN);
  CHECK(value.at("o").at("z").type() == json::Type::null);
  CHECK(value.at("o").at("a").string() == "}");
  CHECK(value.at("o").at("a").text() == "\"}\"");
  CHECK_FALSE(value.find("absent"));

  const json::Value list = value.at("l");
  CHECK(list.size() == 4);
  std::vector<std::string> texts;
  for (const json::Item& item : list.elements()) texts.emplace_back(item.value.text());
  CHECK(texts == std::vector<std::string>{"1", "[2]", "{\"k\":3}", "\"]\""});
  std::vector<std::string> names;
  for (const json::Item& item : value.at("o").members()) names.push_back(item.name());
  CHECK(names == std::vector<std::string>{"z", "a"});
  CHECK(json::parse("[ ]").size() == 0);
}

TEST_CASE("values of another type are refused") {
  const std::vector<std::string> no_integers = {
      "1.0", "1e3", "9223372036854775808", "-9223372036854775809", "\"1\"", "true", "null", "[1]", "{}"};
  for (const std::string& text : no_integers) CHECK_THROWS_AS(json::parse(text).integer(), json::Error);
  for (const std::string text : {"1e999", "-1e999", "\"1\"", "null"})
    CHECK_THROWS_AS(json::parse(text).number(), json::Error);
  CHECK_THROWS_AS(json::parse("1").string(), json::Error);
  CHECK_THROWS_AS(json::parse("1").boolean(), json::Error);
  CHECK_THROWS_AS(json::parse("{}").elements(), json::Error);
  CHECK_THROWS_AS(json::parse("[]").members(), json::Error);
  CHECK_THROWS_AS(json::parse("[]").find("a"), json::Error);
  CHECK_THROWS_WITH_AS(json::parse("{}").at("a"), "a is missing", json::Error);
}

TEST_CASE("a long value is shown by its beginning, in whole characters") {
  std::string text = "\"";
  for (int i = 0; i < 100; ++i) text += "\xe2\x96\x81";
  text += '"';
  const std::string shown = json::parse(text).shown();
  CHECK(shown.size() <= 63);
  CHECK(problem(shown.substr(0, shown.size() - 3) + "\"") == "");
}
