// The functions of speechq.h: checks of what a caller gives, and no exception beyond them.
#include "capi/speechq.h"

#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "capi/recognizer.h"
#include "capi/status.h"
#include "capi/stream.h"

using speechq::capi::given;
using speechq::capi::guarded;

struct speechq_recognizer {
  std::shared_ptr<const speechq::capi::Recognizer> shared;
};

struct speechq_stream {
  speechq::capi::Stream stream;
};

struct speechq_result {
  speechq::capi::Result result;
  std::vector<speechq_result> others;  // alternatives from 1 on
};

namespace {

void copy_text(const std::string& text, char* buffer, size_t size, size_t* length) {
  if (buffer == nullptr && size > 0) throw speechq::capi::invalid("buffer is NULL, but its size is not 0");
  if (length != nullptr) *length = text.size();
  if (size > text.size()) {
    std::memcpy(buffer, text.c_str(), text.size() + 1);
    return;
  }
  if (buffer == nullptr) return;
  if (size > 0) buffer[0] = '\0';
  throw speechq::capi::Failure(
      SPEECHQ_TOO_SMALL,
      "the buffer has " + std::to_string(size) + " bytes: the text needs " + std::to_string(text.size() + 1));
}

// make: gives results, best first; of none there is no result.
template <class Make>
speechq_status make_result(speechq_stream* stream, speechq_result** result, const Make& make) {
  return guarded([&] {
    *given(result, "result") = nullptr;
    given(stream, "stream");
    auto made = std::make_unique<speechq_result>();
    std::vector<speechq::capi::Result> results = make(stream->stream);
    if (results.empty()) return;
    made->result = std::move(results.front());
    for (std::size_t i = 1; i < results.size(); ++i) made->others.push_back({std::move(results[i]), {}});
    *result = made.release();
  });
}

}  // namespace

speechq_status speechq_recognizer_load(const char* model, const speechq_option* options, size_t count,
                                       speechq_recognizer** recognizer) {
  return guarded([&] {
    *given(recognizer, "recognizer") = nullptr;
    given(model, "model");
    auto shared = std::make_shared<const speechq::capi::Recognizer>(model, options, count);
    *recognizer = new speechq_recognizer{std::move(shared)};
  });
}

void speechq_recognizer_free(speechq_recognizer* recognizer) { delete recognizer; }

speechq_status speechq_recognizer_features(const speechq_recognizer* recognizer, speechq_features* features) {
  return guarded([&] {
    const auto& from = given(recognizer, "recognizer")->shared->features();
    *given(features, "features") = {static_cast<int32_t>(from.sample_rate),
                                    static_cast<int32_t>(from.mels),
                                    from.low_hz,
                                    from.high_hz,
                                    from.energy,
                                    from.deltas,
                                    static_cast<int32_t>(from.dim)};
  });
}

speechq_status speechq_stream_create(const speechq_recognizer* recognizer, speechq_stream** stream) {
  return guarded([&] {
    *given(stream, "stream") = nullptr;
    *stream = new speechq_stream{speechq::capi::Stream(given(recognizer, "recognizer")->shared)};
  });
}

void speechq_stream_free(speechq_stream* stream) { delete stream; }

speechq_status speechq_stream_accept(speechq_stream* stream, const float* frames, size_t count) {
  return speechq_streams_accept(&stream, &frames, &count, 1);
}

speechq_status speechq_streams_accept(speechq_stream* const* streams, const float* const* frames,
                                      const size_t* counts, size_t count) {
  return guarded([&] {
    if (count == 0) return;
    given(streams, "streams"), given(frames, "frames"), given(counts, "counts");
    std::vector<speechq::capi::Stream*> inner;
    for (size_t s = 0; s < count; ++s) {
      inner.push_back(&given(streams[s], "stream")->stream);
      if (counts[s] > 0) given(frames[s], "frames");
    }
    speechq::capi::Stream::accept(inner.data(), frames, counts, count);
  });
}

speechq_status speechq_stream_input_finished(speechq_stream* stream) {
  return guarded([&] { given(stream, "stream")->stream.finish_input(); });
}

speechq_status speechq_stream_stable_text(speechq_stream* stream, char* buffer, size_t size, size_t* length) {
  return guarded([&] { copy_text(given(stream, "stream")->stream.stable_text(), buffer, size, length); });
}

speechq_status speechq_stream_partial_text(speechq_stream* stream, char* buffer, size_t size,
                                           size_t* length) {
  return guarded([&] { copy_text(given(stream, "stream")->stream.partial_text(), buffer, size, length); });
}

speechq_status speechq_stream_result(speechq_stream* stream, speechq_result** result) {
  return make_result(stream, result, [](speechq::capi::Stream& inner) { return inner.results(); });
}

speechq_status speechq_stream_finish_segment(speechq_stream* stream, speechq_result** result) {
  return make_result(stream, result, [](speechq::capi::Stream& inner) { return inner.finish_segment(); });
}

const speechq_endpoint_rule* speechq_endpoint_rules(size_t* count) {
  static constexpr auto rules = [] {
    std::array<speechq_endpoint_rule, speechq::decoders::kEndpointRules.size()> made{};
    for (std::size_t i = 0; i < made.size(); ++i) {
      const speechq::decoders::EndpointRule& rule = speechq::decoders::kEndpointRules[i];
      made[i].trailing_silence = rule.trailing_silence;
      made[i].length = rule.length;
      made[i].speech = rule.speech;
      made[i].between_words = rule.between_words;
    }
    return made;
  }();
  if (count != nullptr) *count = rules.size();
  return rules.data();
}

speechq_status speechq_stream_set_endpoint_rules(speechq_stream* stream, const speechq_endpoint_rule* rules,
                                                 size_t count) {
  return guarded([&] {
    given(stream, "stream");
    std::vector<speechq::decoders::EndpointRule> asked;
    for (size_t i = 0; i < count; ++i) {
      const speechq_endpoint_rule& rule = given(rules, "rules")[i];
      asked.push_back({rule.trailing_silence, rule.length, rule.speech != 0, rule.between_words != 0});
    }
    stream->stream.set_endpoint_rules(asked);
  });
}

speechq_status speechq_stream_next_segment(speechq_stream* stream, speechq_result** result) {
  return make_result(stream, result, [](speechq::capi::Stream& inner) { return inner.next_segment(); });
}

speechq_status speechq_stream_reset(speechq_stream* stream) {
  return guarded([&] { given(stream, "stream")->stream.reset(); });
}

const char* speechq_result_text(const speechq_result* result) {
  return result == nullptr ? "" : result->result.hypothesis.text.c_str();
}

size_t speechq_result_word_count(const speechq_result* result) {
  return result == nullptr ? 0 : result->result.words.size();
}

speechq_status speechq_result_word(const speechq_result* result, size_t index, speechq_word* word) {
  return guarded([&] {
    const speechq::capi::Result& from = given(result, "result")->result;
    given(word, "word");
    if (index >= from.words.size())
      throw speechq::capi::invalid("word " + std::to_string(index) + " of a result that has " +
                                   std::to_string(from.words.size()));
    const auto& [start, end, confidence] = from.words[index];
    *word = {from.hypothesis.words[index].text.c_str(), start, end, confidence};
  });
}

speechq_status speechq_result_times(const speechq_result* result, double* start, double* end) {
  return guarded([&] {
    given(result, "result");
    *given(start, "start") = result->result.start;
    *given(end, "end") = result->result.end;
  });
}

speechq_status speechq_result_scores(const speechq_result* result, speechq_scores* scores) {
  return guarded([&] {
    const auto& from = given(result, "result")->result.hypothesis;
    *given(scores, "scores") = {from.score, from.acoustic, from.char_lm, from.known_char_lm, from.ngram};
  });
}

size_t speechq_result_alternative_count(const speechq_result* result) {
  return result == nullptr ? 0 : 1 + result->others.size();
}

const speechq_result* speechq_result_alternative(const speechq_result* result, size_t index) {
  if (index == 0) return result;
  return index < speechq_result_alternative_count(result) ? &result->others[index - 1] : nullptr;
}

void speechq_result_free(speechq_result* result) { delete result; }
