// Word n-grams through KenLM: ARPA files and all of KenLM's binary formats.
#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bind.h"
#include "decoders/kenlm_error.h"
#include "decoders/kenlm_model.h"
#include "lm/binary_format.hh"
#include "lm/model.hh"
#include "lm/virtual_interface.hh"

namespace speechq::bindings {
namespace {

namespace nb = nanobind;

struct TextScore {
  std::int64_t sentences = 0, words = 0, unknown = 0, characters = 0;
  double log10 = 0, log10_unknown = 0;
  auto tuple() const { return std::make_tuple(sentences, words, unknown, characters, log10, log10_unknown); }
};

class Ngram {
 public:
  explicit Ngram(const std::string& path) {
    nb::gil_scoped_release release;
    std::vector<std::string> words;
    model_ = decoders::open_kenlm(path, words);
    size_ = words.size();
  }

  int order() const { return model_->Order(); }
  std::size_t size() const { return size_; }
  bool contains(const std::string& word) const { return index(word) != unknown(); }

  // log10 P of every word, and of </s> with `eos`; true where the model does not know the word.
  std::vector<std::pair<double, bool>> word_scores(const std::vector<std::string>& words, bool bos,
                                                   bool eos) const {
    nb::gil_scoped_release release;
    std::vector<std::pair<double, bool>> scores;
    scores.reserve(words.size() + 1);
    Walk walk(*this, bos);
    for (const std::string& word : words) {
      const lm::WordIndex number = index(word);
      scores.emplace_back(walk.step(number), number == unknown());
    }
    if (eos) scores.emplace_back(walk.step(model_->BaseVocabulary().EndSentence()), false);
    return scores;
  }

  double score(const std::vector<std::string>& words, bool bos, bool eos) const {
    nb::gil_scoped_release release;
    Walk walk(*this, bos);
    double total = 0;
    for (const std::string& word : words) total += walk.step(index(word));
    if (eos) total += walk.step(model_->BaseVocabulary().EndSentence());
    return total;
  }

  // One sentence a line, every line with an end. Characters are code points of UTF-8, a space between two
  // words and the line end included.
  auto score_text(const nb::bytes& text) const {
    const char* at = text.c_str();
    const char* const end = at + text.size();
    TextScore sum;
    nb::gil_scoped_release release;
    while (at != end) at = score_line(at, end, sum);
    return sum.tuple();
  }

 private:
  // A walk through a sentence. KenLM writes the next state beside the one it reads.
  class Walk {
   public:
    Walk(const Ngram& ngram, bool bos) : model_(*ngram.model_), from_(model_.StateSize()), to_(from_.size()) {
      if (bos)
        model_.BeginSentenceWrite(from_.data());
      else
        model_.NullContextWrite(from_.data());
    }
    double step(lm::WordIndex word) {
      const float score = model_.BaseScore(from_.data(), word, to_.data());
      from_.swap(to_);
      return static_cast<double>(score);
    }

   private:
    const lm::base::Model& model_;
    std::vector<char> from_, to_;
  };

  lm::WordIndex index(const StringPiece& word) const { return model_->BaseVocabulary().Index(word); }
  lm::WordIndex unknown() const { return model_->BaseVocabulary().NotFound(); }

  static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\0'; }

  const char* score_line(const char* at, const char* end, TextScore& sum) const {
    Walk walk(*this, true);
    bool first = true;
    while (at != end && *at != '\n') {
      const char* const begin = at;
      for (; at != end && *at != '\n' && !is_space(*at); ++at)
        if ((*at & 0xC0) != 0x80) ++sum.characters;  // not a continuation byte
      if (at == begin) {
        ++at;
        continue;
      }
      if (!first) ++sum.characters;
      first = false;
      const lm::WordIndex number = index(StringPiece(begin, static_cast<std::size_t>(at - begin)));
      const double score = walk.step(number);
      ++sum.words;
      sum.log10 += score;
      if (number == unknown()) {
        ++sum.unknown;
        sum.log10_unknown += score;
      }
    }
    ++sum.characters;
    ++sum.sentences;
    sum.log10 += walk.step(model_->BaseVocabulary().EndSentence());
    return at == end ? at : at + 1;
  }

  std::unique_ptr<lm::base::Model> model_;
  std::size_t size_ = 0;
};

// KenLM's trie with quantized values and pointers compressed by arrays of offsets: its smallest format.
void build_binary(const std::string& arpa, const std::string& output, int bits) {
  nb::gil_scoped_release release;
  lm::ngram::Config config;
  config.messages = nullptr;
  config.show_progress = false;
  config.arpa_complain = lm::ngram::Config::NONE;
  config.write_mmap = output.c_str();
  config.write_method = lm::ngram::Config::WRITE_AFTER;  // a full disk is an error, not a signal
  config.prob_bits = config.backoff_bits = static_cast<std::uint8_t>(bits);
  config.pointer_bhiksha_bits = 22;
  try {
    lm::ngram::ModelType type;
    if (lm::ngram::RecognizeBinary(arpa.c_str(), type))
      throw std::runtime_error("it is a KenLM binary file already");
    lm::ngram::QuantArrayTrieModel(arpa.c_str(), config);
  } catch (const std::exception& error) {
    throw std::runtime_error(decoders::kenlm_reason(error));
  }
}

}  // namespace

void bind_ngram(nb::module_& m) {
  nb::class_<Ngram>(m, "Ngram")
      .def(nb::init<const std::string&>(), nb::arg("path"))
      .def_prop_ro("order", &Ngram::order)
      .def("__len__", &Ngram::size)
      .def("__contains__", &Ngram::contains, nb::arg("word"))
      .def("score", &Ngram::score, nb::arg("words"), nb::arg("bos") = true, nb::arg("eos") = true)
      .def("word_scores", &Ngram::word_scores, nb::arg("words"), nb::arg("bos") = true, nb::arg("eos") = true)
      .def("score_text", &Ngram::score_text, nb::arg("text"));
  m.def("build_binary", &build_binary, nb::arg("arpa"), nb::arg("output"), nb::arg("bits"));
}

}  // namespace speechq::bindings
