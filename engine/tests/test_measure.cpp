#include <cstring>
#include <stdexcept>
#include <vector>

#include "measure/kernels.h"
#include "measure/measure.h"
#include "support.h"

using namespace speechq;
using measure::Arithmetic;

TEST_CASE("every instruction set reads buffers of any size") {
  testing::for_each_isa([] {
    for (std::int64_t bytes : {1, 1023, 1024, 1025, 300000, (2 << 20) + 1})
      CHECK(measure::read_bandwidth(bytes, 1e-6) > 0);
  });
}

TEST_CASE("a read depends on every byte") {
  std::vector<measure::Kernels> all{measure::generic::kernels()};
#if defined(SPEECHQ_X86)
  for (Isa isa : available_isas()) {
    if (isa == Isa::avx2) all.push_back(measure::avx2::kernels());
    if (isa == Isa::avx512) all.push_back(measure::avx512::kernels());
  }
#elif defined(__aarch64__)
  if (available_isas().back() == Isa::neon) all.push_back(measure::neon::kernels());
#endif
  const std::int64_t size = 2 * measure::kReadUnit;
  alignas(64) static unsigned char buffer[2 * measure::kReadUnit];
  std::memset(buffer, 0, sizeof buffer);
  for (const measure::Kernels& kernels : all)
    for (std::int64_t k = 0; k < size; ++k) {
      buffer[k] = 1;
      CHECK(kernels.read(buffer, size) != 0);
      buffer[k] = 0;
      CHECK(kernels.read(buffer, size) == 0);
    }
}

TEST_CASE("every instruction set has peaks, and codes of 8 bits are not slower than floats") {
  testing::for_each_isa([] {
    const double floats = measure::peak_macs(Arithmetic::float32);
    CHECK(floats > 1e6);
    CHECK(measure::peak_macs(Arithmetic::int8) > 0.5 * floats);
  });
}

TEST_CASE("sizes and times that make no sense are refused") {
  CHECK_THROWS_AS(measure::read_bandwidth(0, 1), std::invalid_argument);
  CHECK_THROWS_AS(measure::read_bandwidth(1024, 0), std::invalid_argument);
}
