// When the units of prefixes were said: chains of times, shared by the alignments that have them in common.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace speechq::decoders {

// A time is known by its number. It lives as long as someone holds it; kNone may be held like any other.
class Alignment {
 public:
  static constexpr std::int32_t kNone = -1;

  struct Time {
    std::int32_t frame;     // where the unit's probability was highest so far
    std::int32_t previous;  // the time of the unit before
    std::int32_t holders;
    float peak;  // log-probability at the frame
  };

  const Time& operator[](std::int32_t time) const { return times_[time]; }

  // A new time, held by the caller.
  std::int32_t add(std::int32_t frame, std::int32_t previous, float peak) {
    hold(previous);
    std::int32_t time = free_;
    if (time == kNone) {
      time = static_cast<std::int32_t>(times_.size());
      times_.emplace_back();
    } else {
      free_ = times_[time].previous;
    }
    times_[time] = {frame, previous, 1, peak};
    return time;
  }

  void hold(std::int32_t time) {
    if (time != kNone) ++times_[time].holders;
  }
  void drop(std::int32_t time) {
    while (time != kNone && --times_[time].holders == 0) {
      const std::int32_t previous = times_[time].previous;
      times_[time].previous = free_;
      free_ = time;
      time = previous;
    }
  }

  // The time with a higher peak, held by the caller: itself if only one other holds it, who is about to drop
  // it.
  std::int32_t move(std::int32_t time, std::int32_t frame, float peak) {
    if (times_[time].holders > 1) return add(frame, times_[time].previous, peak);
    times_[time].frame = frame;
    times_[time].peak = peak;
    hold(time);
    return time;
  }

  // Forgets what came before.
  void cut(std::int32_t time) {
    const std::int32_t previous = times_[time].previous;
    times_[time].previous = kNone;
    drop(previous);
  }

  void clear() {
    times_.clear();
    free_ = kNone;
  }
  std::size_t bytes() const { return times_.capacity() * sizeof(Time); }

 private:
  std::vector<Time> times_;
  std::int32_t free_ = kNone;
};

}  // namespace speechq::decoders
