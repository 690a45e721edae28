#include "decoders/ngram.h"

#include <cmath>
#include <stdexcept>

#include "decoders/kenlm_error.h"
#include "lm/enumerate_vocab.hh"
#include "lm/model.hh"
#include "lm/virtual_interface.hh"

namespace speechq::decoders {
namespace {

const double kLn10 = std::log(10.0);

class Words : public lm::EnumerateVocab {
 public:
  explicit Words(std::vector<std::string>& words) : words_(words) {}
  void Add(lm::WordIndex index, const StringPiece& word) override {
    if (index >= words_.size()) words_.resize(index + 1);
    words_[index].assign(word.data(), word.size());
  }

 private:
  std::vector<std::string>& words_;
};

}  // namespace

struct Ngram::Model {
  std::unique_ptr<lm::base::Model> kenlm;
};

bool Ngram::available() { return true; }

Ngram::Ngram(const std::string& path) : model_(std::make_unique<Model>()) {
  static_assert(sizeof(lm::ngram::State) <= sizeof(Context), "KENLM_MAX_ORDER is too large for a context");
  Words words(words_);
  lm::ngram::Config config;
  config.enumerate_vocab = &words;
  config.messages = nullptr;
  config.show_progress = false;
  config.arpa_complain = lm::ngram::Config::NONE;
  try {
    model_->kenlm.reset(lm::ngram::LoadVirtual(path.c_str(), config));
  } catch (const std::exception& error) {
    throw std::runtime_error(
        path +
        ": cannot be used as a word n-gram; expected an ARPA file or a KenLM binary file of order 2 to " +
        std::to_string(KENLM_MAX_ORDER) + " with its vocabulary (" + kenlm_reason(error) + ")");
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
