#include <cmath>
#include <cstring>

#include "generic/cells.h"
#include "generic/kernel_tables.h"
#include "generic/math.h"

namespace speechq::engine::SPEECHQ_ISA {
namespace {

void quantize(const float* x, std::int64_t count, Grid grid, std::int16_t* codes) {
  const float step = grid.step, qmax = static_cast<float>(grid.qmax());
  SPEECHQ_VECTORIZE
  for (std::int64_t i = 0; i < count; ++i)
    codes[i] = static_cast<std::int16_t>(static_cast<std::int32_t>(code_of(x[i], step, qmax)));
}

void values(const std::int16_t* codes, std::int64_t count, float step, float* out) {
  SPEECHQ_VECTORIZE
  for (std::int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(codes[i]) * step;
}

// Bytes in the order of one column become words `word_stride` apart.
void spread(const std::int8_t* bytes, std::int64_t words_of_column, std::int32_t* words,
            std::int64_t word_stride, std::int32_t* sum) {
  std::int32_t total = 0;
  for (std::int64_t i = 0; i < 4 * words_of_column; ++i) total += bytes[i];
  *sum = total;
  if (word_stride == 1) {
    std::memcpy(words, bytes, static_cast<std::size_t>(4 * words_of_column));
    return;
  }
  for (std::int64_t i = 0; i < words_of_column; ++i) std::memcpy(words + i * word_stride, bytes + 4 * i, 4);
}

void pack_codes(const std::int16_t* codes, std::int64_t stride, std::int64_t width, int count, bool wide,
                std::int32_t* words, std::int64_t word_stride, std::int64_t step, std::int32_t* sums) {
  constexpr std::int64_t kChunk = 1024;
  const std::int64_t depth = blocks_of(width, kDepth) * kDepth;
  alignas(kLine) std::int8_t low[kChunk], high[kChunk];
  for (int n = 0; n < count; ++n, codes += stride) {
    std::int32_t total_low = 0, total_high = 0;
    for (std::int64_t first = 0; first < depth; first += kChunk) {
      const std::int64_t length = depth - first < kChunk ? depth - first : kChunk;
      const std::int64_t filled = width - first < length ? width - first : length;
      const std::int16_t* x = codes + first;
      std::int32_t sum_low = 0, sum_high = 0;
      if (wide) {
        for (std::int64_t i = 0; i < filled; ++i) {
          high[i] = static_cast<std::int8_t>(x[i] >> 8);
          low[i] = static_cast<std::int8_t>((x[i] & 255) - 128);
        }
        for (std::int64_t i = filled; i < length; ++i) high[i] = low[i] = 0;
        std::int32_t* to = words + (first / 4) * word_stride + 2 * n * step;
        spread(high, length / 4, to, word_stride, &sum_high);
        spread(low, length / 4, to + step, word_stride, &sum_low);
      } else {
        SPEECHQ_VECTORIZE
        for (std::int64_t i = 0; i < filled; ++i) low[i] = static_cast<std::int8_t>(x[i]);
        for (std::int64_t i = filled; i < length; ++i) low[i] = 0;
        spread(low, length / 4, words + (first / 4) * word_stride + n * step, word_stride, &sum_low);
      }
      total_low += sum_low;
      total_high += sum_high;
    }
    if (wide) {
      sums[2 * n] = total_high;
      sums[2 * n + 1] = total_low;
    } else {
      sums[n] = total_low;
    }
  }
}

// f(n, part, j, at): all values of a tile; `at` is the place of the value in [columns][parts][kTile].
template <class F>
SPEECHQ_INLINE void for_rows(const TileShape& shape, const F& f) {
  for (int n = 0; n < shape.columns; ++n)
    for (int part = 0; part < shape.parts; ++part)
      f(n, part, (static_cast<std::int64_t>(n) * shape.parts + part) * kTile);
}

void scale(const ScaleTask& a, float* out) {
  choose_flags(
      [&](auto with_bias, auto wide) {
        for_rows(a.shape, [&](int n, int part, std::int64_t at) {
          const float* __restrict factor = a.scale + part * a.stride;
          const float* __restrict bias = with_bias.value ? a.bias + part * a.stride : nullptr;
          const std::int64_t pair = static_cast<std::int64_t>(a.shape.parts) * kTile;
          const std::int32_t* sums = a.sums + (wide.value ? at + static_cast<std::int64_t>(n) * pair : at);
          float* to = out + at;
          SPEECHQ_VECTORIZE
          for (int j = 0; j < a.shape.units; ++j) {
            float y;
            if constexpr (wide.value)
              y = static_cast<float>(std::int64_t{256} * sums[j] + sums[pair + j] +
                                     std::int64_t{128} * a.row_sums[part * a.stride + j]);
            else
              y = static_cast<float>(sums[j]);
            y = y * factor[j];
            if constexpr (with_bias.value) y = y + bias[j];
            to[j] = y;
          }
        });
      },
      a.bias != nullptr, a.row_sums != nullptr);
}

void scale_floats(const ScaleTask& a, const float* sums, float* out) {
  choose_flags(
      [&](auto with_scale, auto with_bias) {
        for_rows(a.shape, [&](int, int part, std::int64_t at) {
          SPEECHQ_VECTORIZE
          for (int j = 0; j < a.shape.units; ++j) {
            float y = sums[at + j];
            if constexpr (with_scale.value) y = y * a.scale[part * a.stride + j];
            if constexpr (with_bias.value) y = y + a.bias[part * a.stride + j];
            out[at + j] = y;
          }
        });
      },
      a.scale != nullptr, a.bias != nullptr);
}

void conv(int taps, const std::int16_t* const* x, const std::int8_t* w, int units, std::int32_t* sums) {
  for (int j = 0; j < units; ++j) sums[j] = 0;
  for (int k = 0; k < taps; ++k)
    for (int j = 0; j < units; ++j) sums[j] += x[k][j] * w[k * kTile + j];
}

void conv_floats(int taps, const float* const* x, const float* w, int units, float* sums) {
  for (int j = 0; j < units; ++j) sums[j] = 0;
  for (int k = 0; k < taps; ++k)
    for (int j = 0; j < units; ++j) sums[j] = sums[j] + x[k][j] * w[k * kTile + j];
}

// Grids as loop constants. Each kernel works on a copy that nothing else can reach, or the compiler takes
// them for something that stores may change.
struct Steps {
  explicit Steps(const CellTask& a)
      : gate(a.gate.step),
        gate_qmax(a.gate.on() ? static_cast<float>(a.gate.qmax()) : 0),
        cell(a.cell.step),
        cell_qmax(a.cell.on() ? static_cast<float>(a.cell.qmax()) : 0),
        h(a.h.step),
        h_qmax(a.h.on() ? static_cast<float>(a.h.qmax()) : 0) {}
  float gate, gate_qmax, cell, cell_qmax, h, h_qmax;

  template <class Gates>
  SPEECHQ_INLINE float sigmoid(Gates, float x) const {
    return on_grid<Gates::value>(sigmoid_of(x), gate, gate_qmax);
  }
  template <class Gates>
  SPEECHQ_INLINE float tanh(Gates, float x) const {
    return on_grid<Gates::value>(tanh_of(x), gate, gate_qmax);
  }
  template <class Cells>
  SPEECHQ_INLINE float cell_of(Cells, float x) const {
    return on_grid<Cells::value>(x, cell, cell_qmax);
  }
  template <class Codes>
  SPEECHQ_INLINE void put(Codes, void* to, int j, float x) const {
    if constexpr (Codes::value)
      static_cast<std::int16_t*>(to)[j] =
          static_cast<std::int16_t>(static_cast<std::int32_t>(code_of(x, h, h_qmax)));
    else
      static_cast<float*>(to)[j] = x;
  }
};

// The values at `skip`, where a step says that it holds codes; `out` [kTile] has room for them.
const float* skip_values(const void* skip, float step, int units, float* out) {
  if (step == 0) return static_cast<const float*>(skip);
  values(static_cast<const std::int16_t*>(skip), units, step, out);
  return out;
}

void sru(const SruTask& a) {
  const Steps steps(a);
  choose_flags(
      [&](auto with_v, auto with_tanh, auto gates, auto cells, auto codes) {
        const Steps s = steps;
        const float* __restrict vf = a.v;
        const float* __restrict vr = a.v + a.stride;
        const float scale_x = a.scale_x, skip_step = a.skip_step;
        alignas(kLine) float room[kTile];
        for (int n = 0; n < a.columns; ++n) {
          const float* __restrict u0 = a.u + static_cast<std::int64_t>(n) * 3 * kTile;
          const float* __restrict u1 = u0 + kTile;
          const float* __restrict u2 = u1 + kTile;
          float* __restrict cell = a.column[n].c;
          const float* __restrict skip = skip_values(a.column[n].skip, skip_step, a.units, room);
          void* __restrict h = a.column[n].h;
          SPEECHQ_VECTORIZE
          for (int j = 0; j < a.units; ++j) {
            const float old = cell[j];
            float pre_f = u1[j], pre_r = u2[j];
            if constexpr (with_v.value) {
              pre_f = pre_f + vf[j] * old;
              pre_r = pre_r + vr[j] * old;
            }
            const float f = s.sigmoid(gates, pre_f);
            const float now = s.cell_of(cells, f * old + (1.0f - f) * u0[j]);
            const float r = s.sigmoid(gates, pre_r);
            float g = now;
            if constexpr (with_tanh.value) g = s.tanh(gates, now);
            cell[j] = now;
            s.put(codes, h, j, r * g + (1.0f - r) * (scale_x * skip[j]));
          }
        }
      },
      a.v != nullptr, a.tanh, a.gate.on(), a.cell.on(), a.h.on());
}

void lstm(const LstmTask& a) {
  const Steps steps(a);
  choose_flags(
      [&](auto peepholes, auto residual, auto gates, auto cells, auto codes) {
        const Steps s = steps;
        const float* __restrict pi = a.peepholes;
        const float* __restrict pf = a.peepholes + a.stride;
        const float* __restrict po = a.peepholes + 2 * a.stride;
        for (int n = 0; n < a.columns; ++n) {
          const float* __restrict u = a.u + static_cast<std::int64_t>(n) * 4 * kTile;
          const float* __restrict rec = a.recurrent + static_cast<std::int64_t>(n) * 4 * kTile;
          float* __restrict cell = a.column[n].c;
          float* __restrict inner = a.column[n].inner;
          void* __restrict h = a.column[n].h;
          SPEECHQ_VECTORIZE
          for (int j = 0; j < a.units; ++j) {
            const float old = cell[j];
            float pre_i = u[j] + rec[j], pre_f = u[kTile + j] + rec[kTile + j];
            float pre_o = u[3 * kTile + j] + rec[3 * kTile + j];
            if constexpr (peepholes.value) {
              pre_i = pre_i + pi[j] * old;
              pre_f = pre_f + pf[j] * old;
            }
            const float i = s.sigmoid(gates, pre_i), f = s.sigmoid(gates, pre_f);
            const float g = s.tanh(gates, u[2 * kTile + j] + rec[2 * kTile + j]);
            const float now = s.cell_of(cells, f * old + i * g);
            if constexpr (peepholes.value) pre_o = pre_o + po[j] * now;
            const float o = s.sigmoid(gates, pre_o);
            cell[j] = now;
            if constexpr (residual.value) {
              inner[j] = o;
              s.put(codes, h, j, tanh_of(now));  // h is the gate grid here
            } else {
              s.put(codes, h, j, o * s.tanh(gates, now));
            }
          }
        }
      },
      a.peepholes != nullptr, a.residual, a.gate.on(), a.cell.on(), a.h.on());
}

void residual(const CellTask& a) {
  const Steps steps(a);
  choose_flags(
      [&](auto codes) {
        const Steps s = steps;
        const float skip_step = a.skip_step;
        alignas(kLine) float room[kTile];
        for (int n = 0; n < a.columns; ++n) {
          const float* __restrict u = a.u + static_cast<std::int64_t>(n) * kTile;
          const float* __restrict o = a.column[n].inner;
          const float* __restrict skip = skip_values(a.column[n].skip, skip_step, a.units, room);
          void* __restrict h = a.column[n].h;
          SPEECHQ_VECTORIZE
          for (int j = 0; j < a.units; ++j) s.put(codes, h, j, o[j] * (u[j] + skip[j]));
        }
      },
      a.h.on());
}

void qrnn(const QrnnTask& a) {
  const Steps steps(a);
  choose_flags(
      [&](auto with_input, auto gates, auto cells, auto codes) {
        const Steps s = steps;
        for (int n = 0; n < a.columns; ++n) {
          const float* __restrict u = a.u + static_cast<std::int64_t>(n) * a.parts * kTile;
          float* __restrict cell = a.column[n].c;
          void* __restrict h = a.column[n].h;
          SPEECHQ_VECTORIZE
          for (int j = 0; j < a.units; ++j) {
            const float z = s.tanh(gates, u[j]);
            const float f = s.sigmoid(gates, u[kTile + j]), o = s.sigmoid(gates, u[2 * kTile + j]);
            float i = 1.0f - f;
            if constexpr (with_input.value) i = s.sigmoid(gates, u[3 * kTile + j]);
            const float now = s.cell_of(cells, f * cell[j] + i * z);
            cell[j] = now;
            s.put(codes, h, j, o * now);
          }
        }
      },
      a.parts == 4, a.gate.on(), a.cell.on(), a.h.on());
}

void isru(const CellTask& a) {
  const Steps steps(a);
  choose_flags(
      [&](auto with_skip, auto gates, auto cells, auto codes) {
        const Steps s = steps;
        const float skip_step = a.skip_step;
        alignas(kLine) float room[kTile];
        for (int n = 0; n < a.columns; ++n) {
          const float* __restrict u = a.u + static_cast<std::int64_t>(n) * 4 * kTile;
          float* __restrict cell = a.column[n].c;
          const float* __restrict skip = nullptr;
          if constexpr (with_skip.value) skip = skip_values(a.column[n].skip, skip_step, a.units, room);
          void* __restrict h = a.column[n].h;
          SPEECHQ_VECTORIZE
          for (int j = 0; j < a.units; ++j) {
            const float f = s.sigmoid(gates, u[kTile + j]), o = s.sigmoid(gates, u[2 * kTile + j]);
            const float i = s.sigmoid(gates, u[3 * kTile + j]);
            const float now = s.cell_of(cells, f * cell[j] + i * u[j]);
            cell[j] = now;
            float y = o * s.tanh(gates, now);
            if constexpr (with_skip.value) y = y + (1.0f - o) * skip[j];
            s.put(codes, h, j, y);
          }
        }
      },
      a.column[0].skip != nullptr, a.gate.on(), a.cell.on(), a.h.on());
}

// Natural logarithm of x >= 1, as docs/fixed-point.md writes it.
double log_of(double x) {
  int k;
  double m = std::frexp(x, &k);
  if (m < 0.70710678118654752) {
    m = m + m;
    k = k - 1;
  }
  const double z = (m - 1.0) / (m + 1.0), square = z * z;
  double series = 1.0 / 15.0;
  for (double divisor : {13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0}) series = series * square + 1.0 / divisor;
  return k * 0.69314718055994531 + (z + z) * series;
}

void log_softmax(const float* logits, std::int64_t count, float* out) {
  float most = logits[0];
  bool is_number = true;
  for (std::int64_t i = 0; i < count; ++i) {
    is_number = is_number && logits[i] == logits[i];
    most = logits[i] > most ? logits[i] : most;
  }
  if (!is_number) most = __builtin_nanf("");
  constexpr std::int64_t kChunk = 64;
  float powers[kChunk];
  double total = 0;
  for (std::int64_t first = 0; first < count; first += kChunk) {
    const std::int64_t length = count - first < kChunk ? count - first : kChunk;
    SPEECHQ_VECTORIZE
    for (std::int64_t i = 0; i < length; ++i) {
      out[first + i] = logits[first + i] - most;
      powers[i] = exp_of(out[first + i]);
    }
    for (std::int64_t i = 0; i < length; ++i) total = total + static_cast<double>(powers[i]);
  }
  const float shift = static_cast<float>(log_of(total));
  for (std::int64_t i = 0; i < count; ++i) out[i] = out[i] - shift;
}

}  // namespace

CellKernels cell_kernels() {
  return {quantize, values, pack_codes, scale, scale_floats, conv,       conv_floats,
          sru,      lstm,   residual,   qrnn,  isru,         log_softmax};
}

}  // namespace speechq::engine::SPEECHQ_ISA
