// Handles of the library that free themselves, for the tests.
#pragma once

#include <doctest/doctest.h>

#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sample.h"
#include "speechq.h"

namespace speechq::testing {

struct Free {
  void operator()(speechq_recognizer* handle) const { speechq_recognizer_free(handle); }
  void operator()(speechq_stream* handle) const { speechq_stream_free(handle); }
  void operator()(speechq_result* handle) const { speechq_result_free(handle); }
};
using RecognizerHandle = std::unique_ptr<speechq_recognizer, Free>;
using StreamHandle = std::unique_ptr<speechq_stream, Free>;
using ResultHandle = std::unique_ptr<speechq_result, Free>;
using Options = std::vector<speechq_option>;

// The model of sample.h in a file.
struct ModelFile {
  explicit ModelFile(const ModelSpec& spec = sample_model()) { write_model_file(path, spec); }
  ~ModelFile() { std::remove(path.c_str()); }
  std::string path = "speechq_test_c_interface.sqm";
};

inline RecognizerHandle load(const std::string& path, const Options& options = {}) {
  speechq_recognizer* recognizer = nullptr;
  const speechq_status status =
      speechq_recognizer_load(path.c_str(), options.data(), options.size(), &recognizer);
  INFO(speechq_last_error());
  REQUIRE(status == SPEECHQ_OK);
  return RecognizerHandle(recognizer);
}

inline StreamHandle stream_of(const RecognizerHandle& recognizer) {
  speechq_stream* stream = nullptr;
  REQUIRE(speechq_stream_create(recognizer.get(), &stream) == SPEECHQ_OK);
  return StreamHandle(stream);
}

// The text that one of the copying functions gives, asked for as a program would.
template <class Function>
std::string copied(const StreamHandle& stream, const Function& function) {
  std::size_t length = 0;
  REQUIRE(function(stream.get(), nullptr, 0, &length) == SPEECHQ_OK);
  std::vector<char> buffer(length + 1, '?');
  REQUIRE(function(stream.get(), buffer.data(), buffer.size(), nullptr) == SPEECHQ_OK);
  REQUIRE(buffer[length] == '\0');
  return std::string(buffer.data(), length);
}

struct Words {
  std::string text;
  std::vector<std::string> words;
  std::vector<double> numbers;  // start, end, confidence of each
  bool operator==(const Words& other) const {
    return text == other.text && words == other.words && numbers == other.numbers;
  }
};

inline Words read(const speechq_result* result) {
  Words found;
  found.text = speechq_result_text(result);
  for (std::size_t i = 0; i < speechq_result_word_count(result); ++i) {
    speechq_word word;
    REQUIRE(speechq_result_word(result, i, &word) == SPEECHQ_OK);
    found.words.push_back(word.text);
    found.numbers.insert(found.numbers.end(), {word.start, word.end, word.confidence});
  }
  return found;
}

inline Words finish_segment(const StreamHandle& stream) {
  speechq_result* result = nullptr;
  REQUIRE(speechq_stream_finish_segment(stream.get(), &result) == SPEECHQ_OK);
  return read(ResultHandle(result).get());
}

inline Words end(const StreamHandle& stream) {
  REQUIRE(speechq_stream_input_finished(stream.get()) == SPEECHQ_OK);
  return finish_segment(stream);
}

inline void accept(const StreamHandle& stream, const std::vector<float>& frames, std::size_t first = 0,
                   std::size_t count = static_cast<std::size_t>(-1)) {
  count = std::min(count, frames.size() / kFrameSize - first);
  REQUIRE(speechq_stream_accept(stream.get(), frames.data() + first * kFrameSize, count) == SPEECHQ_OK);
}

}  // namespace speechq::testing
