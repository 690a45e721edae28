#include "base/isa.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <stdexcept>

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace speechq {
namespace {

Isa chosen_at_start() {
  const std::vector<Isa> available = available_isas();
  const char* forced = std::getenv("SPEECHQ_ISA");
  if (forced == nullptr || *forced == '\0') return available.back();
  const std::string name = forced;
  for (Isa candidate : available)
    if (isa_name(candidate) == name) return candidate;
  throw std::invalid_argument("SPEECHQ_ISA=" + name +
                              " is not an instruction set of this processor; the best one is " +
                              isa_name(available.back()));
}

std::atomic<int>& current() {
  static std::atomic<int> value{static_cast<int>(chosen_at_start())};
  return value;
}

}  // namespace

std::vector<Isa> available_isas() {
  std::vector<Isa> result{Isa::generic};
#if defined(SPEECHQ_X86)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    result.push_back(Isa::avx2);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
      result.push_back(Isa::avx512);
  }
#elif defined(__aarch64__)
  if ((getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0) result.push_back(Isa::neon);
#endif
  return result;
}

Isa isa() { return static_cast<Isa>(current().load(std::memory_order_relaxed)); }

void set_isa(Isa wanted) {
  const std::vector<Isa> available = available_isas();
  if (std::find(available.begin(), available.end(), wanted) == available.end())
    throw std::invalid_argument("the instruction set " + isa_name(wanted) +
                                " is not available on this processor");
  current().store(static_cast<int>(wanted), std::memory_order_relaxed);
}

std::string isa_name(Isa isa) {
  switch (isa) {
    case Isa::avx2:
      return "avx2";
    case Isa::avx512:
      return "avx512";
    case Isa::neon:
      return "neon";
    default:
      return "generic";
  }
}

}  // namespace speechq
