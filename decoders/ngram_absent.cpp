// In place of ngram.cpp where there is no KenLM: no Ngram can be made, so its other functions never run.
#include <stdexcept>

#include "decoders/ngram.h"

namespace speechq::decoders {

struct Ngram::Model {};

bool Ngram::available() { return false; }

Ngram::Ngram(const std::string& path) {
  throw std::runtime_error(path + ": this build has no KenLM, so it cannot use word n-grams");
}

Ngram::~Ngram() = default;

Ngram::Word Ngram::number(const std::string&) const { return kUnknown; }
Ngram::Word Ngram::sentence_end() const { return kUnknown; }
Ngram::Context Ngram::sentence_start() const { return {}; }
double Ngram::score(const Context&, Word, Context&) const { return 0; }
double Ngram::unigram(Word) const { return 0; }

}  // namespace speechq::decoders
