#include "capi/files.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "capi/status.h"
#include "decoders/units.h"

namespace speechq::capi {
namespace {

bool is_file(const std::string& path) {
  std::error_code problem;
  return std::filesystem::is_regular_file(path, problem);
}

}  // namespace

std::string read_text(const std::string& path, const char* expected) {
  std::ostringstream text;
  std::ifstream file(path, std::ios::binary);
  if (!is_file(path) || !file || !(file.peek() == std::ifstream::traits_type::eof() || text << file.rdbuf()))
    throw Failure(SPEECHQ_MODEL, path + ": cannot be read; expected " + expected);
  return text.str();
}

void find_model(const std::string& path, Settings& settings) {
  std::error_code problem;
  if (is_file(path)) {
    settings.acoustic = path;
    return;
  }
  if (!std::filesystem::is_directory(path, problem))
    throw Failure(SPEECHQ_MODEL,
                  path + ": there is no such model; expected a file .sqm or a folder with am.sqm");
  settings.acoustic = path + "/am.sqm";
  if (!is_file(settings.acoustic))
    throw Failure(SPEECHQ_MODEL,
                  path + ": has no am.sqm; a model folder holds the acoustic model under that name");
  for (const char* name : {"/words.arpa", "/words.bin"})  // the last one counts
    if (is_file(path + name)) settings.ngram = path + name;
  if (is_file(path + "/lm.sqm")) settings.char_lm = path + "/lm.sqm";
  if (is_file(path + "/decoder.json")) read_decoder_json(path + "/decoder.json", path, settings);
}

std::vector<decoders::LexiconEntry> read_lexicon(const std::string& path) {
  std::istringstream lines(read_text(path, "a word per line"));
  std::vector<decoders::LexiconEntry> entries;
  for (std::string line; std::getline(lines, line);) {
    const std::vector<std::string> parts = decoders::split(line);
    if (parts.empty()) continue;
    const std::size_t spelling = line.find(parts[0]) + parts[0].size();
    entries.push_back({parts[0], parts.size() == 1 ? parts[0] : line.substr(spelling)});
  }
  if (entries.empty()) throw Failure(SPEECHQ_MODEL, path + ": has no words; expected a word per line");
  return entries;
}

}  // namespace speechq::capi
