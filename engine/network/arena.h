// Memory of one block: taken piece by piece, given back all at once, and kept for the next block.
#pragma once

#include <cstdint>
#include <vector>

#include "base/aligned.h"

namespace speechq::engine {

class Arena {
 public:
  template <class T>
  T* take(std::int64_t count) {
    const std::size_t bytes = aligned_size(static_cast<std::size_t>(count) * sizeof(T));
    if (used_ + bytes > buffers_.back().size()) {
      total_ += used_;
      used_ = 0;
      buffers_.emplace_back(bytes > kLeast ? bytes : kLeast);
    }
    void* piece = static_cast<char*>(buffers_.back().data()) + used_;
    used_ += bytes;
    return static_cast<T*>(piece);
  }

  // Everything taken is free again; from now on one buffer is enough for as much.
  void reset() {
    if (buffers_.size() > 1) {
      const std::size_t whole = total_ + used_;
      buffers_.clear();
      buffers_.emplace_back(whole);
    }
    total_ = used_ = 0;
  }

  std::size_t size() const {
    std::size_t sum = 0;
    for (const Buffer& buffer : buffers_) sum += buffer.size();
    return sum;
  }

 private:
  static constexpr std::size_t kLeast = std::size_t{1} << 16;
  std::vector<Buffer> buffers_ = make();
  std::size_t used_ = 0, total_ = 0;

  static std::vector<Buffer> make() {
    std::vector<Buffer> result;
    result.emplace_back(kLeast);
    return result;
  }
};

}  // namespace speechq::engine
