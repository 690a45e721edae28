#include "decoders/ngram.h"

#include <cmath>
#include <stdexcept>

#include "decoders/kenlm_model.h"
#include "lm/model.hh"
#include "lm/virtual_interface.hh"

namespace speechq::decoders {
namespace {

const double kLn10 = std::log(10.0);

}  // namespace

struct Ngram::Model {
  std::unique_ptr<lm::base::Model> kenlm;
};

bool Ngram::available() { return true; }

Ngram::Ngram(const std::string& path) : model_(std::make_unique<Model>()) {
  static_assert(sizeof(lm::ngram::State) <= sizeof(Context), "KENLM_MAX_ORDER is too large for a context");
  try {
    model_->kenlm = open_kenlm(path, words_);
  } catch (const std::exception& error) {
    throw std::runtime_error(
        path +
        ": cannot be used as a word n-gram; expected an ARPA file or a KenLM binary file of order 2 to " +
        std::to_string(KENLM_MAX_ORDER) + " with its vocabulary (" + error.what() + ")");
  }
}

Ngram::~Ngram() = default;

Ngram::Word Ngram::number(const std::string& word) const {
  return model_->kenlm->BaseVocabulary().Index(word);
}

Ngram::Word Ngram::sentence_end() const { return model_->kenlm->BaseVocabulary().EndSentence(); }

Ngram::Context Ngram::sentence_start() const {
  Context context{};
  model_->kenlm->BeginSentenceWrite(context.bytes.data());
  return context;
}

double Ngram::score(const Context& before, Word word, Context& after) const {
  return kLn10 * static_cast<double>(model_->kenlm->BaseScore(before.bytes.data(), word, after.bytes.data()));
}

double Ngram::unigram(Word word) const {
  Context empty{}, after;
  model_->kenlm->NullContextWrite(empty.bytes.data());
  return score(empty, word, after);
}

}  // namespace speechq::decoders
