// The timed loops. Every instruction set has its own, compiled in its namespace.
#pragma once

#include <cstdint>

namespace speechq::measure {

constexpr std::int64_t kReadUnit = 1024;  // bytes; a buffer is a multiple of it

struct Kernels {
  // Reads all of the buffer and returns a value that depends on every byte.
  std::uint64_t (*read)(const void* data, std::int64_t bytes);
  void (*float_products)(std::int64_t rounds);
  std::int64_t float_macs;  // multiply-adds per round
  void (*int8_products)(std::int64_t rounds);
  std::int64_t int8_macs;
};

namespace generic {
Kernels kernels();
}
#if defined(SPEECHQ_X86)
namespace avx2 {
Kernels kernels();
}
namespace avx512 {
Kernels kernels();
}
#elif defined(__aarch64__)
namespace neon {
Kernels kernels();
}
#endif

}  // namespace speechq::measure
