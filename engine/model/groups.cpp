#include "model/groups.h"

#include <algorithm>
#include <numeric>
#include <string>

namespace speechq::engine {
namespace {

constexpr int kLargestGroup = 16;
constexpr std::int64_t kMostPatterns = 1 << 16;

std::string name_of(const Groups& groups) {
  return "(" + std::to_string(groups.size) + ", " + std::to_string(groups.kept) + ") coding";
}

// How many patterns there are, at most kMostPatterns + 1: C(n, i) 2^i for i from 0 to k.
std::int64_t count_of(const Groups& groups) {
  std::int64_t total = 1, term = 1;
  for (std::int64_t i = 1; i <= groups.kept && total <= kMostPatterns; ++i) {
    term = term * 2 * (groups.size - i + 1) / i;
    total += term;
  }
  return std::min(total, kMostPatterns + 1);
}

int index_bits(std::int64_t patterns) {
  int bits = 0;
  while ((patterns - 1) >> bits != 0) ++bits;
  return bits;
}

// Numbers of `width` bits from a stream, lowest bit first.
class Reader {
 public:
  Reader(const std::uint8_t* data, int width) : at_(data), width_(width) {}

  unsigned next() {
    for (; filled_ < width_; filled_ += 8) buffer_ |= unsigned{*at_++} << filled_;
    const unsigned value = buffer_ & ((1u << width_) - 1u);
    buffer_ >>= width_;
    filled_ -= width_;
    return value;
  }
  unsigned rest() const { return buffer_; }

 private:
  const std::uint8_t* at_;
  int width_, filled_ = 0;
  unsigned buffer_ = 0;
};

// Packed codes, one group behind the other.
class Writer {
 public:
  explicit Writer(std::int64_t codes) : bytes_(static_cast<std::size_t>((codes * 2 + 7) / 8)) {}

  void add(std::uint32_t pattern, std::int64_t codes) {
    buffer_ |= std::uint64_t{pattern} << filled_;
    for (filled_ += static_cast<int>(2 * codes); filled_ >= 8; filled_ -= 8, buffer_ >>= 8)
      bytes_[used_++] = static_cast<std::uint8_t>(buffer_);
  }
  std::vector<std::uint8_t> finish() {
    if (filled_ > 0) bytes_[used_] = static_cast<std::uint8_t>(buffer_);
    return std::move(bytes_);
  }

 private:
  std::vector<std::uint8_t> bytes_;
  std::size_t used_ = 0;
  std::uint64_t buffer_ = 0;
  int filled_ = 0;
};

}  // namespace

std::vector<std::uint32_t> patterns_of(const Groups& groups) {
  const bool sizes =
      groups.size >= 2 && groups.size <= kLargestGroup && groups.kept >= 1 && groups.kept <= groups.size;
  if (!sizes || count_of(groups) > kMostPatterns)
    throw ModelError(name_of(groups) + ": expected groups of 2 to " + std::to_string(kLargestGroup) +
                     ", at least one non-zero, and at most " + std::to_string(kMostPatterns) + " patterns");
  std::vector<std::uint32_t> patterns;
  patterns.reserve(static_cast<std::size_t>(count_of(groups)));
  for (int count = 0; count <= static_cast<int>(groups.kept); ++count) {
    std::vector<int> places(static_cast<std::size_t>(count));
    std::iota(places.begin(), places.end(), 0);
    for (;;) {
      // The sign of the first place changes last.
      for (unsigned signs = 0; signs < 1u << count; ++signs) {
        std::uint32_t pattern = 0;
        for (int i = 0; i < count; ++i) {
          const bool negative = (signs >> (count - 1 - i) & 1u) != 0;
          pattern |= (negative ? 3u : 1u) << (2 * places[static_cast<std::size_t>(i)]);
        }
        patterns.push_back(pattern);
      }
      int moved = count - 1;
      while (moved >= 0 && places[static_cast<std::size_t>(moved)] == groups.size - count + moved) --moved;
      if (moved < 0) break;
      std::iota(places.begin() + moved, places.end(), places[static_cast<std::size_t>(moved)] + 1);
    }
  }
  return patterns;
}

std::vector<std::uint8_t> decode_groups(const std::uint8_t* data, std::int64_t size, std::int64_t rows,
                                        std::int64_t columns, const Groups& groups) {
  const std::vector<std::uint32_t> patterns = patterns_of(groups);
  const auto count = static_cast<std::int64_t>(patterns.size());
  const int bits = index_bits(count);
  const std::int64_t per_row = (columns + groups.size - 1) / groups.size;
  const std::int64_t expected = (rows * per_row * bits + 7) / 8;
  if (size != expected)
    throw ModelError(std::to_string(size) + " bytes of codes, but [" + std::to_string(rows) + ", " +
                     std::to_string(columns) + "] in " + name_of(groups) + " are " +
                     std::to_string(expected) + " bytes");
  const std::int64_t last = columns - (per_row - 1) * groups.size;  // codes of a row's last group
  Reader indices(data, bits);
  Writer codes(rows * columns);
  for (std::int64_t row = 0; row < rows; ++row)
    for (std::int64_t group = 0; group < per_row; ++group) {
      const unsigned index = indices.next();
      if (index >= count)
        throw ModelError(name_of(groups) + ": index " + std::to_string(index) +
                         ", expected indices from 0 to " + std::to_string(count - 1));
      const std::uint32_t pattern = patterns[index];
      const std::int64_t taken = group + 1 < per_row ? groups.size : last;
      if (std::uint64_t{pattern} >> (2 * taken) != 0)
        throw ModelError(name_of(groups) + ": a group has non-zeros behind the end of its row");
      codes.add(pattern, taken);
    }
  if (indices.rest() != 0) throw ModelError("the fill bits behind the codes are not zero");
  return codes.finish();
}

}  // namespace speechq::engine
