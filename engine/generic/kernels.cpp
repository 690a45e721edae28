#include "generic/kernels.h"

#include <stdexcept>

#include "base/isa.h"
#include "generic/kernel_tables.h"

namespace speechq::engine {
namespace {

#define SPEECHQ_TABLE(isa, products, coded)                                                      \
  static const Kernels table {                                                                   \
    products::dot, coded::coded_dot, isa::float_dot, isa::cell_kernels(), isa::integer_kernels() \
  }

const Kernels& generic_kernels() {
  SPEECHQ_TABLE(generic, generic, generic);
  return table;
}

#if defined(SPEECHQ_X86)
const Kernels& avx2_kernels() {
  SPEECHQ_TABLE(avx2, avx2, avx2);
  return table;
}
const Kernels& avx512_kernels() {
  SPEECHQ_TABLE(avx512, avx512, avx512);
  return table;
}
// The first processors with 512-bit vectors have no VNNI, the next ones no VBMI.
const Kernels& avx512_kernels_without_vbmi() {
  SPEECHQ_TABLE(avx512, avx512, avx2);
  return table;
}
const Kernels& avx512_kernels_without_vnni() {
  SPEECHQ_TABLE(avx512, avx2, avx2);
  return table;
}
#elif defined(__aarch64__)
const Kernels& neon_kernels() {
  SPEECHQ_TABLE(neon, neon, neon);
  return table;
}
#endif

}  // namespace

const Kernels& kernels() {
  switch (isa()) {
#if defined(SPEECHQ_X86)
    case Isa::avx2:
      return avx2_kernels();
    case Isa::avx512:
      if (!__builtin_cpu_supports("avx512vnni")) return avx512_kernels_without_vnni();
      return __builtin_cpu_supports("avx512vbmi") ? avx512_kernels() : avx512_kernels_without_vbmi();
#elif defined(__aarch64__)
    case Isa::neon:
      return neon_kernels();
#endif
    default:
      return generic_kernels();
  }
}

}  // namespace speechq::engine
