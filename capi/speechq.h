/* speechq: online speech recognition with a packed model, from C (C99) or C++.
 *
 * Feature frames go in, text and words come out. docs/c-interface.md shows a whole program.
 *
 * Memory. What a call hands out through a pointer to a handle is the caller's, who frees it with the function
 * of that name; freeing NULL does nothing. Handles may be freed in any order: a stream keeps its recognizer
 * alive. All text is UTF-8 and ends with a zero byte.
 *
 * Errors. Calls that can fail return a speechq_status; speechq_last_error() says in words what was wrong. A
 * handle that could not be made is NULL. No C++ exception leaves the library.
 *
 * Threads. A recognizer and a result never change and may be used by any number of threads at once. A stream
 * may be used from any thread, but by one at a time. Streams of one recognizer are independent of each other.
 */
#ifndef SPEECHQ_H
#define SPEECHQ_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define SPEECHQ_API __attribute__((visibility("default")))
#else
#define SPEECHQ_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum speechq_status {
  SPEECHQ_OK = 0,
  SPEECHQ_INVALID = 1,     /* an argument, an option or a frame that cannot be used */
  SPEECHQ_MODEL = 2,       /* a file of the model cannot be read or used */
  SPEECHQ_UNAVAILABLE = 3, /* this build of the library cannot do it */
  SPEECHQ_STATE = 4,       /* the stream is not where this call makes sense */
  SPEECHQ_TOO_SMALL = 5,   /* the buffer does not hold the text */
  SPEECHQ_NO_MEMORY = 6,
  SPEECHQ_INTERNAL = 7 /* an error of the library */
} speechq_status;

typedef struct speechq_recognizer speechq_recognizer;
typedef struct speechq_stream speechq_stream;
typedef struct speechq_result speechq_result;

/* For example "0.1.0". */
SPEECHQ_API const char* speechq_version(void);

/* For example "SPEECHQ_MODEL"; "unknown status" for any other number. */
SPEECHQ_API const char* speechq_status_name(speechq_status status);

/* What was wrong with the last call of this thread that failed: a sentence that names the file, option or
 * argument. "" if none failed. Valid until another call of this thread fails. */
SPEECHQ_API const char* speechq_last_error(void);

/* ---- The recognizer: what all streams share ---- */

typedef struct speechq_option {
  const char *key, *value;
} speechq_option;

/* Loads a model file (*.sqm), or a folder with am.sqm and, each if wanted, lm.sqm, words.bin or words.arpa,
 * and decoder.json. `options` may be NULL if `count` is 0. Of a key that occurs twice the last one counts,
 * but all hotwords do.
 *
 *   ngram, char_lm, lexicon   files that take the place of the folder's; an empty value leaves those out
 *   hotword                   a phrase, or a phrase with its boost: "BLACK WIDOW:8" (5 without)
 *   beam, beam_threshold, depth, symbol_threshold, ngram_weight, char_lm_weight, known_char_lm_weight,
 *   word_bonus, char_bonus, oov_penalty
 *                             numbers; docs/decoder.md says what they do
 *   n_best                    texts of a result, 1 or more (1); more than 1 is a beam search
 *   mode                      "hybrid" or "integer" arithmetic (docs/fixed-point.md)
 *   block                     frames per reading of the weights, 1 to 64 (16); the text does not depend on it
 *   threads                   of one call, 1 or more (1); the text does not depend on it
 *
 * Without any language model, decoder.json and decoder option the best path is taken; otherwise it is a beam
 * search. */
SPEECHQ_API speechq_status speechq_recognizer_load(const char* model, const speechq_option* options,
                                                   size_t count, speechq_recognizer** recognizer);
SPEECHQ_API void speechq_recognizer_free(speechq_recognizer* recognizer);

/* The frames that the model was trained on: log-mel energies as Kaldi computes them, 25 ms of the audio every
 * 10 ms (Povey window, samples in the 16-bit range, an incomplete window at the end dropped). */
typedef struct speechq_features {
  int32_t sample_rate;    /* Hz */
  int32_t mels;           /* filters, from low_hz to high_hz */
  double low_hz, high_hz; /* high_hz at 0 or below is counted from half the sample rate */
  int32_t energy;         /* 1: the log energy comes before the filters */
  int32_t deltas;         /* 1: all of this is followed by its first, then by its second differences */
  int32_t size;           /* values per frame that follow from this */
} speechq_features;

SPEECHQ_API speechq_status speechq_recognizer_features(const speechq_recognizer* recognizer,
                                                       speechq_features* features);

/* ---- Streams ---- */

SPEECHQ_API speechq_status speechq_stream_create(const speechq_recognizer* recognizer,
                                                 speechq_stream** stream);
SPEECHQ_API void speechq_stream_free(speechq_stream* stream);

/* Takes `count` frames [count][features.size], neither normalized nor stacked. How frames are divided among
 * calls does not change the text. A frame with a value that is not finite is refused, and all of the call
 * with it. */
SPEECHQ_API speechq_status speechq_stream_accept(speechq_stream* stream, const float* frames, size_t count);

/* The same for `streams` streams of one recognizer at once, which read the weights together: counts[i] frames
 * at frames[i] for streams[i]. The texts are those of separate calls. Nothing is taken if any of it is
 * refused. */
SPEECHQ_API speechq_status speechq_streams_accept(speechq_stream* const* streams, const float* const* frames,
                                                  const size_t* counts, size_t count);

/* The input has ended: frames that the network held back for its look-ahead are recognized. Afterwards only
 * the text can be asked for, the segment finished, and the stream reset or freed. */
SPEECHQ_API speechq_status speechq_stream_input_finished(speechq_stream* stream);

/* Copies the text of the current segment that will not change any more, or what the best hypothesis adds to
 * it; one behind the other they are the present text. *length (if not NULL) becomes the bytes of the whole
 * text without the zero at its end; `size` must be larger than that, or the status is SPEECHQ_TOO_SMALL and
 * the buffer holds "". A NULL buffer of size 0 just asks for the length. */
SPEECHQ_API speechq_status speechq_stream_stable_text(speechq_stream* stream, char* buffer, size_t size,
                                                      size_t* length);
SPEECHQ_API speechq_status speechq_stream_partial_text(speechq_stream* stream, char* buffer, size_t size,
                                                       size_t* length);

/* The best text of the current segment as if it ended here. */
SPEECHQ_API speechq_status speechq_stream_result(speechq_stream* stream, speechq_result** result);

/* The same, and the segment ends: the language models start anew with the next frame, while the network goes
 * on and time is counted on. */
SPEECHQ_API speechq_status speechq_stream_finish_segment(speechq_stream* stream, speechq_result** result);

/* ---- Endless streams: segments that end by rules ---- */

/* A segment ends at the first frame where everything that one rule asks for is true. A frame is silent where
 * the network's most likely symbol is the blank or the space. Times are rounded to frames. */
typedef struct speechq_endpoint_rule {
  double trailing_silence; /* seconds of silence */
  double length;           /* seconds since the segment began */
  int32_t speech;          /* 1: there was a symbol in the segment */
  int32_t between_words;   /* 1: the last symbol was a space, so that no word is cut in two */
} speechq_endpoint_rule;

/* The rules that Python's streams have: 5 s of silence; 0.8 s of it in 0.5 s or more behind a word; 20 s, and
 * then the next space; 60 s. *count becomes their number. */
SPEECHQ_API const speechq_endpoint_rule* speechq_endpoint_rules(size_t* count);

/* From now on these rules end the segments of the stream, also those behind a reset; none: only
 * speechq_stream_finish_segment does. Before its first frames, or after a reset. */
SPEECHQ_API speechq_status speechq_stream_set_endpoint_rules(speechq_stream* stream,
                                                             const speechq_endpoint_rule* rules,
                                                             size_t count);

/* The segment that ended first of those not handed out yet, each once; *result becomes NULL where there is
 * none. Segments without a word are left out. With rules speechq_stream_input_finished ends the last one too.
 * Segments are kept until they are asked for. */
SPEECHQ_API speechq_status speechq_stream_next_segment(speechq_stream* stream, speechq_result** result);

/* Back to the beginning of a new stream. Also the way out after SPEECHQ_NO_MEMORY or SPEECHQ_INTERNAL. */
SPEECHQ_API speechq_status speechq_stream_reset(speechq_stream* stream);

/* ---- Results ---- */

typedef struct speechq_word {
  const char* text; /* valid as long as the result */
  double start;     /* seconds since the beginning of the stream */
  double end;
  double confidence; /* 0 to 1 */
} speechq_word;

SPEECHQ_API const char* speechq_result_text(const speechq_result* result); /* "" for NULL */
SPEECHQ_API size_t speechq_result_word_count(const speechq_result* result);
SPEECHQ_API speechq_status speechq_result_word(const speechq_result* result, size_t index,
                                               speechq_word* word);

/* What the segment covers, in seconds since the beginning of the stream. */
SPEECHQ_API speechq_status speechq_result_times(const speechq_result* result, double* start, double* end);

typedef struct speechq_scores {
  double total;    /* natural logs; docs/decoder.md says of what */
  double acoustic; /* without language models */
  double char_lm, known_char_lm, ngram;
} speechq_scores;

SPEECHQ_API speechq_status speechq_result_scores(const speechq_result* result, speechq_scores* scores);

/* Other texts of the segment, best first, as many as the search found up to the option n_best; alternative 0
 * is the result itself. Alternatives belong to the result; NULL beyond the last. */
SPEECHQ_API size_t speechq_result_alternative_count(const speechq_result* result); /* 0 for NULL */
SPEECHQ_API const speechq_result* speechq_result_alternative(const speechq_result* result, size_t index);

SPEECHQ_API void speechq_result_free(speechq_result* result);

#ifdef __cplusplus
}
#endif

#endif
