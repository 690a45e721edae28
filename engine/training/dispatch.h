// Declares a kernel in the namespace of every instruction set and picks the one in use.
#pragma once

#include "base/isa.h"

#if defined(SPEECHQ_X86)
#define SPEECHQ_DECLARE_KERNEL(declaration) \
  namespace generic {                       \
  declaration;                              \
  }                                         \
  namespace avx2 {                          \
  declaration;                              \
  }                                         \
  namespace avx512 {                        \
  declaration;                              \
  }
#define SPEECHQ_KERNEL(name)                       \
  (::speechq::isa() == Isa::avx512 ? &avx512::name \
   : ::speechq::isa() == Isa::avx2 ? &avx2::name   \
                                   : &generic::name)
#else
#define SPEECHQ_DECLARE_KERNEL(declaration) \
  namespace generic {                       \
  declaration;                              \
  }
#define SPEECHQ_KERNEL(name) (&generic::name)
#endif
