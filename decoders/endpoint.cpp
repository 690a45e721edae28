#include "decoders/endpoint.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace speechq::decoders {

Endpointer::Endpointer(const std::vector<EndpointRule>& rules, int units, int separator, double frame_seconds)
    : units_(units), separator_(separator) {
  for (const EndpointRule& rule : rules) {
    const double times[] = {rule.trailing_silence, rule.length};
    const char* const names[] = {"trailing_silence", "length"};
    for (int i = 0; i < 2; ++i)
      if (!(times[i] >= 0 && times[i] <= 1e9))
        throw std::invalid_argument("endpoint rule: " + std::string(names[i]) + " is " +
                                    std::to_string(times[i]) + ": expected seconds, 0 or more");
    if (rule.trailing_silence == 0 && rule.length == 0)
      throw std::invalid_argument("endpoint rule: needs a trailing_silence or a length above 0 seconds");
    const auto frames = [&](double seconds) {
      return seconds > 0 ? std::max(std::llrint(seconds / frame_seconds), 1LL) : 0LL;
    };
    rules_.push_back({frames(rule.trailing_silence), frames(rule.length), rule.speech, rule.between_words});
  }
}

void Endpointer::begin() {
  frames_ = silent_ = 0;
  speech_ = between_ = false;
}

std::vector<std::int64_t> Endpointer::ends(const float* log_probs, std::int64_t frames) {
  std::vector<std::int64_t> found;
  for (std::int64_t t = 1; t <= frames; ++t, log_probs += units_) {
    const auto symbol = std::max_element(log_probs, log_probs + units_) - log_probs;
    ++frames_;
    if (symbol == 0 || symbol == separator_) {
      ++silent_;
    } else {
      silent_ = 0;
      speech_ = true;
    }
    if (symbol != 0 || separator_ == 0) between_ = symbol == separator_;
    if (std::any_of(rules_.begin(), rules_.end(), [this](const Rule& rule) { return fires(rule); })) {
      found.push_back(t);
      begin();
    }
  }
  return found;
}

bool Endpointer::fires(const Rule& rule) const {
  return silent_ >= rule.silent && frames_ >= rule.frames && (speech_ || !rule.speech) &&
         (between_ || !rule.between_words);
}

}  // namespace speechq::decoders
