// Loops over units in passes that compilers turn into vectors, and table look-ups between them, which they do
// not.
#include "generic/integer_cells.h"
#include "generic/kernel_tables.h"
#include "generic/math.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace speechq::engine::SPEECHQ_ISA {
namespace {

// Something for each unit of a tile.
struct alignas(kLine) Units {
  std::int32_t of[kTile];
};

template <class F>
SPEECHQ_INLINE void for_units(int count, const F& f) {
  SPEECHQ_VECTORIZE
  for (int j = 0; j < count; ++j) f(j);
}

SPEECHQ_INLINE std::int64_t product(std::int32_t a, std::int32_t b) { return std::int64_t{a} * b; }

SPEECHQ_INLINE std::int32_t clipped(std::int32_t x, std::int32_t limit) {
  x = x > limit ? limit : x;
  return x < -limit ? -limit : x;
}

// x / 2^shift to the nearest integer, ties away from zero, within ±limit.
SPEECHQ_INLINE std::int32_t rounded(std::int64_t x, std::int32_t shift, std::int32_t limit) {
  const std::int64_t sign = x >> 63;
  const auto magnitude = static_cast<std::uint64_t>((x ^ sign) - sign);
  const std::uint64_t y = ((magnitude >> (shift - 1)) + 1) >> 1, most = static_cast<std::uint64_t>(limit);
  const auto code = static_cast<std::int32_t>(y < most ? y : most), flip = static_cast<std::int32_t>(sign);
  return (code ^ flip) - flip;
}
SPEECHQ_INLINE std::int32_t requantized(std::int32_t x, std::int32_t multiplier, std::int32_t shift,
                                        std::int32_t limit) {
  return rounded(product(x, multiplier), shift, limit);
}
SPEECHQ_INLINE std::int32_t requantized(std::int32_t x, Ratio ratio, std::int32_t limit) {
  return requantized(x, ratio.multiplier, ratio.shift, limit);
}
// Both are products of a gate code with a code or a limited value, which fit 32 bits.
SPEECHQ_INLINE std::int32_t mixed(std::int32_t first, std::int32_t second, Mix mix, std::int32_t limit) {
  return rounded(product(first, mix.first) + product(second, mix.second), mix.shift, limit);
}
SPEECHQ_INLINE std::int32_t mixed(std::int32_t only, Mix mix, std::int32_t limit) {
  return rounded(product(only, mix.first), mix.shift, limit);
}

SPEECHQ_INLINE std::int32_t index_within(std::int32_t index) {
  index = index < -kTableHalf ? -kTableHalf : index;
  return (index > kTableHalf - 1 ? kTableHalf - 1 : index) + kTableHalf;
}
// The place in a table of a pre-activation in Q12; half rounds up.
SPEECHQ_INLINE std::int32_t index_of(std::int32_t pre) {
  constexpr int kShift = 12 - kIndexBits;
  return index_within((pre >> kShift) + ((pre >> (kShift - 1)) & 1));
}

// places[j] = table[places[j]] for a multiple of 16 units. Words are read, so a table has an entry more.
void look_up(const std::int16_t* table, int count, Units& places) {
#if defined(__AVX512F__)
  for (int j = 0; j < count; j += 16) {
    const __m512i words = _mm512_i32gather_epi32(_mm512_load_si512(places.of + j), table, 2);
    _mm512_store_si512(places.of + j, _mm512_srai_epi32(_mm512_slli_epi32(words, 16), 16));
  }
#elif defined(__AVX2__)
  for (int j = 0; j < count; j += 8) {
    auto* at = reinterpret_cast<__m256i*>(places.of + j);
    const __m256i words =
        _mm256_i32gather_epi32(reinterpret_cast<const int*>(table), _mm256_load_si256(at), 2);
    _mm256_store_si256(at, _mm256_srai_epi32(_mm256_slli_epi32(words, 16), 16));
  }
#else
  for (int j = 0; j < count; ++j) places.of[j] = table[places.of[j]];
#endif
}

// tanh of cell codes.
SPEECHQ_INLINE void tanh_of_cells(const IntegerTask& a, const std::int32_t* cell, Units& out) {
  const Ratio ratio = a.cell_index;
  for_units(a.units, [&](int j) { out.of[j] = index_within(requantized(cell[j], ratio, kPreLimit)); });
  look_up(a.table.tanh, a.units, out);
}

// The highway values as 32-bit integers; zeros where there are none.
SPEECHQ_INLINE void skips(const IntegerTask& a, const void* skip, Units& out) {
  if (skip == nullptr)
    for_units(a.units, [&](int j) { out.of[j] = 0; });
  else if (a.skip_is_value)
    for_units(a.units, [&](int j) { out.of[j] = static_cast<const std::int32_t*>(skip)[j]; });
  else
    for_units(a.units, [&](int j) { out.of[j] = static_cast<const std::int16_t*>(skip)[j]; });
}

void requantize(const RequantizeTask& a, std::int32_t* out) {
  choose_flags(
      [&](auto with_bias, auto wide) {
        const std::int64_t pair = static_cast<std::int64_t>(a.shape.parts) * kTile;
        const std::int32_t limit = a.limit;
        for (int n = 0; n < a.shape.columns; ++n)
          for (int part = 0; part < a.shape.parts; ++part) {
            const std::int64_t at = n * pair + part * kTile, row = part * a.stride;
            const std::int32_t* __restrict sums = a.sums + (wide.value ? at + n * pair : at);
            const std::int32_t* __restrict multiplier = a.multiplier + row;
            const std::int32_t* __restrict shift = a.shift + row;
            const std::int32_t* __restrict bias = with_bias.value ? a.bias + row : nullptr;
            std::int32_t* __restrict to = out + at;
            for_units(a.shape.units, [&](int j) {
              std::int32_t sum = sums[j];
              // Unsigned, because the whole fits 32 bits but its parts may not.
              if constexpr (wide.value)
                sum = static_cast<std::int32_t>(256u * static_cast<std::uint32_t>(sum) +
                                                static_cast<std::uint32_t>(sums[pair + j]) +
                                                128u * static_cast<std::uint32_t>(a.row_sums[row + j]));
              const std::int32_t y = requantized(sum, multiplier[j], shift[j], limit);
              if constexpr (with_bias.value)
                to[j] = y + bias[j];
              else
                to[j] = y;
            });
          }
      },
      a.bias != nullptr, a.row_sums != nullptr);
}

void requantize_codes(const std::int16_t* x, int count, Ratio ratio, std::int32_t limit, std::int32_t* out) {
  for_units(count, [&](int j) { out[j] = requantized(x[j], ratio, limit); });
}

void conv_codes(const std::int32_t* sums, int count, const std::int32_t* multiplier,
                const std::int32_t* shift, const std::int32_t* bias, Ratio ratio, std::int32_t qmax,
                std::int16_t* codes) {
  for_units(count, [&](int j) {
    const std::int32_t y = requantized(sums[j], multiplier[j], shift[j], kPreLimit) + bias[j];
    codes[j] = static_cast<std::int16_t>(requantized(y, ratio, qmax));
  });
}

void sru(const IntegerSruTask& a) {
  const Mix cell_mix = a.cell, output_mix = a.output;
  const std::int32_t one = a.one, cell_qmax = a.cell_qmax, h_qmax = a.h_qmax;
  Units f, r, skip, g;
  for (int n = 0; n < a.columns; ++n) {
    const std::int32_t* __restrict u = a.u + static_cast<std::int64_t>(n) * 3 * kTile;
    std::int32_t* __restrict cell = a.column[n].c;
    std::int16_t* __restrict h = a.column[n].h;
    choose_flags(
        [&](auto with_v) {
          const std::int32_t* __restrict m = a.v_multiplier;
          const std::int32_t* __restrict s = a.v_shift;
          const std::int64_t stride = a.stride;
          for_units(a.units, [&](int j) {
            std::int32_t pre_f = u[kTile + j], pre_r = u[2 * kTile + j];
            if constexpr (with_v.value) {
              pre_f += requantized(cell[j], m[j], s[j], kPreLimit);
              pre_r += requantized(cell[j], m[stride + j], s[stride + j], kPreLimit);
            }
            f.of[j] = index_of(pre_f);
            r.of[j] = index_of(pre_r);
          });
        },
        a.v_multiplier != nullptr);
    look_up(a.table.sigmoid, a.units, f);
    look_up(a.table.sigmoid, a.units, r);
    for_units(a.units, [&](int j) {
      const std::int32_t u0 = clipped(u[j], kValueLimit);
      cell[j] = mixed(f.of[j] * cell[j], (one - f.of[j]) * u0, cell_mix, cell_qmax);
      g.of[j] = cell[j];
    });
    if (a.tanh) tanh_of_cells(a, cell, g);
    skips(a, a.column[n].skip, skip);
    for_units(a.units, [&](int j) {
      h[j] = static_cast<std::int16_t>(
          mixed(r.of[j] * g.of[j], (one - r.of[j]) * skip.of[j], output_mix, h_qmax));
    });
  }
}

void lstm(const IntegerLstmTask& a) {
  const Mix cell_mix = a.cell, output_mix = a.output;
  const std::int32_t cell_qmax = a.cell_qmax, h_qmax = a.h_qmax;
  Units i, f, g, o;
  for (int n = 0; n < a.columns; ++n) {
    const std::int32_t* __restrict u = a.u + static_cast<std::int64_t>(n) * 4 * kTile;
    const std::int32_t* __restrict rec = a.recurrent + static_cast<std::int64_t>(n) * 4 * kTile;
    std::int32_t* __restrict cell = a.column[n].c;
    std::int16_t* __restrict h = a.column[n].h;
    choose_flags(
        [&](auto peepholes) {
          const std::int32_t* __restrict m = a.p_multiplier;
          const std::int32_t* __restrict s = a.p_shift;
          const std::int64_t stride = a.stride;
          const auto pre = [&](int gate, int j) { return u[gate * kTile + j] + rec[gate * kTile + j]; };
          const auto peephole = [&](int gate, int j) {
            if constexpr (peepholes.value)
              return requantized(cell[j], m[gate * stride + j], s[gate * stride + j], kPreLimit);
            else
              return std::int32_t{0};
          };
          for_units(a.units, [&](int j) {
            i.of[j] = index_of(pre(0, j) + peephole(0, j));
            f.of[j] = index_of(pre(1, j) + peephole(1, j));
            g.of[j] = index_of(pre(2, j));
          });
          look_up(a.table.sigmoid, a.units, i);
          look_up(a.table.sigmoid, a.units, f);
          look_up(a.table.tanh, a.units, g);
          for_units(a.units, [&](int j) {
            cell[j] = mixed(f.of[j] * cell[j], i.of[j] * g.of[j], cell_mix, cell_qmax);
            o.of[j] = index_of(pre(3, j) + peephole(2, j));
          });
        },
        a.p_multiplier != nullptr);
    look_up(a.table.sigmoid, a.units, o);
    tanh_of_cells(a, cell, g);
    if (a.residual) {
      std::int16_t* __restrict inner = a.column[n].inner;
      for_units(a.units, [&](int j) {
        inner[j] = static_cast<std::int16_t>(o.of[j]);
        h[j] = static_cast<std::int16_t>(g.of[j]);
      });
    } else {
      for_units(a.units, [&](int j) {
        h[j] = static_cast<std::int16_t>(mixed(o.of[j] * g.of[j], output_mix, h_qmax));
      });
    }
  }
}

void residual(const IntegerTask& a) {
  const Mix mix = a.output;
  const std::int32_t h_qmax = a.h_qmax;
  Units skip;
  for (int n = 0; n < a.columns; ++n) {
    const std::int32_t* __restrict projected = a.u + static_cast<std::int64_t>(n) * kTile;
    const std::int16_t* __restrict o = a.column[n].inner;
    std::int16_t* __restrict h = a.column[n].h;
    skips(a, a.column[n].skip, skip);
    for_units(a.units, [&](int j) {
      h[j] = static_cast<std::int16_t>(
          mixed(o[j] * clipped(projected[j] + skip.of[j], kValueLimit), mix, h_qmax));
    });
  }
}

void qrnn(const IntegerQrnnTask& a) {
  const Mix cell_mix = a.cell, output_mix = a.output;
  const std::int32_t one = a.one, cell_qmax = a.cell_qmax, h_qmax = a.h_qmax;
  Units z, f, o, i;
  for (int n = 0; n < a.columns; ++n) {
    const std::int32_t* __restrict u = a.u + static_cast<std::int64_t>(n) * a.parts * kTile;
    std::int32_t* __restrict cell = a.column[n].c;
    std::int16_t* __restrict h = a.column[n].h;
    for_units(a.units, [&](int j) {
      z.of[j] = index_of(u[j]);
      f.of[j] = index_of(u[kTile + j]);
      o.of[j] = index_of(u[2 * kTile + j]);
    });
    look_up(a.table.tanh, a.units, z);
    look_up(a.table.sigmoid, a.units, f);
    look_up(a.table.sigmoid, a.units, o);
    if (a.parts == 4) {
      for_units(a.units, [&](int j) { i.of[j] = index_of(u[3 * kTile + j]); });
      look_up(a.table.sigmoid, a.units, i);
    } else {
      for_units(a.units, [&](int j) { i.of[j] = one - f.of[j]; });
    }
    for_units(a.units, [&](int j) {
      cell[j] = mixed(f.of[j] * cell[j], i.of[j] * z.of[j], cell_mix, cell_qmax);
      h[j] = static_cast<std::int16_t>(mixed(o.of[j] * cell[j], output_mix, h_qmax));
    });
  }
}

void isru(const IntegerTask& a) {
  const Mix cell_mix = a.cell, output_mix = a.output;
  const std::int32_t one = a.one, cell_qmax = a.cell_qmax, h_qmax = a.h_qmax;
  Units f, o, i, g, skip;
  for (int n = 0; n < a.columns; ++n) {
    const std::int32_t* __restrict u = a.u + static_cast<std::int64_t>(n) * 4 * kTile;
    std::int32_t* __restrict cell = a.column[n].c;
    std::int16_t* __restrict h = a.column[n].h;
    for_units(a.units, [&](int j) {
      f.of[j] = index_of(u[kTile + j]);
      o.of[j] = index_of(u[2 * kTile + j]);
      i.of[j] = index_of(u[3 * kTile + j]);
    });
    look_up(a.table.sigmoid, a.units, f);
    look_up(a.table.sigmoid, a.units, o);
    look_up(a.table.sigmoid, a.units, i);
    for_units(a.units, [&](int j) {
      cell[j] = mixed(f.of[j] * cell[j], i.of[j] * clipped(u[j], kValueLimit), cell_mix, cell_qmax);
    });
    tanh_of_cells(a, cell, g);
    skips(a, a.column[n].skip, skip);
    for_units(a.units, [&](int j) {
      h[j] = static_cast<std::int16_t>(
          mixed(o.of[j] * g.of[j], (one - o.of[j]) * skip.of[j], output_mix, h_qmax));
    });
  }
}

}  // namespace

IntegerKernels integer_kernels() {
  return {requantize, requantize_codes, conv_codes, sru, lstm, residual, qrnn, isru};
}

}  // namespace speechq::engine::SPEECHQ_ISA
