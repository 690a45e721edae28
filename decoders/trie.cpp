#include "decoders/trie.h"

#include <tuple>

namespace speechq::decoders {

Trie::Trie(std::vector<Entry> entries) {
  const auto key = [](const Entry& entry) { return std::tie(entry.labels, entry.value); };
  std::sort(entries.begin(), entries.end(), [&](const Entry& a, const Entry& b) { return key(a) < key(b); });
  entries.erase(std::unique(entries.begin(), entries.end(),
                            [&](const Entry& a, const Entry& b) { return key(a) == key(b); }),
                entries.end());
  // The entries below a node are neighbours, the ones that end at it first.
  struct Range {
    std::size_t begin, end, depth;
  };
  std::vector<Range> ranges;
  const auto add = [&](Node parent, Label label, const Range& range) {
    children_.emplace_back();
    parents_.push_back(parent);
    labels_.push_back(label);
    ranges.push_back(range);
  };
  add(kNone, 0, {0, entries.size(), 0});
  for (Node node = 0; node < size(); ++node) {
    auto [i, end, depth] = ranges[node];
    first_value_.push_back(static_cast<std::int32_t>(values_.size()));
    for (; i < end && entries[i].labels.size() == depth; ++i) values_.push_back(entries[i].value);
    Children below{0, size(), 0};
    while (i < end) {
      const std::size_t begin = i;
      const Label label = entries[begin].labels[depth];
      while (i < end && entries[i].labels[depth] == label) ++i;
      add(node, label, {begin, i, depth + 1});
      if (label < 64) below.low |= std::uint64_t{1} << label;
      ++below.count;
    }
    children_[node] = below;
  }
  first_value_.push_back(static_cast<std::int32_t>(values_.size()));
}

}  // namespace speechq::decoders
