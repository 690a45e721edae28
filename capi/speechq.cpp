// The functions of speechq.h: checks of what a caller gives, and no exception beyond them.
#include "capi/speechq.h"

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
  std::unique_ptr<speechq::capi::Result> result;
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

template <class Make>
speechq_status make_result(speechq_stream* stream, speechq_result** result, const Make& make) {
  return guarded([&] {
    *given(result, "result") = nullptr;
    given(stream, "stream");
    auto made = std::make_unique<speechq_result>();
    made->result = make(stream->stream);
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
  return make_result(stream, result, [](speechq::capi::Stream& inner) { return inner.result(); });
}

speechq_status speechq_stream_finish_segment(speechq_stream* stream, speechq_result** result) {
  return make_result(stream, result, [](speechq::capi::Stream& inner) { return inner.finish_segment(); });
}

speechq_status speechq_stream_reset(speechq_stream* stream) {
  return guarded([&] { given(stream, "stream")->stream.reset(); });
}

const char* speechq_result_text(const speechq_result* result) {
  return result == nullptr ? "" : result->result->text.c_str();
}

size_t speechq_result_word_count(const speechq_result* result) {
  return result == nullptr ? 0 : result->result->shown.size();
}

speechq_status speechq_result_word(const speechq_result* result, size_t index, speechq_word* word) {
  return guarded([&] {
    const auto& words = given(result, "result")->result->shown;
    given(word, "word");
    if (index >= words.size())
      throw speechq::capi::invalid("word " + std::to_string(index) + " of a result that has " +
                                   std::to_string(words.size()));
    *word = words[index];
  });
}

void speechq_result_free(speechq_result* result) { delete result; }
