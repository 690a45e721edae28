#include "model/entropy.h"

#include <algorithm>
#include <string>
#include <utility>

#include "model/model.h"

namespace speechq::engine {
namespace {

constexpr int kLanes = 64;
constexpr int kPrecision = 14;
constexpr std::uint32_t kTotal = 1u << kPrecision;
constexpr std::uint32_t kLow = 1u << 16;  // a state lies in [2^16, 2^32) between symbols
constexpr std::int64_t kLargestRatio = 64;

std::uint32_t little(const std::uint8_t* at, int bytes) {
  std::uint32_t value = 0;
  for (int i = 0; i < bytes; ++i) value |= std::uint32_t{at[i]} << (8 * i);
  return value;
}

struct Share {
  std::uint32_t size = 0, start = 0;  // in 1/kTotal
};

// Symbols of the packed form, one after the other, lowest bit first.
class Packer {
 public:
  Packer(std::int64_t count, int bits)
      : bytes_(static_cast<std::size_t>((count * bits + 7) / 8)), bits_(bits) {}

  void add(unsigned field) {
    buffer_ |= field << filled_;
    for (filled_ += bits_; filled_ >= 8; filled_ -= 8, buffer_ >>= 8)
      bytes_[at_++] = static_cast<std::uint8_t>(buffer_);
  }

  std::vector<std::uint8_t> finish() {
    if (filled_ > 0) bytes_[at_] = static_cast<std::uint8_t>(buffer_);
    return std::move(bytes_);
  }

 private:
  std::vector<std::uint8_t> bytes_;
  int bits_, filled_ = 0;
  unsigned buffer_ = 0;
  std::size_t at_ = 0;
};

}  // namespace

std::vector<std::uint8_t> decode_entropy(const std::uint8_t* data, std::int64_t size, std::int64_t count,
                                         int bits) {
  const int qmax = (1 << (bits - 1)) - 1, symbols = 2 * qmax + 1;
  const std::int64_t head = 2 * symbols, body = head + 4 * kLanes;
  const std::string found = std::to_string(size) + " bytes of range-coded codes";
  if (size < body || size % 2 != 0) throw ModelError(found + ": too few, or not a whole number of words");
  if (count > (kLargestRatio * size * 8) / bits)
    throw ModelError(found + " are too few for " + std::to_string(count) + " codes of " +
                     std::to_string(bits) + " bits");
  std::vector<Share> shares(static_cast<std::size_t>(symbols));
  std::vector<std::uint8_t> table;
  table.reserve(kTotal);
  std::uint32_t sum = 0;
  for (int symbol = 0; symbol < symbols; ++symbol) {
    Share& share = shares[static_cast<std::size_t>(symbol)];
    share = {little(data + 2 * symbol, 2), sum};
    sum += share.size;
    if (sum <= kTotal) table.insert(table.end(), share.size, static_cast<std::uint8_t>(symbol));
  }
  if (sum != kTotal)
    throw ModelError("the frequencies of range-coded codes sum to " + std::to_string(sum) + ": expected " +
                     std::to_string(kTotal));
  std::uint32_t states[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) {
    states[lane] = little(data + head + 4 * lane, 4);
    if (states[lane] < kLow) throw ModelError("a state of range-coded codes is too small");
  }
  const std::uint8_t *next = data + body, *const end = data + size;
  const unsigned mask = (1u << bits) - 1;
  Packer packer(count, bits);
  for (std::int64_t i = 0; i < count; ++i) {
    std::uint32_t& state = states[i % kLanes];
    const std::uint32_t slot = state & (kTotal - 1);
    const int symbol = table[slot];
    const Share& share = shares[static_cast<std::size_t>(symbol)];
    state = share.size * (state >> kPrecision) + slot - share.start;
    if (state < kLow) {
      if (next == end) throw ModelError("range-coded codes end too early");
      state = state << 16 | little(next, 2);
      next += 2;
    }
    packer.add(static_cast<unsigned>(symbol - qmax) & mask);
  }
  if (next != end || std::any_of(states, states + kLanes, [](std::uint32_t state) { return state != kLow; }))
    throw ModelError("range-coded codes do not end where they should");
  return packer.finish();
}

}  // namespace speechq::engine
