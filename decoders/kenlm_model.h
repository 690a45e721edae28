// Opening a word n-gram through KenLM: an ARPA file or any of its binary files.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lm/virtual_interface.hh"

namespace speechq::decoders {

// words: by number. Throws std::runtime_error that says what is wrong. Binary files have no checksum: damage
// to the header, the size and the vocabulary is found, damage within the tables is not.
std::unique_ptr<lm::base::Model> open_kenlm(const std::string& path, std::vector<std::string>& words);

}  // namespace speechq::decoders
