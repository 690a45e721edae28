#include "capi/recognizer.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "base/isa.h"
#include "capi/files.h"
#include "capi/status.h"
#include "decoders/network_lm.h"

namespace speechq::capi {
namespace {

using decoders::UnitKind;
using decoders::Units;

Units units_of(const engine::Model& model) {
  UnitKind kind = UnitKind::characters;
  if (model.units_kind == "phones") kind = UnitKind::phones;
  if (model.units_kind == "pieces") kind = UnitKind::pieces;
  return Units(kind, model.symbols);
}

std::shared_ptr<const decoders::Ngram> open_ngram(const std::string& path) {
  if (!decoders::Ngram::available())
    throw Failure(SPEECHQ_UNAVAILABLE,
                  path +
                      ": this library was built without KenLM, so it cannot use word n-grams; leave them out "
                      "with the option ngram set to an empty value, or build with KenLM");
  try {
    return std::make_shared<decoders::Ngram>(path);
  } catch (const std::runtime_error& error) {
    throw Failure(SPEECHQ_MODEL, error.what());
  }
}

// The character model over the units of the acoustic model.
std::shared_ptr<const decoders::CharLm> open_char_lm(const std::string& path, const engine::Model& acoustic) {
  const engine::Model model = engine::read_model(path);
  if (!model.takes_symbols)
    throw Failure(SPEECHQ_MODEL,
                  path + ": an acoustic model; expected a language model, which takes symbols");
  if (model.units_kind != acoustic.units_kind ||
      !std::equal(model.symbols.begin() + 1, model.symbols.end(), acoustic.symbols.begin() + 1,
                  acoustic.symbols.end()))
    throw Failure(SPEECHQ_MODEL, path + ": its units are not those of the acoustic model");
  return std::make_shared<decoders::NetworkLm>(
      std::make_shared<const engine::Network>(model, engine::Mode::hybrid));
}

}  // namespace

Recognizer::Recognizer(const std::string& model_path, const speechq_option* options, std::size_t count) {
  isa();  // so that a wrong SPEECHQ_ISA is told before anything else
  find_model(model_path, settings_);
  apply(options, count, settings_);
  engine::Model model = engine::read_model(settings_.acoustic);
  if (model.takes_symbols)
    throw Failure(SPEECHQ_MODEL,
                  settings_.acoustic + ": a language model takes no audio; expected an acoustic model");
  try {
    network_ = std::make_unique<engine::Network>(model, settings_.mode);
  } catch (const engine::ModelError& error) {
    throw Failure(SPEECHQ_MODEL, settings_.acoustic + ": " + error.what());
  }
  features_ = model.features;
  stacking_ = {std::move(model.mean), std::move(model.scale), static_cast<std::size_t>(model.stack),
               static_cast<std::size_t>(model.stride)};
  make_decoder(model);
}

void Recognizer::make_decoder(const engine::Model& model) {
  greedy_ = !settings_.ngram && !settings_.char_lm && !settings_.search;
  std::shared_ptr<const decoders::Ngram> ngram;
  if (settings_.ngram) ngram = open_ngram(*settings_.ngram);
  std::shared_ptr<const decoders::CharLm> char_lm;
  if (settings_.char_lm) char_lm = open_char_lm(*settings_.char_lm, model);
  std::vector<decoders::LexiconEntry> lexicon;
  if (settings_.lexicon) lexicon = read_lexicon(*settings_.lexicon);
  decoder_ = std::make_shared<decoders::Decoder>(units_of(model), settings_.decoder,
                                                 settings_.lexicon ? &lexicon : nullptr, std::move(ngram),
                                                 std::move(char_lm), settings_.hotwords);
}

}  // namespace speechq::capi
