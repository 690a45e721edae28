#include "decoders/decoder.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "arrays.h"
#include "bind.h"
#include "decoders/network_lm.h"

namespace speechq::bindings {
namespace {

using decoders::CharLm;
using decoders::CharLmStates;
using decoders::Decoder;
using decoders::Hypothesis;
using decoders::NetworkLm;
using decoders::Ngram;
using decoders::Stream;

// A character model written in Python: start() and advance(states, units), called with the interpreter lock.
class PythonStates : public CharLmStates {
 public:
  PythonStates(nb::object model, int row_size) : model_(std::move(model)), row_size_(row_size) {}
  ~PythonStates() override {
    nb::gil_scoped_acquire lock;
    states_.clear();
    model_.reset();
  }

  Handle start(float* row) override {
    nb::gil_scoped_acquire lock;
    const nb::object result = model_.attr("start")();
    copy_rows(result[1], {row_size_}, row);
    return keep(result[0]);
  }

  void advance(int count, const Handle* parents, const int* units, Handle* states, float* rows) override {
    nb::gil_scoped_acquire lock;
    nb::list before, symbols;
    for (int i = 0; i < count; ++i) {
      before.append(states_[static_cast<std::size_t>(parents[i])]);
      symbols.append(units[i]);
    }
    const nb::object result = model_.attr("advance")(before, symbols);
    const nb::object after = result[0];
    if (nb::len(after) != static_cast<std::size_t>(count))
      throw std::invalid_argument("char_lm.advance must give one state for each that it got");
    copy_rows(result[1], {count, row_size_}, rows);
    for (int i = 0; i < count; ++i) states[i] = keep(after[i]);
  }

  void release(int count, const Handle* states) override {
    nb::gil_scoped_acquire lock;
    for (int i = 0; i < count; ++i) {
      states_[static_cast<std::size_t>(states[i])].reset();
      free_.push_back(states[i]);
    }
  }

 private:
  static void copy_rows(const nb::object& array, Shape shape, float* to) {
    const Input rows = nb::cast<Input>(array);
    std::size_t size = 1;
    for (const std::int64_t extent : shape) size *= static_cast<std::size_t>(extent);
    std::copy_n(input<float>(rows, shape, "the scores of char_lm"), size, to);
  }

  Handle keep(nb::object state) {
    if (free_.empty()) {
      states_.push_back(std::move(state));
      return static_cast<Handle>(states_.size()) - 1;
    }
    const Handle handle = free_.back();
    free_.pop_back();
    states_[static_cast<std::size_t>(handle)] = std::move(state);
    return handle;
  }

  nb::object model_;
  int row_size_;
  std::vector<nb::object> states_;
  std::vector<Handle> free_;
};

class PythonCharLm : public CharLm {
 public:
  PythonCharLm(nb::object model, int row_size) : model_(std::move(model)), row_size_(row_size) {}
  ~PythonCharLm() override {
    nb::gil_scoped_acquire lock;
    model_.reset();
  }
  int row_size() const override { return row_size_; }
  std::unique_ptr<CharLmStates> states() const override {
    nb::gil_scoped_acquire lock;
    return std::make_unique<PythonStates>(model_, row_size_);
  }

 private:
  nb::object model_;
  int row_size_;
};

using Pairs = std::vector<std::pair<std::string, std::string>>;
using Boosts = std::vector<std::pair<std::string, double>>;

std::shared_ptr<Decoder> make_decoder(const std::string& kind, std::vector<std::string> symbols,
                                      const std::optional<Pairs>& lexicon, std::shared_ptr<Ngram> ngram,
                                      std::shared_ptr<CharLm> char_lm, const Boosts& hotwords, int beam,
                                      double beam_threshold, int depth, double symbol_threshold,
                                      double ngram_weight, double char_lm_weight, double known_char_lm_weight,
                                      double word_bonus, double char_bonus, double oov_penalty) {
  decoders::UnitKind unit_kind = decoders::UnitKind::characters;
  if (kind == "phones") unit_kind = decoders::UnitKind::phones;
  if (kind == "pieces") unit_kind = decoders::UnitKind::pieces;
  const decoders::Options options{
      beam,           beam_threshold,       depth,      symbol_threshold, ngram_weight,
      char_lm_weight, known_char_lm_weight, word_bonus, char_bonus,       oov_penalty};
  nb::gil_scoped_release release;
  std::vector<decoders::LexiconEntry> words;
  if (lexicon)
    for (const auto& [word, spelling] : *lexicon) words.push_back({word, spelling});
  std::vector<decoders::HotwordEntry> phrases;
  for (const auto& [phrase, boost] : hotwords) phrases.push_back({phrase, boost});
  return std::make_shared<Decoder>(decoders::Units(unit_kind, std::move(symbols)), options,
                                   lexicon ? &words : nullptr, std::move(ngram), std::move(char_lm), phrases);
}

// What Python gets of a hypothesis: (text, [(word, start, end, confidence)], score, acoustic, char_lm,
// known_char_lm, ngram, [(unit, frame)])
nb::list as_python(const std::vector<Hypothesis>& hypotheses) {
  nb::list result;
  for (const Hypothesis& h : hypotheses) {
    nb::list words, units;
    for (const decoders::Word& word : h.words)
      words.append(nb::make_tuple(word.text, word.start, word.end, word.confidence));
    for (const decoders::TimedUnit& unit : h.units) units.append(nb::make_tuple(unit.unit, unit.frame));
    result.append(
        nb::make_tuple(h.text, words, h.score, h.acoustic, h.char_lm, h.known_char_lm, h.ngram, units));
  }
  return result;
}

class PythonStream {
 public:
  explicit PythonStream(std::shared_ptr<const Decoder> decoder)
      : units_(decoder->units()), stream_(std::move(decoder)) {}

  void accept(const Input& log_probs) {
    const std::int64_t frames = extent(log_probs, 0, 2, "log-probabilities");
    const float* rows = input<float>(log_probs, {frames, units_}, "log-probabilities");
    nb::gil_scoped_release release;
    stream_.accept(rows, frames);
  }
  nb::list best(int count) {
    std::vector<Hypothesis> hypotheses;
    {
      nb::gil_scoped_release release;
      hypotheses = stream_.best(count);
    }
    return as_python(hypotheses);
  }
  nb::list finish(int count) {
    std::vector<Hypothesis> hypotheses;
    {
      nb::gil_scoped_release release;
      hypotheses = stream_.finish(count);
    }
    return as_python(hypotheses);
  }
  Stream& stream() { return stream_; }

 private:
  int units_;
  Stream stream_;
};

}  // namespace

void bind_decoder(nb::module_& m) {
  nb::class_<Ngram>(m, "DecoderNgram")
      .def(nb::init<const std::string&>(), nb::arg("path"), nb::call_guard<nb::gil_scoped_release>())
      .def_prop_ro("words", &Ngram::words);

  nb::class_<CharLm>(m, "CharLm");
  nb::class_<PythonCharLm, CharLm>(m, "PythonCharLm")
      .def(nb::init<nb::object, int>(), nb::arg("model"), nb::arg("row_size"));
  nb::class_<NetworkLm, CharLm>(m, "NetworkLm")
      .def(
          "__init__",
          [](NetworkLm* self, std::shared_ptr<engine::Network> network) {
            new (self) NetworkLm(std::move(network));
          },
          nb::arg("network"));

  nb::class_<Decoder>(m, "Decoder");
  m.def("make_decoder", &make_decoder, nb::arg("kind"), nb::arg("symbols"), nb::arg("lexicon").none(),
        nb::arg("ngram").none(), nb::arg("char_lm").none(), nb::arg("hotwords"), nb::arg("beam"),
        nb::arg("beam_threshold"), nb::arg("depth"), nb::arg("symbol_threshold"), nb::arg("ngram_weight"),
        nb::arg("char_lm_weight"), nb::arg("known_char_lm_weight"), nb::arg("word_bonus"),
        nb::arg("char_bonus"), nb::arg("oov_penalty"));

  nb::class_<PythonStream>(m, "DecoderStream")
      .def("__init__", [](PythonStream* self,
                          std::shared_ptr<Decoder> decoder) { new (self) PythonStream(std::move(decoder)); })
      .def("accept", &PythonStream::accept, nb::arg("log_probs").noconvert())
      .def("best", &PythonStream::best, nb::arg("count"))
      .def("finish", &PythonStream::finish, nb::arg("count"))
      .def("reset", [](PythonStream& self) { self.stream().reset(); })
      .def_prop_ro("stable_text", [](PythonStream& self) { return self.stream().stable_text(); })
      .def_prop_ro("partial", [](PythonStream& self) { return self.stream().partial(); })
      .def_prop_ro("frames", [](PythonStream& self) { return self.stream().frames(); })
      .def_prop_ro("prefixes", [](PythonStream& self) { return self.stream().prefixes(); })
      .def_prop_ro("scored", [](PythonStream& self) { return self.stream().scored(); })
      .def_prop_ro("nodes", [](PythonStream& self) { return self.stream().nodes(); })
      .def_prop_ro("bytes", [](PythonStream& self) { return self.stream().bytes(); });
}

}  // namespace speechq::bindings
