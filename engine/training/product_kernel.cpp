#include "training/product_kernel.h"

#if defined(__AVX512F__)
#define SPEECHQ_VECTOR_BYTES 64
#define SPEECHQ_GATE_ROWS 6
#define SPEECHQ_PLAIN_ROWS 12
#elif defined(__AVX2__)
#define SPEECHQ_VECTOR_BYTES 32
#define SPEECHQ_GATE_ROWS 3
#define SPEECHQ_PLAIN_ROWS 6
#elif defined(__aarch64__)
#define SPEECHQ_VECTOR_BYTES 16
#define SPEECHQ_GATE_ROWS 6
#define SPEECHQ_PLAIN_ROWS 12
#else
#define SPEECHQ_VECTOR_BYTES 16
#define SPEECHQ_GATE_ROWS 3
#define SPEECHQ_PLAIN_ROWS 6
#endif

namespace speechq::training::SPEECHQ_ISA {
namespace {

template <class T>
struct VectorOf {
  typedef T type __attribute__((vector_size(SPEECHQ_VECTOR_BYTES)));
  typedef T unaligned __attribute__((vector_size(SPEECHQ_VECTOR_BYTES), aligned(sizeof(T))));
};

// Rows * Vectors sums are held in registers over the whole depth.
template <class T, int Rows, int Vectors>
void product_of(const T* const* rows, const T* __restrict panel, std::int64_t depth, T* out,
                std::int64_t row_stride, std::int64_t vector_stride) {
  using Vector = typename VectorOf<T>::type;
  constexpr int kLanes = SPEECHQ_VECTOR_BYTES / sizeof(T);
  const T* __restrict x[Rows];
  for (int r = 0; r < Rows; ++r) x[r] = rows[r];
  Vector sums[Rows][Vectors] = {};
  for (std::int64_t k = 0; k < depth; ++k) {
    Vector weights[Vectors];
    for (int v = 0; v < Vectors; ++v)
      weights[v] = *reinterpret_cast<const Vector*>(panel + (k * Vectors + v) * kLanes);
    for (int r = 0; r < Rows; ++r) {
      const T value = x[r][k];
      for (int v = 0; v < Vectors; ++v) sums[r][v] += value * weights[v];
    }
  }
  for (int r = 0; r < Rows; ++r)
    for (int v = 0; v < Vectors; ++v)
      *reinterpret_cast<typename VectorOf<T>::unaligned*>(out + r * row_stride + v * vector_stride) =
          sums[r][v];
}

template <class T, int Rows, int Vectors>
void choose_rows(const T* const* rows, int count, const T* panel, std::int64_t depth, T* out,
                 std::int64_t row_stride, std::int64_t vector_stride) {
  if constexpr (Rows > 0) {
    if (count == Rows)
      product_of<T, Rows, Vectors>(rows, panel, depth, out, row_stride, vector_stride);
    else
      choose_rows<T, Rows - 1, Vectors>(rows, count, panel, depth, out, row_stride, vector_stride);
  }
}

}  // namespace

template <class T>
ProductShape product_shape() {
  return {SPEECHQ_VECTOR_BYTES / static_cast<int>(sizeof(T)), SPEECHQ_GATE_ROWS, SPEECHQ_PLAIN_ROWS};
}

template <class T>
void gate_product(const T* const* rows, int count, const T* panel, std::int64_t depth, T* out,
                  std::int64_t row_stride, std::int64_t vector_stride) {
  choose_rows<T, SPEECHQ_GATE_ROWS, 4>(rows, count, panel, depth, out, row_stride, vector_stride);
}

template <class T>
void plain_product(const T* const* rows, int count, const T* panel, std::int64_t depth, T* out,
                   std::int64_t row_stride, std::int64_t vector_stride) {
  choose_rows<T, SPEECHQ_PLAIN_ROWS, 2>(rows, count, panel, depth, out, row_stride, vector_stride);
}

#define SPEECHQ_INSTANTIATE(T)                                                                              \
  template ProductShape product_shape<T>();                                                                 \
  template void gate_product(const T* const*, int, const T*, std::int64_t, T*, std::int64_t, std::int64_t); \
  template void plain_product(const T* const*, int, const T*, std::int64_t, T*, std::int64_t, std::int64_t);
SPEECHQ_INSTANTIATE(float)
SPEECHQ_INSTANTIATE(double)

}  // namespace speechq::training::SPEECHQ_ISA
