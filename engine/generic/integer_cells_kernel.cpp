#include "generic/integer_cells.h"
#include "generic/kernel_tables.h"
#include "generic/math.h"

namespace speechq::engine::SPEECHQ_ISA {
namespace {

SPEECHQ_INLINE std::int64_t clipped(std::int64_t x, std::int64_t limit) {
  x = x > limit ? limit : x;
  return x < -limit ? -limit : x;
}

// x / 2^shift to the nearest integer, ties away from zero, within ±limit.
SPEECHQ_INLINE std::int32_t rounded(std::int64_t x, std::int32_t shift, std::int64_t limit) {
  const std::int64_t sign = x >> 63, magnitude = (x ^ sign) - sign;
  const std::int64_t y = (magnitude + (std::int64_t{1} << (shift - 1))) >> shift;
  return static_cast<std::int32_t>(clipped((y ^ sign) - sign, limit));
}
SPEECHQ_INLINE std::int32_t requantized(std::int64_t x, std::int32_t multiplier, std::int32_t shift,
                                        std::int32_t limit) {
  return rounded(x * multiplier, shift, limit);
}
SPEECHQ_INLINE std::int32_t requantized(std::int64_t x, Ratio ratio, std::int32_t limit) {
  return requantized(x, ratio.multiplier, ratio.shift, limit);
}
SPEECHQ_INLINE std::int32_t mixed(std::int64_t first, std::int64_t second, Mix mix, std::int32_t limit) {
  return rounded(first * mix.first + second * mix.second, mix.shift, limit);
}

SPEECHQ_INLINE std::int32_t at_index(const std::int16_t* table, std::int32_t index) {
  index = index < -kTableHalf ? -kTableHalf : index;
  index = index > kTableHalf - 1 ? kTableHalf - 1 : index;
  return table[index + kTableHalf];
}
SPEECHQ_INLINE std::int32_t at_pre(const std::int16_t* table, std::int32_t pre) {
  constexpr int kShift = 12 - kIndexBits;
  return at_index(table, (pre >> kShift) + ((pre >> (kShift - 1)) & 1));  // half rounds up
}
SPEECHQ_INLINE std::int32_t tanh_of_cell(const IntegerTask& a, std::int32_t c) {
  return at_index(a.table.tanh, requantized(c, a.cell_index, kPreLimit));
}
SPEECHQ_INLINE std::int32_t value_limited(std::int32_t x) {
  return static_cast<std::int32_t>(clipped(x, kValueLimit));
}
SPEECHQ_INLINE std::int32_t skip_of(const IntegerTask& a, const void* skip, int j) {
  return a.skip_is_value ? static_cast<const std::int32_t*>(skip)[j]
                         : static_cast<const std::int16_t*>(skip)[j];
}

void requantize(const RequantizeTask& a, std::int32_t* out) {
  const bool wide = a.row_sums != nullptr;
  const std::int64_t pair = static_cast<std::int64_t>(a.shape.parts) * kTile;
  for (int n = 0; n < a.shape.columns; ++n)
    for (int part = 0; part < a.shape.parts; ++part) {
      const std::int64_t at = n * pair + part * kTile, row = part * a.stride;
      const std::int32_t* sums = a.sums + (wide ? at + n * pair : at);
      for (int j = 0; j < a.shape.units; ++j) {
        std::int64_t sum = sums[j];
        if (wide) sum = 256 * sum + sums[pair + j] + std::int64_t{128} * a.row_sums[row + j];
        const std::int32_t y = requantized(sum, a.multiplier[row + j], a.shift[row + j], a.limit);
        out[at + j] = a.bias != nullptr ? y + a.bias[row + j] : y;
      }
    }
}

void requantize_codes(const std::int16_t* x, int count, Ratio ratio, std::int32_t limit, std::int32_t* out) {
  for (int j = 0; j < count; ++j) out[j] = requantized(x[j], ratio, limit);
}

void conv_codes(const std::int32_t* sums, int count, const std::int32_t* multiplier,
                const std::int32_t* shift, const std::int32_t* bias, Ratio ratio, std::int32_t qmax,
                std::int16_t* codes) {
  for (int j = 0; j < count; ++j) {
    const std::int32_t y = requantized(sums[j], multiplier[j], shift[j], kPreLimit) + bias[j];
    codes[j] = static_cast<std::int16_t>(requantized(y, ratio, qmax));
  }
}

void sru(const IntegerSruTask& a) {
  for (int n = 0; n < a.columns; ++n) {
    const std::int32_t* u = a.u + static_cast<std::int64_t>(n) * 3 * kTile;
    const IntegerColumn& column = a.column[n];
    for (int j = 0; j < a.units; ++j) {
      const std::int32_t old = column.c[j], u0 = value_limited(u[j]);
      std::int32_t pre_f = u[kTile + j], pre_r = u[2 * kTile + j];
      if (a.v_multiplier != nullptr) {
        pre_f += requantized(old, a.v_multiplier[j], a.v_shift[j], kPreLimit);
        pre_r += requantized(old, a.v_multiplier[a.stride + j], a.v_shift[a.stride + j], kPreLimit);
      }
      const std::int32_t f = at_pre(a.table.sigmoid, pre_f), r = at_pre(a.table.sigmoid, pre_r);
      const std::int32_t now = mixed(f * old, std::int64_t{a.one - f} * u0, a.cell, a.cell_qmax);
      const std::int32_t inner = a.tanh ? tanh_of_cell(a, now) : now;
      column.c[j] = now;
      column.h[j] = static_cast<std::int16_t>(mixed(
          std::int64_t{r} * inner, std::int64_t{a.one - r} * skip_of(a, column.skip, j), a.output, a.h_qmax));
    }
  }
}

void lstm(const IntegerLstmTask& a) {
  for (int n = 0; n < a.columns; ++n) {
    const std::int32_t* u = a.u + static_cast<std::int64_t>(n) * 4 * kTile;
    const std::int32_t* rec = a.recurrent + static_cast<std::int64_t>(n) * 4 * kTile;
    const IntegerColumn& column = a.column[n];
    const auto peephole = [&](int gate, std::int32_t c, int j) {
      if (a.p_multiplier == nullptr) return std::int32_t{0};
      return requantized(c, a.p_multiplier[gate * a.stride + j], a.p_shift[gate * a.stride + j], kPreLimit);
    };
    const auto pre = [&](int gate, int j) { return u[gate * kTile + j] + rec[gate * kTile + j]; };
    for (int j = 0; j < a.units; ++j) {
      const std::int32_t old = column.c[j];
      const std::int32_t i = at_pre(a.table.sigmoid, pre(0, j) + peephole(0, old, j));
      const std::int32_t f = at_pre(a.table.sigmoid, pre(1, j) + peephole(1, old, j));
      const std::int32_t g = at_pre(a.table.tanh, pre(2, j));
      const std::int32_t now = mixed(f * old, std::int64_t{i} * g, a.cell, a.cell_qmax);
      const std::int32_t o = at_pre(a.table.sigmoid, pre(3, j) + peephole(2, now, j));
      const std::int32_t inner = tanh_of_cell(a, now);
      column.c[j] = now;
      if (a.residual) {
        column.inner[j] = static_cast<std::int16_t>(o);
        column.h[j] = static_cast<std::int16_t>(inner);
      } else {
        column.h[j] = static_cast<std::int16_t>(mixed(std::int64_t{o} * inner, 0, a.output, a.h_qmax));
      }
    }
  }
}

void residual(const IntegerTask& a) {
  for (int n = 0; n < a.columns; ++n) {
    const std::int32_t* projected = a.u + static_cast<std::int64_t>(n) * kTile;
    const IntegerColumn& column = a.column[n];
    for (int j = 0; j < a.units; ++j) {
      const std::int32_t inner = value_limited(projected[j] + skip_of(a, column.skip, j));
      column.h[j] =
          static_cast<std::int16_t>(mixed(std::int64_t{column.inner[j]} * inner, 0, a.output, a.h_qmax));
    }
  }
}

void qrnn(const IntegerQrnnTask& a) {
  for (int n = 0; n < a.columns; ++n) {
    const std::int32_t* u = a.u + static_cast<std::int64_t>(n) * a.parts * kTile;
    const IntegerColumn& column = a.column[n];
    for (int j = 0; j < a.units; ++j) {
      const std::int32_t z = at_pre(a.table.tanh, u[j]), f = at_pre(a.table.sigmoid, u[kTile + j]);
      const std::int32_t o = at_pre(a.table.sigmoid, u[2 * kTile + j]);
      const std::int32_t i = a.parts == 4 ? at_pre(a.table.sigmoid, u[3 * kTile + j]) : a.one - f;
      const std::int32_t now = mixed(f * column.c[j], std::int64_t{i} * z, a.cell, a.cell_qmax);
      column.c[j] = now;
      column.h[j] = static_cast<std::int16_t>(mixed(std::int64_t{o} * now, 0, a.output, a.h_qmax));
    }
  }
}

void isru(const IntegerTask& a) {
  for (int n = 0; n < a.columns; ++n) {
    const std::int32_t* u = a.u + static_cast<std::int64_t>(n) * 4 * kTile;
    const IntegerColumn& column = a.column[n];
    for (int j = 0; j < a.units; ++j) {
      const std::int32_t f = at_pre(a.table.sigmoid, u[kTile + j]);
      const std::int32_t o = at_pre(a.table.sigmoid, u[2 * kTile + j]);
      const std::int32_t i = at_pre(a.table.sigmoid, u[3 * kTile + j]);
      const std::int32_t now =
          mixed(f * column.c[j], std::int64_t{i} * value_limited(u[j]), a.cell, a.cell_qmax);
      column.c[j] = now;
      std::int64_t highway = 0;
      if (column.skip != nullptr) highway = std::int64_t{a.one - o} * skip_of(a, column.skip, j);
      column.h[j] = static_cast<std::int16_t>(
          mixed(std::int64_t{o} * tanh_of_cell(a, now), highway, a.output, a.h_qmax));
    }
  }
}

}  // namespace

IntegerKernels integer_kernels() {
  return {requantize, requantize_codes, conv_codes, sru, lstm, residual, qrnn, isru};
}

}  // namespace speechq::engine::SPEECHQ_ISA
