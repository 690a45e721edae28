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
  std::vector<Range> ranges{{0, entries.size(), 0}};
  nodes_.push_back({kNone, 0, 0, 0});
  labels_.push_back(0);
  for (Node node = 0; node < size(); ++node) {
    auto [i, end, depth] = ranges[node];
    nodes_[node].values = static_cast<std::int32_t>(values_.size());
    for (; i < end && entries[i].labels.size() == depth; ++i) values_.push_back(entries[i].value);
    nodes_[node].children = size();
    while (i < end) {
      const std::size_t begin = i;
      const Label label = entries[begin].labels[depth];
      while (i < end && entries[i].labels[depth] == label) ++i;
      nodes_.push_back({node, 0, 0, 0});
      labels_.push_back(label);
      ranges.push_back({begin, i, depth + 1});
    }
    nodes_[node].count = size() - nodes_[node].children;
  }
}

}  // namespace speechq::decoders
