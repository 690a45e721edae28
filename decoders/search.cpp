// One frame of the search; what a stream says about it is in stream.cpp.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "decoders/decoder.h"

namespace speechq::decoders {

void Stream::step(const float* row) {
  candidates_.clear();
  best_ = least_ = kImpossible;
  full_ = static_cast<std::size_t>(options_.beam);
  find_units(row);
  keep_on(row);
  extend(row);
  select();
  rebuild();
  prune_depth();
  advance_root();
  release_states();
  ++frame_;
}

// The units likely enough to extend prefixes, the likeliest first.
void Stream::find_units(const float* row) {
  const float top = *std::max_element(row, row + units_);
  const double least =
      std::max<double>(top + options_.symbol_threshold, std::numeric_limits<float>::lowest());
  extending_.clear();
  for (int unit = 1; unit < units_; ++unit)
    if (row[unit] >= least) extending_.push_back(unit);
  std::sort(extending_.begin(), extending_.end(),
            [row](std::int32_t a, std::int32_t b) { return row[a] > row[b] || (row[a] == row[b] && a < b); });
}

// The time of the parent's unit on the alignments from which a unit can follow.
std::int32_t Stream::time_before(const Node& parent, std::int32_t unit) {
  return parent.unit == unit ? parent.in_blank : parent.time();
}

// The prefixes of the beam without a further unit: blanks, their last label held, and that label coming from
// the parent, which had the time before.
void Stream::keep_on(const float* row) {
  const double blank = row[0];
  for (const std::int32_t n : active_) {
    Node& node = tree_[n];
    const float label = row[node.unit];
    Candidate next{};
    // Separators in a row are one: another one changes nothing, even after a blank.
    const double held = separates(n) ? node.total : node.label;
    double in = kImpossible;
    next.time = separates(n) ? node.time() : node.in_label;
    if (node.parent != kNil) {
      const Node& parent = tree_[node.parent];
      in = parent.unit == node.unit ? parent.blank : parent.total;
      if (in > held) {
        next.came_in = true;
        next.time = time_before(parent, node.unit);
      }
    }
    next.higher = !next.came_in && next.time != Alignment::kNone && label > times_[next.time].peak;
    next.in_blank = node.time();
    next.peak = label;
    next.label = label + log_add(held, in);
    next.blank = blank + node.total;
    // Before the first word separators act as blanks.
    if (separator_ && node.depth == 0) next.blank = log_add(blank, row[separator_]) + node.total;
    next.node = n;
    next.text_value = node.text_value;
    node.score = next.score = log_add(next.label, next.blank) + node.text_value;
    if (next.score > kImpossible && next.score >= least_) add(next);
  }
}

// Takes a candidate that can still be selected, and raises the bar for those to come: none can be worse than
// the best one by more than the threshold, nor than as many others as the beam holds.
void Stream::add(const Candidate& candidate) {
  candidates_.push_back(candidate);
  if (candidate.score > best_) {
    best_ = candidate.score;
    least_ = std::max(least_, best_ - options_.beam_threshold);
  }
  if (candidates_.size() >= full_) raise_bar();
}

void Stream::raise_bar() {
  const auto beam = static_cast<std::size_t>(options_.beam);
  scores_.clear();
  for (const Candidate& one : candidates_) scores_.push_back(one.score);
  std::nth_element(scores_.begin(), scores_.begin() + options_.beam - 1, scores_.end(), std::greater<>());
  least_ = std::max(least_, scores_[beam - 1]);
  full_ = candidates_.size() + beam / 2 + 1;
}

void Stream::extend(const float* row) {
  if (extending_.empty()) return;
  const std::int32_t deepest = tree_[root_].depth + 2 * options_.depth;
  waiting_.clear();
  for (const std::int32_t p : active_) {
    if (tree_[p].depth >= deepest) continue;
    if (lm_ && tree_[p].lm == kNoState)
      waiting_.push_back(p);
    else
      extend(p, row);
  }
  if (waiting_.empty()) return;
  // The character model looks at a prefix when a unit would follow and after all others have raised the bar:
  // those that are gone by then cost nothing.
  if (candidates_.size() > static_cast<std::size_t>(options_.beam)) raise_bar();
  waiting_.erase(
      std::remove_if(waiting_.begin(), waiting_.end(), [&](std::int32_t p) { return !can_extend(p, row); }),
      waiting_.end());
  score(waiting_);
  for (const std::int32_t p : waiting_) extend(p, row);
}

// Whether a unit may lead from a prefix without children into the beam, by what is known without the
// character model.
bool Stream::can_extend(std::int32_t p, const float* row) const {
  const Node& parent = tree_[p];
  const Text& text = tree_.text(p);
  const Fusion::Most most = fusion_.most(text);
  for (const std::int32_t unit : extending_) {
    const double label = row[unit] + (parent.unit == unit ? parent.blank : parent.total);
    if (label + most.within >= least_ && fusion_.continues(text, unit)) return true;
    if (label + most.after >= least_ && fusion_.closes(text, unit)) return true;
  }
  return false;
}

void Stream::extend(std::int32_t p, const float* row) {
  const Node& parent = tree_[p];
  const Text& text = tree_.text(p);
  const Fusion::Most most = fusion_.most(text);
  const double any = std::max(most.within, most.after);
  if (row[extending_.front()] + parent.total + any < least_) return;
  for (std::int32_t c = parent.child; c != kNil; c = tree_[c].next)
    child_at_[tree_[c].unit + units_ * tree_[c].slot] = c;
  for (const std::int32_t unit : extending_) {
    const double reach = row[unit] + parent.total;
    if (reach + any < least_) break;
    const double label = parent.unit == unit ? row[unit] + parent.blank : reach;
    if (label + most.within >= least_ && fusion_.continues(text, unit))
      offer(p, unit, 0, kNil, label, row[unit]);
    if (label + most.after >= least_ && fusion_.closes(text, unit)) {
      std::int32_t slot = 0;
      for (std::int32_t i = tree_.closings(p, fusion_); i != kNil; i = tree_.next_closing(i))
        offer(p, unit, ++slot, i, label, row[unit]);
    }
  }
  for (std::int32_t c = parent.child; c != kNil; c = tree_[c].next)
    child_at_[tree_[c].unit + units_ * tree_[c].slot] = kNil;
}

void Stream::offer(std::int32_t parent, std::int32_t unit, std::int32_t slot, std::int32_t closing,
                   double label, float peak) {
  const std::int32_t child = child_at_[unit + units_ * slot];
  double text_value;
  if (child != kNil) {
    if (tree_[child].active) return;
    text_value = tree_[child].text_value;
  } else {
    const Text& text = tree_.text(parent);
    const float* row = tree_.row(parent);
    if (!(closing == kNil ? fusion_.extend_within(text, unit, row, longer_)
                          : fusion_.extend(text, unit, &tree_.closing(closing), row, longer_)))
      return;
    text_value = fusion_.value(longer_);
  }
  const double score = label + text_value;
  if (score == kImpossible || score < least_) return;
  add({score, label, kImpossible, text_value, child, parent, unit, slot, closing,
       time_before(tree_[parent], unit), Alignment::kNone, peak, true, false});
}

// The best candidates within the threshold; of equal ones those that were found first.
void Stream::select() {
  keys_.clear();
  for (std::size_t i = 0; i < candidates_.size(); ++i)
    if (candidates_[i].score >= least_) keys_.push_back({candidates_[i].score, static_cast<std::int32_t>(i)});
  const auto better = [](const Key& a, const Key& b) {
    return a.score > b.score || (a.score == b.score && a.candidate < b.candidate);
  };
  const auto beam = static_cast<std::size_t>(options_.beam);
  if (keys_.size() > beam) {
    std::nth_element(keys_.begin(), keys_.begin() + options_.beam - 1, keys_.end(), better);
    keys_.resize(beam);
  }
  best_node_ = kNil;
  const auto best = std::min_element(keys_.begin(), keys_.end(), better);
  if (best != keys_.end()) std::swap(*best, keys_.front());
}

// Turns the times of the candidates that stay into times that they hold.
void Stream::keep_times() {
  const auto now = static_cast<std::int32_t>(frame_);
  // What others see must be held before anything moves.
  for (const Key& key : keys_) {
    Candidate& candidate = candidates_[key.candidate];
    times_.hold(candidate.in_blank);
    if (candidate.came_in) candidate.time = times_.add(now, candidate.time, candidate.peak);
  }
  for (const Key& key : keys_) {
    Candidate& candidate = candidates_[key.candidate];
    if (candidate.higher)
      candidate.time = times_.move(candidate.time, now, candidate.peak);
    else if (!candidate.came_in)
      times_.hold(candidate.time);
  }
}

void Stream::rebuild() {
  keep_times();
  kept_.clear();
  for (const Key& key : keys_) {
    const Candidate& candidate = candidates_[key.candidate];
    std::int32_t n = candidate.node;
    if (n == kNil) {
      n = tree_.add(candidate.parent);
      Node& node = tree_[n];
      node.unit = candidate.unit;
      node.slot = candidate.slot;
      const Closing* closing = candidate.closing == kNil ? nullptr : &tree_.closing(candidate.closing);
      if (closing && fusion_.closed()) node.closed = closing->word;
      fusion_.extend(tree_.text(candidate.parent), candidate.unit, closing, tree_.row(candidate.parent),
                     tree_.text(n));
      node.text_value = candidate.text_value;
    }
    Node& node = tree_[n];
    node.label = candidate.label;
    node.blank = candidate.blank;
    node.total = log_add(candidate.label, candidate.blank);
    node.score = candidate.score;
    times_.drop(node.in_label);
    times_.drop(node.in_blank);
    node.in_label = candidate.time;
    node.in_blank = candidate.in_blank;
    node.kept = frame_;
    node.active = true;
    kept_.push_back(n);
  }
  for (const std::int32_t n : active_)
    if (tree_[n].kept != frame_) {
      deactivate(n);
      release(n);
    }
  active_.swap(kept_);
  if (!active_.empty()) best_node_ = active_.front();
}

// A score's probability relative to the best one of the frame.
double Stream::relative(double score) const { return score == kImpossible ? 0.0 : std::exp(score - best_); }

// Takes a prefix out of the beam.
void Stream::deactivate(std::int32_t n) {
  Node& node = tree_[n];
  node.lost += relative(node.score);
  times_.drop(node.in_label);
  times_.drop(node.in_blank);
  node.in_label = node.in_blank = Alignment::kNone;
  node.label = node.blank = node.total = node.score = kImpossible;
  node.active = false;
}

// Removes a prefix that nothing depends on, and those above it of which this is true then.
void Stream::release(std::int32_t n) {
  while (n != root_ && !tree_[n].active && tree_[n].child == kNil) {
    const std::int32_t parent = tree_[n].parent;
    tree_[parent].lost += tree_[n].lost;
    tree_.remove(n);
    n = parent;
  }
}

// Removes a prefix with everything below it.
void Stream::cut(std::int32_t top) {
  const std::int32_t above = tree_[top].parent;
  for (std::int32_t n = top; n != above;) {
    while (tree_[n].child != kNil) n = tree_[n].child;
    const std::int32_t parent = tree_[n].parent;
    deactivate(n);
    tree_[parent].lost += tree_[n].lost;
    tree_.remove(n);
    n = parent;
  }
}

// Decides what lies further behind the best prefix than the depth allows, in its favour.
void Stream::prune_depth() {
  if (best_node_ == kNil) return;
  const std::int32_t last = tree_[best_node_].depth - options_.depth;
  if (last <= tree_[root_].depth) return;
  path_.clear();
  for (std::int32_t n = best_node_; n != root_; n = tree_[n].parent)
    if (tree_[n].depth <= last && !(path_.empty() && separates(n))) path_.push_back(n);
  if (path_.empty()) return;
  for (; !path_.empty(); path_.pop_back()) {
    const std::int32_t way = path_.back();
    for (std::int32_t c = tree_[root_].child; c != kNil;) {
      const std::int32_t next = tree_[c].next;
      if (c != way) cut(c);
      c = next;
    }
    deactivate(root_);
    commit(way);
  }
  active_.erase(
      std::remove_if(active_.begin(), active_.end(), [&](std::int32_t n) { return !tree_[n].active; }),
      active_.end());
}

// While all prefixes of the beam go the same way, that way is certain. The root stays before a separator,
// since a separator at the end of a text does not belong to it.
void Stream::advance_root() {
  if (best_node_ == kNil) return;
  const auto only_child = [&](std::int32_t n) {
    const std::int32_t child = tree_[n].child;
    return tree_[n].active || child == kNil || tree_[child].next != kNil ? kNil : child;
  };
  for (;;) {
    const std::int32_t child = only_child(root_);
    if (child == kNil) return;
    if (separates(child)) {
      const std::int32_t after = only_child(child);
      if (after == kNil) return;
      commit(child);
      commit(after);
    } else {
      commit(child);
    }
  }
}

// The root's only child becomes the root. Times of what is certain are those of the best prefix.
void Stream::commit(std::int32_t child) {
  const Node& node = tree_[child];
  std::int32_t time = tree_[best_node_].time();
  for (std::int32_t depth = tree_[best_node_].depth; depth > node.depth; --depth)
    time = times_[time].previous;
  const std::int32_t before = times_[time].previous;
  if (!committed_.empty()) committed_.back().frame = times_[before].frame;
  if (before != Alignment::kNone) times_.cut(before);
  const double share = 1.0 / (1.0 + tree_[root_].lost);
  committed_.push_back({node.unit, node.closed, node.slot > 0, times_[time].frame, share});
  stable_.add(fusion_, node.unit, node.closed);
  if (lm_ && node.lm == kNoState) std::swap(before_root_, tree_[root_].lm);
  tree_[child].parent = kNil;
  tree_[root_].child = kNil;
  tree_.remove(root_);
  root_ = child;
}

// The character model takes one more unit for each of the nodes, into lm_block_.
void Stream::advance(const std::vector<std::int32_t>& nodes) {
  lm_block_.parent.clear();
  lm_block_.unit.clear();
  for (const std::int32_t n : nodes) {
    lm_block_.parent.push_back(n == root_ ? before_root_ : tree_[tree_[n].parent].lm);
    lm_block_.unit.push_back(tree_[n].unit);
  }
  lm_block_.state.resize(nodes.size());
  lm_block_.rows.resize(nodes.size() * static_cast<std::size_t>(units_));
  lm_->advance(static_cast<int>(nodes.size()), lm_block_.parent.data(), lm_block_.unit.data(),
               lm_block_.state.data(), lm_block_.rows.data());
  scored_ += static_cast<std::int64_t>(nodes.size());
}

void Stream::score(const std::vector<std::int32_t>& nodes) {
  if (nodes.empty()) return;
  advance(nodes);
  const float* row = lm_block_.rows.data();
  for (std::size_t i = 0; i < nodes.size(); ++i, row += units_) {
    tree_[nodes[i]].lm = lm_block_.state[i];
    std::copy_n(row, units_, tree_.row(nodes[i]));
  }
  if (before_root_ != kNoState && tree_[root_].lm != kNoState) {
    tree_.released.push_back(before_root_);
    before_root_ = kNoState;
  }
}

void Stream::release_states() {
  if (!tree_.released.empty()) lm_->release(static_cast<int>(tree_.released.size()), tree_.released.data());
  tree_.released.clear();
}

}  // namespace speechq::decoders
