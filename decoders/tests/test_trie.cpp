#include <doctest/doctest.h>

#include <map>
#include <random>
#include <set>

#include "decoders/trie.h"

using namespace speechq::decoders;

TEST_CASE("a trie finds the values of every sequence, and nothing else") {
  std::mt19937 random(1);
  for (const int labels : {2, 30, 63, 64, 65, 300}) {
    std::map<std::vector<Label>, std::set<std::int32_t>> expected;
    std::vector<Trie::Entry> entries;
    for (std::int32_t value = 0; value < 400; ++value) {
      std::vector<Label> sequence(random() % 4);
      for (Label& label : sequence) label = static_cast<Label>(random() % labels);
      for (unsigned copies = random() % 2; copies < 2; ++copies) entries.push_back({sequence, value});
      expected[sequence].insert(value);
    }
    const Trie trie(entries);
    std::set<Trie::Node> visited{Trie::kRoot};
    for (const auto& [sequence, values] : expected) {
      Trie::Node node = Trie::kRoot;
      for (const Label label : sequence) {
        const Trie::Node next = trie.child(node, label);
        REQUIRE(next > node);
        CHECK(trie.parent(next) == node);
        CHECK(trie.label(next) == label);
        visited.insert(node = next);
      }
      CHECK(std::set<std::int32_t>(trie.values(node).begin(), trie.values(node).end()) == values);
      CHECK(static_cast<std::size_t>(trie.values(node).last - trie.values(node).first) == values.size());
    }
    CHECK(visited.size() == static_cast<std::size_t>(trie.size()));
    for (Trie::Node node = 0; node < trie.size(); ++node)
      for (Label label = 0; label < labels + 3; ++label) {
        const Trie::Node next = trie.child(node, label);
        if (next != Trie::kNone) CHECK(trie.parent(next) == node);
        if (next != Trie::kNone) CHECK(trie.label(next) == label);
      }
  }
}

TEST_CASE("an empty trie is a root") {
  const Trie trie;
  CHECK(trie.size() == 1);
  CHECK(trie.child(Trie::kRoot, 0) == Trie::kNone);
  CHECK(trie.values(Trie::kRoot).empty());
}
