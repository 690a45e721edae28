// What streams give, by the engine and the decoders called directly and by other ways of calling.
#include <algorithm>
#include <memory>
#include <random>
#include <thread>

#include "decoders/decoder.h"
#include "decoders/endpoint.h"
#include "decoders/greedy.h"
#include "handles.h"
#include "network/network.h"

using namespace speechq::testing;
namespace engine = speechq::engine;
namespace decoders = speechq::decoders;

namespace {

constexpr std::size_t kFrames = 600;
const Options kBeam = {{"beam", "8"}, {"depth", "15"}, {"word_bonus", "0.5"}};

// The network's scores for frames, stacked in the plainest way.
std::vector<float> scores(const engine::Model& model, const std::vector<float>& frames) {
  const std::size_t stack = static_cast<std::size_t>(model.stack);
  const std::size_t stride = static_cast<std::size_t>(model.stride), count = frames.size() / kFrameSize;
  std::vector<float> stacked;
  for (std::size_t first = 0; first + stack <= count; first += stride)
    for (std::size_t i = 0; i < stack * kFrameSize; ++i) {
      const std::size_t unit = i % kFrameSize;
      stacked.push_back((frames[first * kFrameSize + i] - model.mean[unit]) * model.scale[unit]);
    }
  const engine::Network network(model, engine::Mode::hybrid);
  engine::StreamState state = network.start();
  std::vector<engine::StreamFrames> streams(1);
  streams[0].state = &state;
  streams[0].features = stacked.data();
  streams[0].frames = static_cast<std::int64_t>(stacked.size()) / network.inputs();
  network.run(streams, 16, 1, true);
  return std::move(streams[0].scores);
}

template <class Decoder>
Words decode(const engine::Model& model, const std::vector<float>& frames, const decoders::Options& options) {
  const std::vector<float> log_probs = scores(model, frames);
  const auto decoder = std::make_shared<const decoders::Decoder>(
      decoders::Units(decoders::UnitKind::characters, model.symbols), options);
  Decoder stream(decoder);
  stream.accept(log_probs.data(), static_cast<std::int64_t>(log_probs.size()) / model.outputs());
  const decoders::Hypothesis best = stream.finish(1).front();
  const double seconds = 0.01 * static_cast<double>(model.stride);
  Words found;
  found.text = best.text;
  for (const decoders::Word& word : best.words) {
    found.words.push_back(word.text);
    found.numbers.insert(found.numbers.end(), {static_cast<double>(word.start) * seconds,
                                               static_cast<double>(word.end) * seconds, word.confidence});
  }
  return found;
}

Words whole(const RecognizerHandle& recognizer, const std::vector<float>& frames) {
  const StreamHandle stream = stream_of(recognizer);
  accept(stream, frames);
  return end(stream);
}

}  // namespace

TEST_CASE("texts and words are those of the engine and the decoders") {
  const ModelFile file;
  const std::vector<float> frames = sample_frames(kFrames);
  const engine::Model model = engine::read_model(file.path);
  const Words greedy = whole(load(file.path), frames);
  CHECK(greedy.words.size() > 2);
  CHECK(greedy == decode<decoders::GreedyStream>(model, frames, {}));
  decoders::Options options;
  options.beam = 8;
  options.depth = 15;
  options.word_bonus = 0.5;
  const Words searched = whole(load(file.path, kBeam), frames);
  CHECK(searched.words.size() > 2);
  CHECK(searched == decode<decoders::Stream>(model, frames, options));
  CHECK(searched.text != greedy.text);
}

TEST_CASE("how frames are cut changes nothing, and stable text only grows") {
  const ModelFile file;
  const std::vector<float> frames = sample_frames(kFrames);
  std::mt19937 generator(7);
  for (const Options& options : {Options(), kBeam}) {
    const RecognizerHandle recognizer = load(file.path, options);
    const Words expected = whole(recognizer, frames);
    const StreamHandle stream = stream_of(recognizer);
    std::string stable;
    for (std::size_t first = 0; first < kFrames;) {
      const std::size_t count = std::min<std::size_t>(generator() % 40, kFrames - first);
      accept(stream, frames, first, count);
      first += count;
      const std::string now = copied(stream, speechq_stream_stable_text);
      CHECK(now.compare(0, stable.size(), stable) == 0);
      stable = now;
      speechq_result* result = nullptr;
      REQUIRE(speechq_stream_result(stream.get(), &result) == SPEECHQ_OK);
      const ResultHandle owned(result);
      CHECK(std::string(speechq_result_text(result)).compare(0, stable.size(), stable) == 0);
      copied(stream, speechq_stream_partial_text);
    }
    CHECK(stable.size() > 10);
    CHECK(expected.text.compare(0, stable.size(), stable) == 0);
    CHECK(end(stream) == expected);
  }
}

TEST_CASE("streams that are stepped together give what each gives alone") {
  const ModelFile file;
  const RecognizerHandle recognizer = load(file.path, kBeam);
  std::vector<std::vector<float>> frames;
  std::vector<StreamHandle> owned;
  std::vector<speechq_stream*> streams;
  for (unsigned s = 0; s < 4; ++s) {
    frames.push_back(sample_frames(150 + 90 * s, s));
    owned.push_back(stream_of(recognizer));
    streams.push_back(owned.back().get());
  }
  std::vector<std::size_t> at(4, 0);
  for (bool more = true; more;) {
    more = false;
    std::vector<const float*> chunks;
    std::vector<std::size_t> counts;
    for (std::size_t s = 0; s < 4; ++s) {
      counts.push_back(std::min(20 * s + 5, frames[s].size() / kFrameSize - at[s]));
      chunks.push_back(counts[s] ? frames[s].data() + at[s] * kFrameSize : nullptr);
      at[s] += counts[s];
      more = more || counts[s] > 0;
    }
    REQUIRE(speechq_streams_accept(streams.data(), chunks.data(), counts.data(), 4) == SPEECHQ_OK);
  }
  for (std::size_t s = 0; s < 4; ++s) CHECK(end(owned[s]) == whole(recognizer, frames[s]));
}

TEST_CASE("a segment ends, time goes on, and a reset begins anew") {
  const ModelFile file;
  for (const Options& options : {Options(), kBeam}) {
    const RecognizerHandle recognizer = load(file.path, options);
    const std::vector<float> frames = sample_frames(kFrames);
    const StreamHandle stream = stream_of(recognizer);
    accept(stream, frames, 0, 300);
    const Words first = finish_segment(stream);
    CHECK_FALSE(first.text.empty());
    CHECK(copied(stream, speechq_stream_stable_text) == "");
    CHECK(copied(stream, speechq_stream_partial_text) == "");
    accept(stream, frames, 300);
    const Words second = end(stream);
    REQUIRE(second.words.size() > 0);
    CHECK(second.numbers[0] >= first.numbers[first.numbers.size() - 2]);
    CHECK(second.numbers[0] >= 2.5);
    CHECK(second.numbers[second.numbers.size() - 2] <= 6.04);
    CHECK(finish_segment(stream).text.empty());

    REQUIRE(speechq_stream_reset(stream.get()) == SPEECHQ_OK);
    accept(stream, frames);
    CHECK(end(stream) == whole(recognizer, frames));
  }
}

TEST_CASE("handles are freed in any order, and threads share a recognizer") {
  const ModelFile file;
  const std::vector<float> frames = sample_frames(kFrames);
  RecognizerHandle recognizer = load(file.path, kBeam);
  const Words expected = whole(recognizer, frames);
  std::vector<StreamHandle> streams;
  for (int i = 0; i < 3; ++i) streams.push_back(stream_of(recognizer));
  recognizer.reset();
  std::vector<speechq_result*> results(3);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 3; ++i)
    threads.emplace_back([&, i] {
      speechq_stream_accept(streams[i].get(), frames.data(), kFrames);
      speechq_stream_input_finished(streams[i].get());
      speechq_stream_finish_segment(streams[i].get(), &results[i]);
    });
  for (std::thread& thread : threads) thread.join();
  streams.clear();
  for (speechq_result* result : results) CHECK(read(ResultHandle(result).get()) == expected);
}

TEST_CASE("the features are those of the model") {
  const ModelFile file;
  speechq_features features;
  REQUIRE(speechq_recognizer_features(load(file.path).get(), &features) == SPEECHQ_OK);
  CHECK(features.size == static_cast<int>(kFrameSize));
  CHECK(features.mels == 8);
  CHECK(features.sample_rate == 16000);
  CHECK(features.low_hz == 20);
  CHECK(features.high_hz == -400);
  CHECK(features.energy == 0);
  CHECK(features.deltas == 0);
}

namespace {

// All segments that a stream has for its caller.
std::vector<Words> segments(const StreamHandle& stream) {
  std::vector<Words> found;
  for (;;) {
    speechq_result* result = nullptr;
    REQUIRE(speechq_stream_next_segment(stream.get(), &result) == SPEECHQ_OK);
    if (result == nullptr) return found;
    found.push_back(read(ResultHandle(result).get()));
  }
}

}  // namespace

TEST_CASE("segments end by rules as if they had been ended by hand, however frames are cut") {
  const ModelFile file;
  const engine::Model model = engine::read_model(file.path);
  const std::vector<float> frames = sample_frames(kFrames);
  const speechq_endpoint_rule rules[] = {{0.1, 0.4, 1, 0}, {0.0, 1.0, 1, 0}};
  const std::vector<decoders::EndpointRule> same = {{0.1, 0.4, true, false}, {0.0, 1.0, true, false}};
  const decoders::Units units(decoders::UnitKind::characters, model.symbols);
  const std::vector<float> log_probs = scores(model, frames);
  const auto count = static_cast<std::int64_t>(log_probs.size()) / model.outputs();
  decoders::Endpointer endpointer(same, units.size(), units.separator(),
                                  0.01 * static_cast<double>(model.stride));
  std::vector<std::int64_t> ends = endpointer.ends(log_probs.data(), count);
  REQUIRE(ends.size() > 4);
  ends.push_back(count);
  std::mt19937 generator(3);
  for (const Options& options : {Options(), kBeam}) {
    const RecognizerHandle recognizer = load(file.path, options);
    // The decoder alone, told where to end.
    std::vector<std::string> expected;
    decoders::Options search;
    search.beam = 8, search.depth = 15, search.word_bonus = 0.5;
    const auto decoder = std::make_shared<const decoders::Decoder>(units, search);
    decoders::Stream beam(decoder);
    decoders::GreedyStream greedy(decoder);
    std::int64_t begin = 0;
    for (const std::int64_t end : ends) {
      const float* rows = log_probs.data() + begin * model.outputs();
      beam.accept(rows, end - begin), greedy.accept(rows, end - begin);
      const decoders::Hypothesis best = options.empty() ? greedy.finish(1).front() : beam.finish(1).front();
      if (!best.words.empty()) expected.push_back(best.text);
      begin = end;
    }
    for (const bool whole_at_once : {true, false}) {
      const StreamHandle stream = stream_of(recognizer);
      REQUIRE(speechq_stream_set_endpoint_rules(stream.get(), rules, 2) == SPEECHQ_OK);
      std::vector<Words> found;
      for (std::size_t first = 0; first < kFrames;) {
        const std::size_t some = whole_at_once ? kFrames : generator() % 30;
        const std::size_t next = std::min(some, kFrames - first);
        accept(stream, frames, first, next);
        first += next;
        if (generator() % 2)
          for (Words& segment : segments(stream)) found.push_back(std::move(segment));
      }
      REQUIRE(speechq_stream_input_finished(stream.get()) == SPEECHQ_OK);
      for (Words& segment : segments(stream)) found.push_back(std::move(segment));
      std::vector<std::string> texts;
      double before = 0;
      for (const Words& segment : found) {
        texts.push_back(segment.text);
        CHECK(segment.numbers[0] >= before);
        before = segment.numbers[segment.numbers.size() - 3];
      }
      CHECK(texts == expected);
      CHECK(segments(stream).empty());
      // The rules stay.
      REQUIRE(speechq_stream_reset(stream.get()) == SPEECHQ_OK);
      accept(stream, frames);
      CHECK_FALSE(segments(stream).empty());
    }
  }
}

TEST_CASE("a segment knows what it covers") {
  const ModelFile file;
  const StreamHandle stream = stream_of(load(file.path));
  const std::vector<float> frames = sample_frames(kFrames);
  double before = 0;
  for (std::size_t first = 0; first < kFrames; first += 200) {
    accept(stream, frames, first, 200);
    speechq_result* result = nullptr;
    REQUIRE(speechq_stream_finish_segment(stream.get(), &result) == SPEECHQ_OK);
    const ResultHandle owned(result);
    double start = -1, end = -1;
    REQUIRE(speechq_result_times(result, &start, &end) == SPEECHQ_OK);
    CHECK(start == before);
    CHECK(end <= 0.01 * static_cast<double>(first + 200));
    CHECK(end > 0.01 * static_cast<double>(first + 200) - 0.15);  // what the network looks ahead
    before = end;
  }
}

TEST_CASE("the rules that are there are those of Python's streams") {
  std::size_t count = 0;
  const speechq_endpoint_rule* rules = speechq_endpoint_rules(&count);
  REQUIRE(count == decoders::kEndpointRules.size());
  for (std::size_t i = 0; i < count; ++i) {
    CHECK(rules[i].trailing_silence == decoders::kEndpointRules[i].trailing_silence);
    CHECK(rules[i].length == decoders::kEndpointRules[i].length);
    CHECK(rules[i].speech == decoders::kEndpointRules[i].speech);
    CHECK(rules[i].between_words == decoders::kEndpointRules[i].between_words);
  }
  const ModelFile file;
  const StreamHandle stream = stream_of(load(file.path));
  REQUIRE(speechq_stream_set_endpoint_rules(stream.get(), rules, count) == SPEECHQ_OK);
  accept(stream, sample_frames(100));
  CHECK(speechq_stream_set_endpoint_rules(stream.get(), nullptr, 0) == SPEECHQ_STATE);
  REQUIRE(speechq_stream_reset(stream.get()) == SPEECHQ_OK);
  CHECK(speechq_stream_set_endpoint_rules(stream.get(), nullptr, 1) == SPEECHQ_INVALID);
  const speechq_endpoint_rule always = {0, 0, 0, 0}, negative = {-1, 0, 0, 0};
  CHECK(speechq_stream_set_endpoint_rules(stream.get(), &always, 1) == SPEECHQ_INVALID);
  CHECK(speechq_stream_set_endpoint_rules(stream.get(), &negative, 1) == SPEECHQ_INVALID);
  CHECK(speechq_stream_set_endpoint_rules(stream.get(), nullptr, 0) == SPEECHQ_OK);
  accept(stream, sample_frames(100));
  CHECK(segments(stream).empty());
}

TEST_CASE("a result has the other texts that the search found") {
  const ModelFile file;
  const std::vector<float> frames = sample_frames(kFrames);
  const engine::Model model = engine::read_model(file.path);
  const std::vector<float> log_probs = scores(model, frames);
  decoders::Options search;
  search.beam = 8, search.depth = 15, search.word_bonus = 0.5;
  decoders::Stream beam(std::make_shared<const decoders::Decoder>(
      decoders::Units(decoders::UnitKind::characters, model.symbols), search));
  beam.accept(log_probs.data(), static_cast<std::int64_t>(log_probs.size()) / model.outputs());
  const std::vector<decoders::Hypothesis> expected = beam.best(5);
  Options options = kBeam;
  options.push_back({"n_best", "5"});
  const StreamHandle stream = stream_of(load(file.path, options));
  accept(stream, frames);
  REQUIRE(speechq_stream_input_finished(stream.get()) == SPEECHQ_OK);
  speechq_result* result = nullptr;
  REQUIRE(speechq_stream_finish_segment(stream.get(), &result) == SPEECHQ_OK);
  const ResultHandle owned(result);
  REQUIRE(expected.size() == 5);
  REQUIRE(speechq_result_alternative_count(result) == 5);
  CHECK(speechq_result_alternative(result, 0) == result);
  CHECK(speechq_result_alternative(result, 5) == nullptr);
  for (std::size_t i = 0; i < 5; ++i) {
    const speechq_result* one = speechq_result_alternative(result, i);
    CHECK(speechq_result_text(one) == expected[i].text);
    CHECK(speechq_result_word_count(one) == expected[i].words.size());
    speechq_scores found;
    REQUIRE(speechq_result_scores(one, &found) == SPEECHQ_OK);
    CHECK(found.total == expected[i].score);
    CHECK(found.acoustic == expected[i].acoustic);
  }
}
