#include "training/lstm.h"

#include <algorithm>
#include <vector>

#include "base/pool.h"
#include "training/lstm_kernel.h"
#include "training/product.h"

namespace speechq::training {
namespace {

// Below this many multiplications per time step one thread is faster than agreeing with another.
constexpr std::int64_t kWorthSharing = 100000;

int useful_threads(std::int64_t batch, std::int64_t hidden, int threads) {
  return batch * hidden * hidden * 4 < kWorthSharing ? 1 : threads;
}

template <class T>
LstmCell<T> cell_at(const Lstm<T>& a, std::int64_t begin, std::int64_t end) {
  return {end - begin, a.hidden, a.peepholes + begin, a.gate_qmax, a.cell, a.output};
}

// Calls f(rows of the chunk, their count) for the rows that pass `active`, in chunks of nearly equal size.
template <class Active, class F>
void for_row_chunks(std::int64_t batch, int most, const Active& active, const F& f) {
  std::int64_t count = 0;
  for (std::int64_t row = 0; row < batch; ++row) count += active(row);
  if (count == 0) return;
  const std::int64_t chunks = (count + most - 1) / most, size = (count + chunks - 1) / chunks;
  std::int64_t rows[kMaxRows];
  int held = 0;
  for (std::int64_t row = 0; row < batch; ++row) {
    if (!active(row)) continue;
    rows[held++] = row;
    if (held == size) {
      f(rows, held);
      held = 0;
    }
  }
  if (held > 0) f(rows, held);
}

template <class T>
class Forward {
 public:
  Forward(const Lstm<T>& a, const LstmTrace<T>& trace, T* h, int threads)
      : a_(a), trace_(trace), h_(h), recurrent_(gate_matrix(a.recurrent, a.hidden, a.hidden, threads)) {}

  std::int64_t tiles() const { return recurrent_.tiles(); }

  void cells(std::int64_t t, std::int64_t tile) const {
    const std::int64_t begin = recurrent_.begin(tile), hidden = a_.hidden;
    const LstmCell<T> cell = cell_at(a_, begin, recurrent_.end(tile));
    alignas(64) T products[kMaxRows * 4 * kGateTile];
    for_row_chunks(
        a_.batch, recurrent_.most_rows(), [&](std::int64_t row) { return t < a_.lengths[row]; },
        [&](const std::int64_t* rows, int count) {
          const T* inputs[kMaxRows];
          for (int r = 0; r < count; ++r)
            inputs[r] = t > 0 ? h_ + ((t - 1) * a_.batch + rows[r]) * hidden : a_.h0 + rows[r] * hidden;
          recurrent_.multiply(inputs, count, tile, products);
          for (int r = 0; r < count; ++r) {
            const std::int64_t frame = t * a_.batch + rows[r], at = frame * hidden + begin;
            const T* before = t > 0 ? trace_.c + at - a_.batch * hidden : a_.c0 + rows[r] * hidden + begin;
            SPEECHQ_KERNEL(lstm_forward_row<T>)
            (cell,
             {a_.u + frame * 4 * hidden + begin, products + r * 4 * kGateTile, kGateTile, before,
              trace_.gates + frame * 4 * hidden + begin, trace_.c + at,
              trace_.r != nullptr ? trace_.r + at : nullptr, a_.projection == nullptr ? h_ + at : nullptr});
          }
        });
  }

  void outputs(const PlainMatrix<T>& projection, std::int64_t t, std::int64_t tile) const {
    const std::int64_t begin = projection.begin(tile), end = projection.end(tile), hidden = a_.hidden;
    const LstmCell<T> cell = cell_at(a_, begin, end);
    alignas(64) T products[kMaxRows * kPlainTile];
    for_row_chunks(
        a_.batch, projection.most_rows(), [&](std::int64_t row) { return t < a_.lengths[row]; },
        [&](const std::int64_t* rows, int count) {
          const T* inputs[kMaxRows];
          for (int r = 0; r < count; ++r) inputs[r] = trace_.r + (t * a_.batch + rows[r]) * hidden;
          projection.multiply(inputs, count, tile, products);
          for (int r = 0; r < count; ++r) {
            const std::int64_t frame = t * a_.batch + rows[r], at = frame * hidden + begin;
            for (std::int64_t j = 0; j < end - begin; ++j)
              trace_.sum[at + j] = products[r * kPlainTile + j] + a_.shortcut[at + j];
            SPEECHQ_KERNEL(lstm_output_row<T>)
            (cell, trace_.gates + (frame * 4 + 3) * hidden + begin, trace_.sum + at, h_ + at);
          }
        });
  }

 private:
  const Lstm<T>& a_;
  const LstmTrace<T>& trace_;
  T* h_;
  GateMatrix<T> recurrent_;
};

template <class T>
class Backward {
 public:
  Backward(const Lstm<T>& a, const LstmTrace<T>& trace, const T* grad_h, const T* grad_h_last, T* grad_r,
           const LstmGradients<T>& grads, int threads)
      : a_(a),
        trace_(trace),
        grad_h_(grad_h),
        grad_h_last_(grad_h_last),
        grad_r_(grad_r),
        grads_(grads),
        recurrent_(plain_matrix(a.recurrent, a.hidden, 4 * a.hidden, false, threads)),
        cell_step_(static_cast<std::size_t>(a.hidden)),
        output_step_(static_cast<std::size_t>(a.hidden)) {}

  std::int64_t tiles() const { return recurrent_.tiles(); }

  // Frame t: the gradient of h, from above and from frame t + 1, then through the output gate, and without a
  // projection through the cell at once.
  void outputs(std::int64_t t, std::int64_t tile) {
    const std::int64_t begin = recurrent_.begin(tile), end = recurrent_.end(tile), hidden = a_.hidden;
    alignas(64) T grad_h[kMaxRows * kPlainTile], grad_r[kPlainTile];
    // The last frame of a row has no product: its h is not used further.
    for (const bool last : {true, false})
      for_row_chunks(
          a_.batch, recurrent_.most_rows(),
          [&](std::int64_t row) { return last ? t + 1 == a_.lengths[row] : t + 1 < a_.lengths[row]; },
          [&](const std::int64_t* rows, int count) {
            if (!last) next_frame(t + 1, rows, count, tile, grad_h);
            for (int r = 0; r < count; ++r) {
              const std::int64_t frame = t * a_.batch + rows[r], at = frame * hidden + begin;
              T* grad = grad_h + r * kPlainTile;
              for (std::int64_t j = 0; j < end - begin; ++j)
                grad[j] = grad_h_[at + j] + (last ? grad_h_last_[rows[r] * hidden + begin + j] : grad[j]);
              const LstmBackwardRow<T> x =
                  row_at(t, rows[r], begin, grad, grad_r_ != nullptr ? grad_r_ + at : grad_r);
              SPEECHQ_KERNEL(lstm_backward_output_row<T>)(cell_at(a_, begin, end), x);
              if (a_.projection == nullptr)
                SPEECHQ_KERNEL(lstm_backward_cell_row<T>)(cell_at(a_, begin, end), x);
            }
          });
  }

  // With a projection: back through it, then through the cell.
  void cells(const PlainMatrix<T>& projection, std::int64_t t, std::int64_t tile) {
    const std::int64_t begin = projection.begin(tile), end = projection.end(tile), hidden = a_.hidden;
    alignas(64) T grad_r[kMaxRows * kPlainTile];
    for_row_chunks(
        a_.batch, projection.most_rows(), [&](std::int64_t row) { return t < a_.lengths[row]; },
        [&](const std::int64_t* rows, int count) {
          const T* inputs[kMaxRows];
          for (int r = 0; r < count; ++r) inputs[r] = grad_r_ + (t * a_.batch + rows[r]) * hidden;
          projection.multiply(inputs, count, tile, grad_r);
          for (int r = 0; r < count; ++r) SPEECHQ_KERNEL(lstm_backward_cell_row<T>)
          (cell_at(a_, begin, end), row_at(t, rows[r], begin, nullptr, grad_r + r * kPlainTile));
        });
  }

  // The gradient of h0, after frame 0.
  void start(std::int64_t tile) {
    const std::int64_t begin = recurrent_.begin(tile), end = recurrent_.end(tile), hidden = a_.hidden;
    alignas(64) T grad_h[kMaxRows * kPlainTile];
    for_row_chunks(
        a_.batch, recurrent_.most_rows(), [&](std::int64_t row) { return a_.lengths[row] > 0; },
        [&](const std::int64_t* rows, int count) {
          next_frame(0, rows, count, tile, grad_h);
          for (int r = 0; r < count; ++r)
            std::copy_n(grad_h + r * kPlainTile, end - begin, grads_.h0 + rows[r] * hidden + begin);
        });
    for (std::int64_t row = 0; row < a_.batch; ++row)
      if (a_.lengths[row] == 0)
        std::copy_n(grad_h_last_ + row * hidden + begin, end - begin, grads_.h0 + row * hidden + begin);
  }

  void finish_steps() const {
    double cell = 0, output = 0;
    for (T value : cell_step_) cell += static_cast<double>(value);
    for (T value : output_step_) output += static_cast<double>(value);
    grads_.steps[0] = static_cast<T>(cell);
    grads_.steps[1] = static_cast<T>(output);
  }

 private:
  void next_frame(std::int64_t t, const std::int64_t* rows, int count, std::int64_t tile, T* out) const {
    const T* inputs[kMaxRows];
    for (int r = 0; r < count; ++r) inputs[r] = grads_.u + (t * a_.batch + rows[r]) * 4 * a_.hidden;
    recurrent_.multiply(inputs, count, tile, out);
  }

  LstmBackwardRow<T> row_at(std::int64_t t, std::int64_t row, std::int64_t begin, T* grad_h, T* grad_r) {
    const std::int64_t hidden = a_.hidden, frame = t * a_.batch + row, at = frame * hidden + begin;
    return {trace_.gates + frame * 4 * hidden + begin,
            trace_.c + at,
            t > 0 ? trace_.c + at - a_.batch * hidden : a_.c0 + row * hidden + begin,
            a_.projection != nullptr ? trace_.sum + at : nullptr,
            grad_h,
            grad_r,
            grads_.u + frame * 4 * hidden + begin,
            grads_.c0 + row * hidden + begin,
            grads_.peepholes + begin,
            cell_step_.data() + begin,
            output_step_.data() + begin};
  }

  const Lstm<T>& a_;
  const LstmTrace<T>& trace_;
  const T *grad_h_, *grad_h_last_;
  T* grad_r_;
  const LstmGradients<T>& grads_;
  PlainMatrix<T> recurrent_;
  std::vector<T> cell_step_, output_step_;
};

// Zeros where rows have no frame; width elements per frame.
template <class T>
void clear_padding(T* values, std::int64_t frames, std::int64_t batch, const std::int64_t* lengths,
                   std::int64_t width) {
  if (values == nullptr) return;
  for (std::int64_t row = 0; row < batch; ++row)
    for (std::int64_t t = lengths[row]; t < frames; ++t)
      std::fill_n(values + (t * batch + row) * width, width, T(0));
}

}  // namespace

template <class T>
void lstm_forward(const Lstm<T>& a, const LstmTrace<T>& trace, T* h, T* h_last, T* c_last, int threads) {
  threads = useful_threads(a.batch, a.hidden, threads);
  const Forward<T> forward(a, trace, h, threads);
  if (a.projection == nullptr) {
    for_phases(a.frames, forward.tiles(), threads,
               [&](std::int64_t t, std::int64_t tile) { forward.cells(t, tile); });
  } else {
    const PlainMatrix<T> projection = plain_matrix(a.projection, a.hidden, a.hidden, true, threads);
    const std::int64_t most = std::max(forward.tiles(), projection.tiles());
    for_phases(2 * a.frames, most, threads, [&](std::int64_t phase, std::int64_t tile) {
      if (phase % 2 == 0 && tile < forward.tiles()) forward.cells(phase / 2, tile);
      if (phase % 2 == 1 && tile < projection.tiles()) forward.outputs(projection, phase / 2, tile);
    });
  }
  for (std::int64_t row = 0; row < a.batch; ++row) {
    const std::int64_t last = ((a.lengths[row] - 1) * a.batch + row) * a.hidden, at = row * a.hidden;
    std::copy_n(a.lengths[row] > 0 ? h + last : a.h0 + at, a.hidden, h_last + at);
    std::copy_n(a.lengths[row] > 0 ? trace.c + last : a.c0 + at, a.hidden, c_last + at);
  }
  for (T* values : {h, trace.c, trace.r}) clear_padding(values, a.frames, a.batch, a.lengths, a.hidden);
}

template <class T>
void lstm_backward(const Lstm<T>& a, const LstmTrace<T>& trace, const T* grad_h, const T* grad_h_last,
                   const T* grad_c_last, const LstmGradients<T>& grads, int threads) {
  threads = useful_threads(a.batch, a.hidden, threads);
  std::copy_n(grad_c_last, a.batch * a.hidden, grads.c0);
  std::fill_n(grads.peepholes, 3 * a.hidden, T(0));
  clear_padding(grads.u, a.frames, a.batch, a.lengths, 4 * a.hidden);
  clear_padding(grads.shortcut, a.frames, a.batch, a.lengths, a.hidden);
  Backward<T> backward(a, trace, grad_h, grad_h_last, grads.shortcut, grads, threads);
  if (a.projection == nullptr) {
    for_phases(a.frames + 1, backward.tiles(), threads, [&](std::int64_t phase, std::int64_t tile) {
      if (phase < a.frames)
        backward.outputs(a.frames - 1 - phase, tile);
      else
        backward.start(tile);
    });
  } else {
    const PlainMatrix<T> projection = plain_matrix(a.projection, a.hidden, a.hidden, false, threads);
    for_phases(2 * a.frames + 1, backward.tiles(), threads, [&](std::int64_t phase, std::int64_t tile) {
      const std::int64_t t = a.frames - 1 - phase / 2;
      if (phase == 2 * a.frames)
        backward.start(tile);
      else if (phase % 2 == 0)
        backward.outputs(t, tile);
      else
        backward.cells(projection, t, tile);
    });
  }
  backward.finish_steps();
}

#define SPEECHQ_INSTANTIATE(T)                                                                   \
  template void lstm_forward(const Lstm<T>&, const LstmTrace<T>&, T*, T*, T*, int);              \
  template void lstm_backward(const Lstm<T>&, const LstmTrace<T>&, const T*, const T*, const T*, \
                              const LstmGradients<T>&, int);
SPEECHQ_INSTANTIATE(float)
SPEECHQ_INSTANTIATE(double)

}  // namespace speechq::training
