// Every allocation fails once: the call says so, nothing leaks or crosses the interface, a reset helps.
#include "failing_new.h"
#include "handles.h"

using namespace speechq::testing;

namespace {

// What `call` gives with allocation `n` failing.
template <class Call>
speechq_status with_failure(long n, const Call& call) {
  fail_allocation(n);
  const speechq_status status = call();
  fail_allocation(-1);
  return status;
}

// Tries the failure of one allocation after the other, less densely far out, until the call meets none.
template <class Call, class Then>
void each_failure(const Call& call, const Then& then) {
  for (long n = 0;; n += 1 + n / 16) {
    const speechq_status status = with_failure(n, call);
    if (status == SPEECHQ_OK) {
      CHECK(n > 0);
      return;
    }
    INFO("allocation " << n << ": " << speechq_last_error());
    // What reads a file tells of the file.
    CHECK((status == SPEECHQ_NO_MEMORY || status == SPEECHQ_MODEL));
    then();
  }
}

}  // namespace

TEST_CASE("a recognizer or a stream that does not fit into memory is not made") {
  const ModelFile file;
  const Options options = {{"beam", "8"}, {"hotword", "A B:3"}};
  speechq_recognizer* recognizer = nullptr;
  each_failure(
      [&] { return speechq_recognizer_load(file.path.c_str(), options.data(), options.size(), &recognizer); },
      [&] { CHECK(recognizer == nullptr); });
  const RecognizerHandle owned(recognizer);
  speechq_stream* stream = nullptr;
  each_failure([&] { return speechq_stream_create(recognizer, &stream); }, [&] { CHECK(stream == nullptr); });
  const StreamHandle owned_too(stream);
  accept(owned_too, sample_frames(50));
}

TEST_CASE("a stream is whole again after a reset") {
  const ModelFile file;
  const std::vector<float> frames = sample_frames(120);
  for (const Options& options : {Options(), Options{{"beam", "8"}, {"depth", "10"}}}) {
    const RecognizerHandle recognizer = load(file.path, options);
    const StreamHandle stream = stream_of(recognizer);
    accept(stream, frames);
    const Words expected = end(stream);
    std::size_t length;
    const auto again = [&] {
      const speechq_status status = speechq_stream_stable_text(stream.get(), nullptr, 0, &length);
      CHECK((status == SPEECHQ_OK || status == SPEECHQ_STATE));
      REQUIRE(speechq_stream_reset(stream.get()) == SPEECHQ_OK);
      accept(stream, frames);
      CHECK(end(stream) == expected);
      REQUIRE(speechq_stream_reset(stream.get()) == SPEECHQ_OK);
    };
    again();
    each_failure([&] { return speechq_stream_accept(stream.get(), frames.data(), 120); }, again);
    each_failure([&] { return speechq_stream_input_finished(stream.get()); },
                 [&] {
                   again();
                   accept(stream, frames);
                 });
    speechq_result* result = nullptr;
    each_failure([&] { return speechq_stream_result(stream.get(), &result); },
                 [&] { CHECK(result == nullptr); });
    CHECK(read(ResultHandle(result).get()) == expected);
    each_failure([&] { return speechq_stream_finish_segment(stream.get(), &result); },
                 [&] {
                   CHECK(result == nullptr);
                   again();
                   accept(stream, frames);
                   REQUIRE(speechq_stream_input_finished(stream.get()) == SPEECHQ_OK);
                 });
    CHECK(read(ResultHandle(result).get()) == expected);
    each_failure([&] { return speechq_stream_reset(stream.get()); },
                 [&] { CHECK(speechq_stream_accept(stream.get(), frames.data(), 1) == SPEECHQ_STATE); });
    accept(stream, frames);
    CHECK(end(stream) == expected);
  }
}
