#include "measure/measure.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>

#include "base/isa.h"
#include "measure/kernels.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace speechq::measure {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kHugePage = 2 << 20;
constexpr std::int64_t kLeastPerSample = 4 << 20;  // bytes: so that reading the clock costs nothing
constexpr double kPeakSeconds = 0.03;
constexpr double kPeakSample = 0.0005;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

Kernels kernels() {
  switch (isa()) {
#if defined(SPEECHQ_X86)
    case Isa::avx512:
      return avx512::kernels();
    case Isa::avx2:
      return avx2::kernels();
#elif defined(__aarch64__)
    case Isa::neon:
      return neon::kernels();
#endif
    default:
      return generic::kernels();
  }
}

std::int64_t up_to_multiple(std::int64_t value, std::int64_t unit) {
  return (value + unit - 1) / unit * unit;
}

using Buffer = std::unique_ptr<void, decltype(&std::free)>;

// In huge pages where the system has them: the bound is that of the memory, not of the page tables.
Buffer buffer_of(std::int64_t bytes) {
  const std::int64_t alignment = bytes < kHugePage ? kReadUnit : kHugePage;
  const auto size = static_cast<std::size_t>(up_to_multiple(bytes, alignment));
  Buffer buffer(std::aligned_alloc(static_cast<std::size_t>(alignment), size), &std::free);
  if (buffer == nullptr) throw std::bad_alloc();
#if defined(__linux__)
  if (bytes >= kHugePage) madvise(buffer.get(), size, MADV_HUGEPAGE);
#endif
  std::memset(buffer.get(), 1, size);  // a page that was never written is the page of zeros
  return buffer;
}

}  // namespace

double read_bandwidth(std::int64_t bytes, double seconds) {
  if (bytes < 1) throw std::invalid_argument("bytes must be at least 1, not " + std::to_string(bytes));
  if (!(seconds > 0)) throw std::invalid_argument("seconds must be positive");
  const auto read = kernels().read;
  const std::int64_t size = up_to_multiple(bytes, kReadUnit);
  const std::int64_t passes = std::max<std::int64_t>(1, kLeastPerSample / size);
  const Buffer buffer = buffer_of(size);
  volatile std::uint64_t sink = 0;
  double best = 0;
  const auto begin = Clock::now();
  do {
    const auto sample = Clock::now();
    for (std::int64_t pass = 0; pass < passes; ++pass) sink = read(buffer.get(), size);
    best = std::max(best, static_cast<double>(passes * size) / seconds_since(sample));
  } while (seconds_since(begin) < seconds);
  static_cast<void>(sink);
  return best;
}

double peak_macs(Arithmetic arithmetic) {
  const Kernels kernel = kernels();
  const bool codes = arithmetic == Arithmetic::int8;
  const auto products = codes ? kernel.int8_products : kernel.float_products;
  const std::int64_t macs = codes ? kernel.int8_macs : kernel.float_macs;
  const auto timed = [&](std::int64_t rounds) {
    const auto begin = Clock::now();
    products(rounds);
    return seconds_since(begin);
  };
  std::int64_t rounds = 1024;
  while (timed(rounds) < kPeakSample) rounds *= 2;
  double best = 0;
  const auto begin = Clock::now();
  do {
    best = std::max(best, static_cast<double>(rounds * macs) / timed(rounds));
  } while (seconds_since(begin) < kPeakSeconds);
  return best;
}

std::vector<std::string> lacking() {
  std::vector<std::string> result;
#if defined(SPEECHQ_X86)
  if (!__builtin_cpu_supports("avx2")) result.push_back("avx2");
  if (!__builtin_cpu_supports("avx512bw")) result.push_back("avx512");
  if (!__builtin_cpu_supports("avx512vnni")) result.push_back("avx512_vnni");
  if (!__builtin_cpu_supports("avx512vbmi")) result.push_back("avx512_vbmi");
#elif defined(__aarch64__)
  if (available_isas().back() != Isa::neon) result.push_back("neon with dot product");
#endif
  return result;
}

}  // namespace speechq::measure
