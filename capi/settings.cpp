#include "capi/settings.h"

#include <charconv>
#include <cmath>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "capi/files.h"
#include "capi/status.h"
#include "decoders/units.h"
#include "model/json.h"
#include "network/network.h"

namespace speechq::capi {
namespace {

namespace json = engine::json;
using decoders::Options;
using json::Type;
using json::Value;

constexpr double kHotwordBoost = 5;

struct NumberOption {
  const char* key;
  int Options::* whole;
  double Options::* real;
};

constexpr NumberOption kNumbers[] = {
    {"beam", &Options::beam, nullptr},
    {"beam_threshold", nullptr, &Options::beam_threshold},
    {"depth", &Options::depth, nullptr},
    {"symbol_threshold", nullptr, &Options::symbol_threshold},
    {"ngram_weight", nullptr, &Options::ngram_weight},
    {"char_lm_weight", nullptr, &Options::char_lm_weight},
    {"known_char_lm_weight", nullptr, &Options::known_char_lm_weight},
    {"word_bonus", nullptr, &Options::word_bonus},
    {"char_bonus", nullptr, &Options::char_bonus},
    {"oov_penalty", nullptr, &Options::oov_penalty},
};

const NumberOption* number_option(std::string_view key) {
  for (const NumberOption& option : kNumbers)
    if (key == option.key) return &option;
  return nullptr;
}

int whole(double value, const std::string& key, const std::string& shown, int most) {
  if (!(value >= 1 && value <= most) || value != std::floor(value))
    throw invalid(key + " is " + shown + ": expected a whole number from 1 to " + std::to_string(most));
  return static_cast<int>(value);
}

// Which of the other numbers make sense is checked where they are used.
void set(const NumberOption& option, double value, const std::string& shown, Options& options) {
  if (option.whole)
    options.*option.whole = whole(value, option.key, shown, 1'000'000);
  else
    options.*option.real = value;
}

double number_of(const std::string& key, std::string_view value) {
  double number = 0;
  const auto read = std::from_chars(value.data(), value.data() + value.size(), number);
  if (read.ec != std::errc() || read.ptr != value.data() + value.size())
    throw invalid(key + " is '" + std::string(value) + "': expected a number");
  return number;
}

void add_hotword(const std::string& value, std::vector<decoders::HotwordEntry>& hotwords) {
  decoders::HotwordEntry entry{value, kHotwordBoost};
  const std::size_t colon = value.rfind(':');
  if (colon != std::string::npos)
    entry = {value.substr(0, colon), number_of("the boost of a hotword", value.substr(colon + 1))};
  for (decoders::HotwordEntry& known : hotwords)
    if (decoders::split(known.phrase) == decoders::split(entry.phrase)) {
      known.boost = entry.boost;
      return;
    }
  hotwords.push_back(std::move(entry));
}

// Members of an object: each key is taken by one of the names, or is an error.
template <class Take>
void each(const Value& object, const std::string& where, const char* expected, const Take& take) {
  if (object.type() != Type::object)
    throw invalid(where + " is " + object.shown() + ": expected an object with " + expected);
  for (const json::Item& item : object.members()) {
    const std::string name = item.name();
    if (!take(name, item.value))
      throw invalid((where.empty() ? "" : where + ".") + name + ": unknown key; expected " + expected);
  }
}

double finite(const Value& value, const std::string& key) {
  try {
    return value.number();  // JSON has no others than finite ones
  } catch (const json::Error& error) {
    throw invalid(key + ": " + error.what());
  }
}

void read(const Value& content, const std::string& folder, Settings& settings) {
  const std::optional<Value> version =
      content.type() == Type::object ? content.find("version") : std::nullopt;
  if (!version || version->text() != "1")
    throw invalid("version is " + (version ? version->shown() : "missing") +
                  "; this speechq reads version 1");
  each(content, "", "version, options, lexicon, times, calibration, provenance",
       [&](const std::string& name, const Value& value) {
         if (name == "options")
           each(value, name, "options of the decoder", [&](const std::string& key, const Value& number) {
             const NumberOption* option = number_option(key);
             if (option && number.type() != Type::null)
               set(*option, finite(number, "options." + key), number.shown(), settings.decoder);
             return option != nullptr;
           });
         else if (name == "lexicon")
           settings.lexicon =
               value.type() == Type::null
                   ? std::nullopt
                   : std::optional<std::string>((std::filesystem::path(folder) / value.string()).string());
         else if (name == "times")
           each(value, name, "start, end", [&](const std::string& key, const Value& number) {
             if (key == "start") settings.start_shift = finite(number, "times.start");
             if (key == "end") settings.end_shift = finite(number, "times.end");
             return key == "start" || key == "end";
           });
         else if (name == "calibration")
           each(value, name, "scale, offset", [&](const std::string& key, const Value& number) {
             if (key == "scale") settings.scale = finite(number, "calibration.scale");
             if (key == "offset") settings.offset = finite(number, "calibration.offset");
             return key == "scale" || key == "offset";
           });
         else
           return name == "version" || name == "provenance";
         return true;
       });
  if (settings.scale < 0) throw invalid("calibration.scale is negative");
}

void apply(const std::string& key, const std::string& value, Settings& settings) {
  const auto path = [&]() -> std::optional<std::string> {
    if (value.empty()) return std::nullopt;
    return value;
  };
  if (const NumberOption* option = number_option(key)) {
    set(*option, number_of(key, value), "'" + value + "'", settings.decoder);
    settings.search = true;
  } else if (key == "hotword") {
    add_hotword(value, settings.hotwords);
    settings.search = true;
  } else if (key == "lexicon") {
    settings.lexicon = path();
    settings.search = settings.search || settings.lexicon;
  } else if (key == "ngram") {
    settings.ngram = path();
  } else if (key == "char_lm") {
    settings.char_lm = path();
  } else if (key == "mode") {
    if (value != "hybrid" && value != "integer")
      throw invalid("mode is '" + value + "': expected hybrid or integer");
    settings.mode = value == "hybrid" ? engine::Mode::hybrid : engine::Mode::integer;
  } else if (key == "block") {
    settings.block = whole(number_of(key, value), key, "'" + value + "'", engine::kMostFrames);
  } else if (key == "n_best") {
    settings.n_best = whole(number_of(key, value), key, "'" + value + "'", 1000);
    settings.search = settings.search || settings.n_best > 1;
  } else if (key == "threads") {
    settings.threads = whole(number_of(key, value), key, "'" + value + "'", 1024);
  } else {
    throw invalid(
        "'" + key +
        "' is no option; expected ngram, char_lm, lexicon, hotword, beam, beam_threshold, depth, "
        "symbol_threshold, ngram_weight, char_lm_weight, known_char_lm_weight, word_bonus, char_bonus, "
        "oov_penalty, n_best, mode, block or threads");
  }
}

}  // namespace

void read_decoder_json(const std::string& path, const std::string& folder, Settings& settings) {
  const std::string text = read_text(path, "the settings of a decoder as speechq tune writes them");
  settings.search = true;
  try {
    read(json::parse(text), folder, settings);
  } catch (const std::runtime_error& error) {
    throw Failure(SPEECHQ_MODEL, path + ": " + error.what());
  }
}

void apply(const speechq_option* options, std::size_t count, Settings& settings) {
  for (std::size_t i = 0; i < count; ++i) {
    const char* key = given(given(options, "options")[i].key, "the key of an option");
    apply(key, given(options[i].value, (std::string("the value of the option ") + key).c_str()), settings);
  }
}

}  // namespace speechq::capi
