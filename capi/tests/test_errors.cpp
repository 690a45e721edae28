// What is refused, with which status and message, and that nothing is changed by it.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <thread>

#include "decoders/ngram.h"
#include "handles.h"

using namespace speechq::testing;

namespace {

std::string refused(const std::string& path, const Options& options, speechq_status expected) {
  speechq_recognizer* recognizer = reinterpret_cast<speechq_recognizer*>(&expected);
  CHECK(speechq_recognizer_load(path.c_str(), options.data(), options.size(), &recognizer) == expected);
  CHECK(recognizer == nullptr);
  return speechq_last_error();
}

bool has(const std::string& text, const std::string& part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("every status has a name") {
  CHECK(speechq_status_name(SPEECHQ_OK) == std::string("SPEECHQ_OK"));
  CHECK(speechq_status_name(SPEECHQ_TOO_SMALL) == std::string("SPEECHQ_TOO_SMALL"));
  CHECK(speechq_version() == std::string(SPEECHQ_TEST_VERSION));
}

TEST_CASE("options that cannot be used are named") {
  const ModelFile file;
  const auto invalid = [&](const char* key, const char* value) {
    return refused(file.path, {{key, value}}, SPEECHQ_INVALID);
  };
  CHECK(has(invalid("beams", "3"), "'beams' is no option"));
  CHECK(has(invalid("beam", "0"), "beam is '0': expected a whole number from 1"));
  CHECK(has(invalid("beam", "1.5"), "beam"));
  CHECK(has(invalid("beam", "nan"), "beam"));
  CHECK(has(invalid("depth", ""), "depth is '': expected a number"));
  CHECK(has(invalid("beam_threshold", "-1"), "beam_threshold"));
  CHECK(has(invalid("beam_threshold", "nan"), "beam_threshold"));
  CHECK(has(invalid("symbol_threshold", "1"), "symbol_threshold"));
  CHECK(has(invalid("ngram_weight", "1,5"), "ngram_weight is '1,5'"));
  CHECK(has(invalid("ngram_weight", "-1"), "weights"));
  CHECK(has(invalid("oov_penalty", "inf"), "finite"));
  CHECK(has(invalid("mode", "float"), "mode is 'float': expected hybrid or integer"));
  CHECK(has(invalid("block", "65"), "block is '65': expected a whole number from 1 to 64"));
  CHECK(has(invalid("threads", "0"), "threads"));
  CHECK(has(invalid("n_best", "0"), "n_best is '0': expected a whole number from 1 to 1000"));
  CHECK(has(invalid("hotword", "A:x"), "boost"));
  CHECK(has(invalid("hotword", "XYZ"), "cannot spell"));
  CHECK(has(invalid("hotword", ""), "a hotword is empty"));
  CHECK(has(invalid(nullptr, "3"), "the key of an option is NULL"));
  CHECK(has(invalid("beam", nullptr), "the value of the option beam is NULL"));
  CHECK(has(refused(file.path, {{"mode", "integer"}}, SPEECHQ_MODEL), file.path));
  CHECK(has(refused(file.path, {{"lexicon", "none.txt"}}, SPEECHQ_MODEL), "none.txt"));
  load(file.path, {{"beam_threshold", "inf"}, {"symbol_threshold", "-inf"}, {"hotword", "AB:2"}});
}

TEST_CASE("models that cannot be used are named") {
  CHECK(has(refused("none.sqm", {}, SPEECHQ_MODEL), "none.sqm: there is no such model"));
  CHECK(has(refused(".", {}, SPEECHQ_MODEL), ".: has no am.sqm"));
  {
    const ModelFile file;
    std::filesystem::resize_file(file.path, 200);
    CHECK(has(refused(file.path, {}, SPEECHQ_MODEL), file.path));
  }
  ModelSpec language = sample_model();
  language.takes_symbols = true;
  language.symbols[0] = "</s>";
  language.layers = {layer_of(speechq::engine::Kind::lstm, 4, 16)};
  const ModelFile file(language);
  CHECK(has(refused(file.path, {}, SPEECHQ_MODEL), "a language model takes no audio"));
}

TEST_CASE("word n-grams that are missing, or that this build cannot use") {
  const ModelFile file;
  const bool able = speechq::decoders::Ngram::available();
  const std::string error =
      refused(file.path, {{"ngram", "none.arpa"}}, able ? SPEECHQ_MODEL : SPEECHQ_UNAVAILABLE);
  CHECK(has(error, "none.arpa"));
  load(file.path, {{"ngram", ""}});
}

TEST_CASE("NULL is refused wherever a handle belongs, and freed") {
  speechq_recognizer_free(nullptr);
  speechq_stream_free(nullptr);
  speechq_result_free(nullptr);
  const ModelFile file;
  const RecognizerHandle recognizer = load(file.path);
  const StreamHandle stream = stream_of(recognizer);
  speechq_recognizer* nothing = nullptr;
  speechq_stream* none = nullptr;
  speechq_features features;
  const std::vector<speechq_status> statuses = {
      speechq_recognizer_load(file.path.c_str(), nullptr, 0, nullptr),
      speechq_recognizer_load(file.path.c_str(), nullptr, 1, &nothing),
      speechq_recognizer_features(nullptr, &features),
      speechq_recognizer_features(recognizer.get(), nullptr),
      speechq_stream_create(nullptr, &none),
      speechq_stream_create(recognizer.get(), nullptr),
      speechq_stream_accept(nullptr, nullptr, 0),
      speechq_stream_accept(stream.get(), nullptr, 1),
      speechq_streams_accept(nullptr, nullptr, nullptr, 1),
      speechq_stream_input_finished(nullptr),
      speechq_stream_stable_text(nullptr, nullptr, 0, nullptr),
      speechq_stream_partial_text(stream.get(), nullptr, 1, nullptr),
      speechq_stream_result(stream.get(), nullptr),
      speechq_stream_finish_segment(nullptr, nullptr),
      speechq_stream_reset(nullptr),
      speechq_stream_set_endpoint_rules(nullptr, nullptr, 0),
      speechq_stream_next_segment(nullptr, nullptr),
      speechq_stream_next_segment(stream.get(), nullptr),
      speechq_result_times(nullptr, nullptr, nullptr),
      speechq_result_scores(nullptr, nullptr),
      speechq_result_word(nullptr, 0, nullptr),
  };
  for (const speechq_status status : statuses) CHECK(status == SPEECHQ_INVALID);
  CHECK(speechq_result_text(nullptr) == std::string());
  CHECK(speechq_result_word_count(nullptr) == 0);
  CHECK(speechq_result_alternative_count(nullptr) == 0);
  CHECK(speechq_result_alternative(nullptr, 1) == nullptr);
  CHECK(speechq_stream_accept(stream.get(), nullptr, 0) == SPEECHQ_OK);
  CHECK(speechq_streams_accept(nullptr, nullptr, nullptr, 0) == SPEECHQ_OK);
}

TEST_CASE("frames that are refused change nothing") {
  const ModelFile file;
  const RecognizerHandle recognizer = load(file.path, {{"beam", "8"}});
  const std::vector<float> frames = sample_frames(200);
  const StreamHandle expected = stream_of(recognizer), first = stream_of(recognizer),
                     second = stream_of(recognizer), other = stream_of(load(file.path));
  accept(expected, frames);

  for (const float value : {NAN, INFINITY, -INFINITY}) {
    std::vector<float> wrong = sample_frames(50);
    wrong[8 * 41 + 5] = value;
    speechq_stream* streams[] = {first.get(), second.get()};
    const float* both[] = {frames.data(), wrong.data()};
    const std::size_t counts[] = {50, 50};
    CHECK(speechq_streams_accept(streams, both, counts, 2) == SPEECHQ_INVALID);
    CHECK(has(speechq_last_error(), "frame 41, value 5 is"));
  }
  for (speechq_stream* twin : {first.get(), other.get()}) {
    speechq_stream* streams[] = {first.get(), twin};
    const float* both[] = {frames.data(), frames.data()};
    const std::size_t counts[] = {50, 50};
    CHECK(speechq_streams_accept(streams, both, counts, 2) == SPEECHQ_INVALID);
  }
  accept(first, frames);
  CHECK(end(first) == end(expected));
}

TEST_CASE("texts are copied whole or not at all") {
  const ModelFile file;
  const StreamHandle stream = stream_of(load(file.path));
  accept(stream, sample_frames(400));
  const std::string text = copied(stream, speechq_stream_stable_text);
  REQUIRE(text.size() > 4);
  std::vector<char> buffer(text.size(), '?');
  std::size_t length = 0;
  CHECK(speechq_stream_stable_text(stream.get(), buffer.data(), buffer.size(), &length) == SPEECHQ_TOO_SMALL);
  CHECK(length == text.size());
  CHECK(buffer[0] == '\0');
  CHECK(has(speechq_last_error(), std::to_string(text.size() + 1)));
  CHECK(speechq_stream_stable_text(stream.get(), buffer.data(), 0, &length) == SPEECHQ_TOO_SMALL);
}

TEST_CASE("calls out of order are refused") {
  const ModelFile file;
  const StreamHandle stream = stream_of(load(file.path));
  const std::vector<float> frames = sample_frames(40);
  accept(stream, frames);
  REQUIRE(speechq_stream_input_finished(stream.get()) == SPEECHQ_OK);
  CHECK(speechq_stream_accept(stream.get(), frames.data(), 1) == SPEECHQ_STATE);
  CHECK(has(speechq_last_error(), "finished"));
  CHECK(speechq_stream_input_finished(stream.get()) == SPEECHQ_STATE);
  speechq_result* result = nullptr;
  REQUIRE(speechq_stream_result(stream.get(), &result) == SPEECHQ_OK);
  const ResultHandle owned(result);
  speechq_word word;
  CHECK(speechq_result_word(result, speechq_result_word_count(result), &word) == SPEECHQ_INVALID);
}

TEST_CASE("each thread has its own message") {
  refused("mine.sqm", {}, SPEECHQ_MODEL);
  std::string first, then;
  std::thread([&] {
    first = speechq_last_error();
    refused(std::string(5000, 'x') + ".sqm", {}, SPEECHQ_MODEL);
    then = speechq_last_error();
  }).join();
  CHECK(first.empty());
  CHECK(has(then, "xxx"));
  CHECK(then.size() < 5000);
  CHECK(has(speechq_last_error(), "mine.sqm"));
}
