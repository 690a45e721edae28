#include "decoders/kenlm_model.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <stdexcept>

#include "decoders/kenlm_error.h"
#include "lm/binary_format.hh"
#include "lm/enumerate_vocab.hh"
#include "lm/model.hh"

namespace speechq::decoders {
namespace {

// The beginning of a binary file: KenLM's mark with values that depend on the machine, then
// FixedWidthParameters and the counts of n-grams, then the vocabulary (lm/binary_format.cc, lm/vocab.cc).
constexpr char kMark[] = "mmap lm http://kheafield.com/code format version 5\n";
constexpr std::size_t kParameters = 88, kType = 96;

template <class T>
T read_at(std::ifstream& file, std::size_t offset) {
  T value{};
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(reinterpret_cast<char*>(&value), sizeof value);
  return value;
}

// What KenLM does not check before it relies on it. False for a file that is not binary.
bool check_header(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::array<char, sizeof kMark> mark{};
  file.read(mark.data(), mark.size());
  if (!file || std::memcmp(mark.data(), kMark, sizeof kMark) != 0) return false;
  const int order = read_at<std::uint8_t>(file, kParameters);
  const auto type = read_at<std::int32_t>(file, kType);
  if (order < 2 || order > KENLM_MAX_ORDER)
    throw std::runtime_error("its header is damaged: it says order " + std::to_string(order));
  const std::size_t counts = kParameters + sizeof(lm::ngram::FixedWidthParameters);
  const auto words = read_at<std::uint64_t>(file, counts);
  const auto behind = static_cast<std::size_t>(ALIGN8(counts + 8 * static_cast<std::size_t>(order)));
  // A trie's vocabulary is a sorted list, whose length comes first; <unk> is not in it.
  const auto listed = read_at<std::uint64_t>(file, behind);
  if (file && type >= lm::ngram::TRIE && listed >= words)
    throw std::runtime_error("its header is damaged: it lists " + std::to_string(listed) + " of " +
                             std::to_string(words) + " words");
  return true;
}

bool is_utf8(const std::string& text) {
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = at + text.size();
  while (at != end) {
    const unsigned char first = *at++;
    if (first < 0x80) continue;
    const int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
    if (first < 0xc2 || first > 0xf4 || end - at < more) return false;
    const unsigned char second = *at;
    if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
        (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f))
      return false;
    for (int i = 0; i < more; ++i)
      if ((*at++ & 0xc0) != 0x80) return false;
  }
  return true;
}

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

std::unique_ptr<lm::base::Model> open_kenlm(const std::string& path, std::vector<std::string>& words) {
  const bool binary = check_header(path);
  Words listed(words);
  lm::ngram::Config config;
  config.enumerate_vocab = &listed;
  config.messages = nullptr;
  config.show_progress = false;
  config.arpa_complain = lm::ngram::Config::NONE;
  std::unique_ptr<lm::base::Model> model;
  try {
    model.reset(lm::ngram::LoadVirtual(path.c_str(), config));
  } catch (const std::exception& error) {
    throw std::runtime_error(kenlm_reason(error));
  }
  for (std::size_t number = 0; number < words.size(); ++number) {
    if (!is_utf8(words[number]))
      throw std::runtime_error("word " + std::to_string(number) + " is not UTF-8 text");
    if (binary && model->BaseVocabulary().Index(words[number]) != number)
      throw std::runtime_error("its vocabulary is damaged: word " + std::to_string(number) +
                               " is not found under its number");
  }
  return model;
}

}  // namespace speechq::decoders
