// What each instruction set defines (generic/kernels.h).
#pragma once

#include "generic/dot.h"

#define SPEECHQ_DECLARE_TABLES(isa)                                               \
  namespace speechq::engine::isa {                                                \
  void float_dot(const Rows& rows, const FloatInput& x, float* out, Place place); \
  CellKernels cell_kernels();                                                     \
  IntegerKernels integer_kernels();                                               \
  }

SPEECHQ_DECLARE_TABLES(generic)
#if defined(SPEECHQ_X86)
SPEECHQ_DECLARE_TABLES(avx2)
SPEECHQ_DECLARE_TABLES(avx512)
#elif defined(__aarch64__)
SPEECHQ_DECLARE_TABLES(neon)
#endif
