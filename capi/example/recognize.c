/* Prints the text of a recording of which the feature frames are given.
 *
 *   recognize MODEL FRAMES [key=value ...]
 *
 * FRAMES holds float32 values of this machine, one frame after the other, as Python writes them:
 *
 *   from speechq.data.features import fbank
 *   fbank(samples, config).tofile("frames.f32")
 */
#include <speechq.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_OPTIONS = 32, CHUNK = 100 }; /* frames: a second */

static void check(speechq_status status) {
  if (status == SPEECHQ_OK) return;
  fprintf(stderr, "%s: %s\n", speechq_status_name(status), speechq_last_error());
  exit(2);
}

int main(int argc, char** argv) {
  speechq_option options[MOST_OPTIONS];
  speechq_recognizer* recognizer;
  speechq_features features;
  speechq_stream* stream;
  speechq_result* result;
  speechq_word word;
  int count = argc - 3;

  if (count < 0 || count > MOST_OPTIONS) {
    fprintf(stderr, "usage: %s MODEL FRAMES [key=value ...]\n", argv[0]);
    return 2;
  }
  for (int i = 0; i < count; ++i) {
    char* equals = strchr(argv[i + 3], '=');
    if (equals == NULL) {
      fprintf(stderr, "%s: expected key=value\n", argv[i + 3]);
      return 2;
    }
    *equals = '\0';
    options[i].key = argv[i + 3];
    options[i].value = equals + 1;
  }
  check(speechq_recognizer_load(argv[1], options, (size_t)count, &recognizer));
  check(speechq_recognizer_features(recognizer, &features));
  check(speechq_stream_create(recognizer, &stream));

  FILE* file = fopen(argv[2], "rb");
  if (file == NULL) {
    perror(argv[2]);
    return 2;
  }
  size_t frame_bytes = (size_t)features.size * sizeof(float), frames;
  float* chunk = malloc(CHUNK * frame_bytes);
  if (chunk == NULL) return 2;
  while ((frames = fread(chunk, frame_bytes, CHUNK, file)) > 0)
    check(speechq_stream_accept(stream, chunk, frames));
  free(chunk);
  fclose(file);

  check(speechq_stream_input_finished(stream));
  check(speechq_stream_finish_segment(stream, &result));
  printf("%s\n", speechq_result_text(result));
  for (size_t i = 0; i < speechq_result_word_count(result); ++i) {
    check(speechq_result_word(result, i, &word));
    printf("%.2f\t%.2f\t%.6f\t%s\n", word.start, word.end, word.confidence, word.text);
  }
  speechq_result_free(result);
  speechq_stream_free(stream);
  speechq_recognizer_free(recognizer);
  return 0;
}
