#include "measure/kernels.h"

#include <cstddef>
#include <utility>

#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if defined(__AVX512F__)
#define SPEECHQ_VECTOR_BYTES 64
#elif defined(__AVX2__)
#define SPEECHQ_VECTOR_BYTES 32
#else
#define SPEECHQ_VECTOR_BYTES 16
#endif

// An empty instruction that seems to change a register, so that nothing is hoisted out of a loop or left out.
#if defined(__SSE2__)
#define SPEECHQ_OPAQUE(vector) asm volatile("" : "+v"(vector))
#elif defined(__aarch64__)
#define SPEECHQ_OPAQUE(vector) asm volatile("" : "+w"(vector))
#else
#define SPEECHQ_OPAQUE(vector) asm volatile("" : "+m"(vector))
#endif

namespace speechq::measure::SPEECHQ_ISA {
namespace {

// Sums that do not wait for each other: enough to hide the latency of two units, few enough for the
// registers.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kChains = 12;
#else
constexpr int kChains = 8;
#endif

typedef std::uint64_t Words __attribute__((vector_size(SPEECHQ_VECTOR_BYTES)));
typedef float Floats __attribute__((vector_size(SPEECHQ_VECTOR_BYTES)));

std::uint64_t read(const void* data, std::int64_t bytes) {
  constexpr int kSums = 8;
  static_assert(kReadUnit % (kSums * sizeof(Words)) == 0, "a pass has no rest");
  const Words* words = static_cast<const Words*>(data);
  const Words* end = words + bytes / static_cast<std::int64_t>(sizeof(Words));
  Words sums[kSums] = {};
  for (; words != end; words += kSums)
    for (int k = 0; k < kSums; ++k) sums[k] ^= words[k];
  for (int k = 1; k < kSums; ++k) sums[0] ^= sums[k];
  std::uint64_t result = 0;
  for (std::size_t lane = 0; lane < sizeof(Words) / 8; ++lane) result ^= sums[0][lane];
  return result;
}

// Sums are parameters, not an array, because GCC keeps only those in registers.
template <class Vector, class Step, class... Sums>
void run_chains(std::int64_t rounds, Vector x, Vector w, Step step, Sums... sums) {
  const auto add = [&](Vector& sum) {
    SPEECHQ_OPAQUE(x);
    SPEECHQ_OPAQUE(w);
    sum = step(sum, x, w);
    SPEECHQ_OPAQUE(sum);
  };
  for (std::int64_t round = 0; round < rounds; ++round) (add(sums), ...);
}

template <class Vector, class Step, std::size_t... Chain>
void run_chains(std::int64_t rounds, Vector x, Vector w, Step step, std::index_sequence<Chain...>) {
  run_chains(rounds, x, w, step, (static_cast<void>(Chain), Vector{})...);
}

// step(sum, x, w) gives sum plus the products of x and w.
template <class Vector, class Step>
void products(std::int64_t rounds, Vector x, Vector w, Step step) {
  run_chains(rounds, x, w, step, std::make_index_sequence<kChains>());
}

void float_products(std::int64_t rounds) {
  products(rounds, Floats{} + 1.0f, Floats{} + 0.5f,
           [](Floats sum, Floats x, Floats w) { return sum + x * w; });
}

#if defined(__AVX512BW__)
using Codes = __m512i;
constexpr int kCodes = 32;
Codes step(Codes sum, Codes x, Codes w) { return _mm512_add_epi32(sum, _mm512_madd_epi16(x, w)); }
#elif defined(__AVX2__)
using Codes = __m256i;
constexpr int kCodes = 16;
Codes step(Codes sum, Codes x, Codes w) { return _mm256_add_epi32(sum, _mm256_madd_epi16(x, w)); }
#elif defined(__SSE2__)
using Codes = __m128i;
constexpr int kCodes = 8;
Codes step(Codes sum, Codes x, Codes w) { return _mm_add_epi32(sum, _mm_madd_epi16(x, w)); }
#elif defined(__ARM_FEATURE_DOTPROD)
using Codes = int32x4_t;
constexpr int kCodes = 16;
Codes step(Codes sum, Codes x, Codes w) {
  return vdotq_s32(sum, vreinterpretq_s8_s32(x), vreinterpretq_s8_s32(w));
}
#else
typedef std::int32_t Codes __attribute__((vector_size(SPEECHQ_VECTOR_BYTES)));
constexpr int kCodes = SPEECHQ_VECTOR_BYTES / 4;
Codes step(Codes sum, Codes x, Codes w) { return sum + x * w; }
#endif

void int8_products(std::int64_t rounds) {
  products(rounds, Codes{}, Codes{}, [](Codes sum, Codes x, Codes w) { return step(sum, x, w); });
}

#if defined(__AVX512BW__)
// As assembly, since a processor with the rest of the instruction set may lack this, so that the file is not
// compiled for it.
void vnni_products(std::int64_t rounds) {
  products(rounds, Codes{}, Codes{}, [](Codes sum, Codes x, Codes w) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w));
    return sum;
  });
}
#endif

}  // namespace

Kernels kernels() {
  Kernels result{read, float_products, kChains * SPEECHQ_VECTOR_BYTES / 4, int8_products, kChains * kCodes};
#if defined(__AVX512BW__)
  if (__builtin_cpu_supports("avx512vnni")) {
    result.int8_products = vnni_products;
    result.int8_macs = kChains * 64;
  }
#endif
  return result;
}

}  // namespace speechq::measure::SPEECHQ_ISA
