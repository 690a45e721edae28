// A word n-gram: an ARPA file or any of KenLM's binary files, queried through KenLM. Scores are natural logs.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace speechq::decoders {

class Ngram {
 public:
  using Word = std::uint32_t;
  static constexpr Word kUnknown = 0;

  // The words before, as far as the model looks back.
  struct Context {
    alignas(8) std::array<unsigned char, 48> bytes;
  };

  // Whether this build can read n-grams at all; if not, the constructor throws for every file.
  static bool available();

  // Throws std::runtime_error that names the file.
  explicit Ngram(const std::string& path);
  ~Ngram();
  Ngram(const Ngram&) = delete;
  Ngram& operator=(const Ngram&) = delete;

  // The vocabulary by number, with <unk> (0), <s> and </s>; an empty string where a number has no word.
  const std::vector<std::string>& words() const { return words_; }
  // kUnknown for a word that the model does not know.
  Word number(const std::string& word) const;
  Word sentence_end() const;

  Context sentence_start() const;
  // ln P(word | before), and the context with the word.
  double score(const Context& before, Word word, Context& after) const;
  // ln P(word) without any context.
  double unigram(Word word) const;

 private:
  struct Model;
  std::unique_ptr<Model> model_;
  std::vector<std::string> words_;
};

}  // namespace speechq::decoders
