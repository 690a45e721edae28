#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <tuple>
#include <unordered_set>

#include "decoders/decoder.h"

namespace speechq::decoders {

// A whole text: the prefix of a node with its open word closed.
struct Stream::Final {
  std::int32_t node, slot, closing, time;
  double acoustic, score;
  Text whole;
};

Stream::Stream(std::shared_ptr<const Decoder> decoder)
    : decoder_(std::move(decoder)),
      options_(decoder_->options()),
      fusion_(decoder_->fusion()),
      units_(decoder_->units()),
      separator_(fusion_.units().separator()),
      lm_(fusion_.char_lm() ? fusion_.char_lm()->states() : nullptr),
      tree_(lm_ ? units_ : 0),
      child_at_(static_cast<std::size_t>(units_) * (fusion_.most_closings() + 1), kNil) {
  begin_segment(0, kImpossible, 0.0);
}

Stream::~Stream() = default;

void Stream::begin_segment(std::int32_t unit, double label, double blank) {
  tree_.clear();
  if (before_root_ != kNoState) tree_.released.push_back(before_root_);
  before_root_ = kNoState;
  release_states();
  times_.clear();
  committed_.clear();
  stable_ = TextWriter();
  active_.clear();
  best_node_ = kNil;
  root_ = tree_.add(kNil);
  Node& root = tree_[root_];
  root.unit = unit;
  root.label = label;
  root.blank = blank;
  root.total = log_add(label, blank);
  root.active = true;
  tree_.text(root_) = fusion_.start();
  root.score = root.text_value = fusion_.value(tree_.text(root_));
  if (lm_) root.lm = lm_->start(tree_.row(root_));
  active_.assign(1, root_);
  best_node_ = root_;
}

void Stream::reset() {
  frame_ = scored_ = 0;
  begin_segment(0, kImpossible, 0.0);
}

void Stream::accept(const float* log_probs, std::int64_t frames) {
  constexpr float kMost = 1e-3f;  // what rounding leaves above zero
  const std::int64_t count = frames * units_;
  std::int64_t wrong = 0;
  for (std::int64_t i = 0; i < count; ++i) wrong += !(log_probs[i] <= kMost);
  if (wrong > 0) {
    std::int64_t i = 0;
    while (log_probs[i] <= kMost) ++i;
    throw std::invalid_argument("log-probabilities: frame " + std::to_string(i / units_) + ", symbol " +
                                std::to_string(i % units_) + " is " + std::to_string(log_probs[i]) +
                                "; expected natural logs of probabilities, at most 0");
  }
  try {
    for (std::int64_t t = 0; t < frames; ++t) step(log_probs + t * units_);
  } catch (...) {  // of the character model: prefixes without its scores cannot go on
    active_.clear();
    best_node_ = kNil;
    throw;
  }
}

std::string Stream::partial() {
  TextWriter writer = TextWriter::after(stable_);
  if (best_node_ == kNil) return "";
  std::vector<std::int32_t> path;
  for (std::int32_t n = best_node_; n != root_; n = tree_[n].parent) path.push_back(n);
  for (auto n = path.rbegin(); n != path.rend(); ++n) writer.add(fusion_, tree_[*n].unit, tree_[*n].closed);
  if (fusion_.closed() && tree_.text(best_node_).open) {
    const std::int32_t closing = tree_.closings(best_node_, fusion_);
    if (closing != kNil) writer.add_word(fusion_.word(tree_.closing(closing).word));
  }
  return writer.text();
}

// All whole texts of the beam, best first.
std::vector<Stream::Final> Stream::finals() {
  std::vector<Final> found;
  for (const std::int32_t n : active_) {
    const double total = tree_[n].total;
    const std::int32_t time = tree_[n].time();
    if (separates(n)) {  // the same text as without
      found.push_back({tree_[n].parent, tree_[n].slot, kNil, times_[time].previous, total, 0, {}});
    } else if (!tree_.text(n).open) {
      found.push_back({n, 0, kNil, time, total, 0, {}});
    } else {
      std::int32_t slot = 0;
      for (std::int32_t i = tree_.closings(n, fusion_); i != kNil; i = tree_.next_closing(i))
        found.push_back({n, ++slot, kNil, time, total, 0, {}});
    }
  }
  // Of two entries for one text the stronger one comes first, and gives the times.
  std::sort(found.begin(), found.end(), [](const Final& a, const Final& b) {
    return std::make_tuple(a.node, a.slot, -a.acoustic) < std::make_tuple(b.node, b.slot, -b.acoustic);
  });
  std::size_t count = 0;
  for (const Final& next : found)
    if (count > 0 && found[count - 1].node == next.node && found[count - 1].slot == next.slot)
      found[count - 1].acoustic = log_add(found[count - 1].acoustic, next.acoustic);
    else
      found[count++] = next;
  found.resize(count);
  // The model's scores of an end are not kept: whether somebody asks for them must not change the search.
  waiting_.clear();
  for (const Final& last : found)
    if (lm_ && tree_[last.node].lm == kNoState && (waiting_.empty() || waiting_.back() != last.node))
      waiting_.push_back(last.node);
  if (!waiting_.empty()) {
    advance(waiting_);
    lm_->release(static_cast<int>(waiting_.size()), lm_block_.state.data());
  }
  for (Final& last : found) {
    if (last.slot > 0) {
      last.closing = tree_.closings(last.node, fusion_);
      for (std::int32_t i = 1; i < last.slot; ++i) last.closing = tree_.next_closing(last.closing);
    }
    const Closing* closing = last.closing == kNil ? nullptr : &tree_.closing(last.closing);
    const auto place = std::lower_bound(waiting_.begin(), waiting_.end(), last.node);
    const float* row = tree_.row(last.node);
    if (place != waiting_.end() && *place == last.node)
      row = lm_block_.rows.data() + (place - waiting_.begin()) * units_;
    last.whole = fusion_.finish(tree_.text(last.node), closing, row);
    last.score = last.acoustic + fusion_.value(last.whole);
  }
  found.erase(
      std::remove_if(found.begin(), found.end(), [](const Final& f) { return f.score == kImpossible; }),
      found.end());
  std::stable_sort(found.begin(), found.end(),
                   [](const Final& a, const Final& b) { return a.score > b.score; });
  return found;
}

// time: of the node's unit. mass: of the whole texts at and below each node, the best one being 1.
std::vector<PathUnit> Stream::path_to(std::int32_t node, std::int32_t time,
                                      const std::vector<double>& mass) const {
  std::vector<PathUnit> path = committed_;
  for (std::int32_t n = node; n != root_; n = tree_[n].parent) {
    const Node& here = tree_[n];
    const double share = mass[n] / (mass[here.parent] + tree_[here.parent].lost);
    path.insert(path.begin() + static_cast<std::ptrdiff_t>(committed_.size()),
                {here.unit, here.closed, here.slot > 0, times_[time].frame, share});
    time = times_[time].previous;
  }
  if (committed_.empty()) return path;
  if (time != Alignment::kNone) path[committed_.size() - 1].frame = times_[time].frame;
  // The times of what is certain were those of another prefix.
  for (std::size_t i = path.size(); i-- > 1;)
    path[i - 1].frame = std::min(path[i - 1].frame, path[i].frame - 1);
  return path;
}

std::vector<Hypothesis> Stream::best(int count) {
  const std::vector<Final> all = finals();
  if (all.empty()) return {incomplete()};
  std::vector<double> mass(static_cast<std::size_t>(tree_.capacity()), 0.0);
  for (const Final& last : all)
    for (std::int32_t n = last.node; n != kNil; n = tree_[n].parent)
      mass[n] += std::exp(last.score - all.front().score);
  std::vector<Hypothesis> hypotheses;
  std::unordered_set<std::string> texts;
  for (const Final& last : all) {
    if (static_cast<int>(hypotheses.size()) >= std::max(count, 1)) break;
    const std::vector<PathUnit> path = path_to(last.node, last.time, mass);
    const Closing* closing = last.closing == kNil ? nullptr : &tree_.closing(last.closing);
    const double share = std::exp(last.score - all.front().score) / (mass[last.node] + tree_[last.node].lost);
    Hypothesis hypothesis;
    hypothesis.words = words_of(fusion_, path, closing, share);
    for (const Word& word : hypothesis.words)
      hypothesis.text += (hypothesis.text.empty() ? "" : " ") + word.text;
    if (!texts.insert(hypothesis.text).second) continue;  // word pieces spell a text in several ways
    hypothesis.score = last.score;
    hypothesis.acoustic = last.acoustic;
    hypothesis.char_lm = last.whole.char_lm;
    hypothesis.known_char_lm = last.whole.known_char_lm;
    hypothesis.ngram = last.whole.ngram;
    for (const PathUnit& unit : path) hypothesis.units.push_back({unit.unit, unit.frame});
    hypotheses.push_back(std::move(hypothesis));
  }
  return hypotheses;
}

// The best prefix up to its last closed word.
Hypothesis Stream::incomplete() const {
  const std::int32_t node = best_node_ == kNil ? root_ : best_node_;
  const std::vector<double> mass(static_cast<std::size_t>(tree_.capacity()), 1.0);
  const std::vector<PathUnit> path = path_to(node, tree_[node].time(), mass);
  Hypothesis hypothesis;
  hypothesis.words = words_of(fusion_, path, nullptr, 1.0);
  for (const Word& word : hypothesis.words)
    hypothesis.text += (hypothesis.text.empty() ? "" : " ") + word.text;
  hypothesis.score = kImpossible;
  hypothesis.acoustic = tree_[node].total;
  for (const PathUnit& unit : path) hypothesis.units.push_back({unit.unit, unit.frame});
  return hypothesis;
}

std::vector<Hypothesis> Stream::finish(int count) {
  std::vector<Hypothesis> hypotheses = best(count);
  std::int32_t unit = 0;
  double label = kImpossible, blank = 0;
  if (best_node_ != kNil && !separates(best_node_)) {
    const Node& node = tree_[best_node_];
    unit = node.unit;
    label = node.label - node.total;
    blank = node.blank - node.total;
  }
  begin_segment(unit, label, blank);
  return hypotheses;
}

std::size_t Stream::bytes() const {
  return tree_.bytes() + times_.bytes() + active_.capacity() * sizeof(std::int32_t) +
         candidates_.capacity() * sizeof(Candidate) + keys_.capacity() * sizeof(Key) +
         (lm_ ? lm_->bytes() : 0);
}

}  // namespace speechq::decoders
