// What can be chosen about a recognizer: by decoder.json, and over it by key and value.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "capi/speechq.h"
#include "decoders/options.h"
#include "network/layer.h"

namespace speechq::capi {

struct Settings {
  decoders::Options decoder;
  bool search = false;  // something was said about the decoder
  std::vector<decoders::HotwordEntry> hotwords;
  std::string acoustic;
  std::optional<std::string> ngram, char_lm, lexicon;  // paths
  engine::Mode mode = engine::Mode::hybrid;
  int block = 16, threads = 1, n_best = 1;
  // Seconds added to the times of words, and the logistic calibration of their confidence.
  double start_shift = 0, end_shift = 0, scale = 1, offset = 0;
};

// The content of decoder.json; its lexicon lies in `folder`. Throws Failure that names the file and the key.
void read_decoder_json(const std::string& path, const std::string& folder, Settings& settings);

// Throws Failure that names the key.
void apply(const speechq_option* options, std::size_t count, Settings& settings);

}  // namespace speechq::capi
