#include "generic/kernels.h"

#include <stdexcept>

#include "base/isa.h"
#include "generic/kernel_tables.h"

namespace speechq::engine {
namespace {

#define SPEECHQ_TABLE(isa, products) \
  static const Kernels table { products::dot, isa::float_dot, isa::cell_kernels(), isa::integer_kernels() }

const Kernels& generic_kernels() {
  SPEECHQ_TABLE(generic, generic);
  return table;
}

#if defined(SPEECHQ_X86)
const Kernels& avx2_kernels() {
  SPEECHQ_TABLE(avx2, avx2);
  return table;
}
const Kernels& avx512_kernels() {
  SPEECHQ_TABLE(avx512, avx512);
  return table;
}
// The first processors with 512-bit vectors have no VNNI.
const Kernels& avx512_kernels_without_vnni() {
  SPEECHQ_TABLE(avx512, avx2);
  return table;
}
#elif defined(__aarch64__)
const Kernels& neon_kernels() {
  SPEECHQ_TABLE(neon, neon);
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
      return __builtin_cpu_supports("avx512vnni") ? avx512_kernels() : avx512_kernels_without_vnni();
#elif defined(__aarch64__)
    case Isa::neon:
      return neon_kernels();
#endif
    default:
      return generic_kernels();
  }
}

}  // namespace speechq::engine
