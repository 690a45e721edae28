#include <doctest/doctest.h>

#include <stdexcept>

#include "decoders/units.h"

using namespace speechq::decoders;

TEST_CASE("characters") {
  const Units units(UnitKind::characters, {"<blank>", " ", "a", "\xc3\xa9"});
  CHECK(units.separator() == 1);
  std::vector<Label> labels;
  CHECK(units.spell("a\xc3\xa9 a", labels));
  CHECK(labels == std::vector<Label>{2, 3, 2});
  CHECK_FALSE(units.spell("ab", labels));
  CHECK_FALSE(units.spell("", labels));
  CHECK_FALSE(units.spell("\xc3", labels));
}

TEST_CASE("phones") {
  const Units units(UnitKind::phones, {"<blank>", "sil", "aa"});
  CHECK(units.separator() == 0);
  std::vector<Label> labels;
  CHECK(units.spell(" aa\tsil", labels));
  CHECK(labels == std::vector<Label>{2, 1});
  CHECK_FALSE(units.spell("aasil", labels));
}

TEST_CASE("word pieces are spelled in characters") {
  const std::string marker = "\xe2\x96\x81";
  const Units units(UnitKind::pieces, {"<blank>", marker, marker + "ab", "ab", "b"});
  CHECK(units.separator() == 1);
  CHECK(units.marked(2));
  CHECK_FALSE(units.marked(3));
  CHECK_FALSE(units.marked(1));
  CHECK(units.letters(2) == "ab");
  CHECK(units.labels(2) == units.labels(3));
  std::vector<Label> labels;
  CHECK(units.spell(marker + "ab" + "b", labels));
  CHECK(labels == std::vector<Label>{1, 2, 2});
}

TEST_CASE("units that cannot be") {
  CHECK_THROWS_AS(Units(UnitKind::phones, {"<blank>"}), std::invalid_argument);
  CHECK_THROWS_AS(Units(UnitKind::phones, {"<blank>", ""}), std::invalid_argument);
}

TEST_CASE("broken UTF-8 is cut into bytes and characters") {
  CHECK(characters("a\xc3\xa9\xff") == std::vector<std::string>{"a", "\xc3\xa9", "\xff"});
  CHECK(split(" a  b\n") == std::vector<std::string>{"a", "b"});
}
