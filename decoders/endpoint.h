// Where a segment ends: rules over trailing silence and length, checked at every frame, in the form of
// Kaldi's online endpointing (Povey et al., online2/online-endpoint.h). Silence is what the network says:
// frames whose most likely symbol is the blank or the separator.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace speechq::decoders {

// A segment ends at the first frame where everything that one rule asks for is true.
struct EndpointRule {
  double trailing_silence;  // seconds without a symbol
  double length;            // seconds since the segment began
  bool speech;              // there was a symbol in the segment
  bool between_words;       // the last symbol was a separator; for units without one, the frame is a blank
};

// The rules that are there unless others are asked for.
inline constexpr std::array<EndpointRule, 4> kEndpointRules = {{
    {5.0, 0.0, false, false},
    {0.8, 0.5, true, false},
    {0.0, 20.0, true, true},
    {0.0, 60.0, true, false},  // nobody speaks so long without a space: it is no speech
}};

class Endpointer {
 public:
  // units: symbols of a frame. separator: 0 if there is none. frame_seconds: from one frame to the next; the
  // times of a rule are rounded to frames, but not to none. Throws std::invalid_argument for times that are
  // negative or not finite, and for a rule that asks for no time at all.
  Endpointer(const std::vector<EndpointRule>& rules, int units, int separator, double frame_seconds);

  // Frames of log_probs [frames][units] behind which a segment ends, in order, counted from 1.
  std::vector<std::int64_t> ends(const float* log_probs, std::int64_t frames);
  // A segment begins with the next frame.
  void begin();

 private:
  struct Rule {
    std::int64_t silent, frames;
    bool speech, between_words;
  };
  bool fires(const Rule& rule) const;

  std::vector<Rule> rules_;
  int units_, separator_;
  std::int64_t frames_ = 0, silent_ = 0;
  bool speech_ = false, between_ = false;
};

}  // namespace speechq::decoders
