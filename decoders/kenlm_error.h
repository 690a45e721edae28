#pragma once

#include <exception>
#include <string>

namespace speechq::decoders {

// KenLM's message without the place in its source. It may quote any bytes of a damaged file.
inline std::string kenlm_reason(const std::exception& error) {
  std::string text = error.what();
  const std::size_t threw = text.find(" threw ");
  if (threw != std::string::npos) {
    const std::size_t end = text.find(".\n", threw);
    text.erase(0, end == std::string::npos || end + 2 == text.size() ? threw + 7 : end + 2);
  }
  if (text.size() > 300) text.replace(300, std::string::npos, "...");
  for (char& c : text)
    if (c < ' ' || c > '~') c = c == '\n' ? ' ' : '?';
  return text;
}

}  // namespace speechq::decoders
