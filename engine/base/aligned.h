// Memory for vector code: aligned to a cache line, growing without keeping what was in it.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace speechq {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kPage = 4096;

inline std::size_t aligned_size(std::size_t bytes, std::size_t alignment = kAlignment) {
  return (bytes + alignment - 1) & ~(alignment - 1);
}

class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t bytes, std::size_t alignment = kAlignment) { reserve(bytes, alignment); }
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Buffer() { std::free(data_); }

  // At least `bytes` bytes; what they held is lost if it has to grow.
  void* reserve(std::size_t bytes, std::size_t alignment = kAlignment) {
    if (bytes > size_) {
      std::free(data_);
      data_ = nullptr;
      size_ = 0;
      const std::size_t whole = aligned_size(bytes, alignment);
      data_ = std::aligned_alloc(alignment, whole);
      if (data_ == nullptr) throw std::bad_alloc();
      size_ = whole;
    }
    return data_;
  }
  template <class T>
  T* reserve_for(std::int64_t count) {
    return static_cast<T*>(reserve(static_cast<std::size_t>(count) * sizeof(T)));
  }

  void* data() const { return data_; }
  std::size_t size() const { return size_; }

  // Large pages for whatever lies in whole ones: long reads then miss the address cache less often.
  void use_large_pages() {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    constexpr std::uintptr_t kLarge = std::uintptr_t{1} << 21;
    const auto begin = reinterpret_cast<std::uintptr_t>(data_);
    const std::uintptr_t first = (begin + kLarge - 1) & ~(kLarge - 1), last = (begin + size_) & ~(kLarge - 1);
    if (data_ != nullptr && first < last)
      madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);  // a hint: failing is no error
#endif
  }

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace speechq
