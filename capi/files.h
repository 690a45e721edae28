// The files of a model.
#pragma once

#include <string>
#include <vector>

#include "capi/settings.h"
#include "decoders/options.h"

namespace speechq::capi {

// The whole file. Throws Failure that names it and says what was expected.
std::string read_text(const std::string& path, const char* expected);

// Sets the files, and what decoder.json says, for a model file or a folder of am.sqm and what goes with it.
// Throws Failure.
void find_model(const std::string& path, Settings& settings);

// A word per line, its spelling behind it if that is not the word itself. Throws Failure.
std::vector<decoders::LexiconEntry> read_lexicon(const std::string& path);

}  // namespace speechq::capi
