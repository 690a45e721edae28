"""What each kind of layer computes in ``hybrid`` mode, in plain NumPy. The text of docs/fixed-point.md as
code.

Signals are time-major ``[T, B, D]``; row b is valid for its first ``lengths[b]`` frames and zero behind.
Products and gates that do not depend on the previous step are computed for all frames at once; only the true
recurrence steps. Every written operation is one float32 operation.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from speechq.quant.gates import sigmoid, tanh
from speechq.quant.products import DepthwiseProduct, FloatArray, Frames, Product, on_grid, to_grid
from speechq.runtime.graph import Layer, Matrix, Signal

Lengths = NDArray[np.int64]
LayerState = dict[str, NDArray[Any]]

_T = TypeVar("_T", np.float32, np.int64)

_ONE = np.float32(1)


def last_frames(joined: FloatArray, lengths: Lengths, count: int) -> FloatArray:
    """The ``count`` frames of ``joined [count + T, B, D]`` that end with each row's last valid frame."""
    index = np.arange(count)[:, None] + lengths[None, :]
    return np.asarray(joined[index, np.arange(len(lengths))[None, :]], np.float32)


class ReferenceLayer:
    """One layer, prepared for a kind of input. A call returns output, its lengths and the state after it."""

    def __init__(self, layer: Layer, inputs: int, hidden: int, grid: Signal | None) -> None:
        self.inputs, self.hidden = inputs, hidden
        self.output_grid = layer.signals.get("h")
        self._gate = layer.signals.get("gate")
        self._cell = layer.signals.get("cell")
        self._vectors = layer.vectors

    def initial_state(self, rows: int) -> LayerState:
        """The state before the first frame of ``rows`` streams."""
        return {"c": np.zeros((rows, self.hidden), np.float32)}

    def __call__(
        self, x: Frames, lengths: Lengths, state: LayerState, finish: bool
    ) -> tuple[Frames, Lengths, LayerState]:
        """Process ``x``; ``finish``: no more input follows, so look-ahead sees zeros."""
        raise AssertionError(f"{type(self).__name__} has no step")

    def _sigmoid(self, x: FloatArray) -> FloatArray:
        return on_grid(sigmoid(x), self._gate)

    def _tanh(self, x: FloatArray) -> FloatArray:
        return on_grid(tanh(x), self._gate)

    def _output(self, h: FloatArray, lengths: Lengths) -> Frames:
        """``h`` on its grid, zero behind each row's end."""
        valid = np.arange(h.shape[0])[:, None] < lengths[None, :]
        if not valid.all():
            h = np.where(valid[:, :, None], h, np.float32(0))
        return to_grid(h, self.output_grid)

    def _pool(
        self, forget: FloatArray, update: FloatArray, c: FloatArray, lengths: Lengths
    ) -> tuple[FloatArray, FloatArray]:
        """``c = cell_grid(f * c' + update)`` over ``[T, B, H]``: all cells, and those at each row's end."""
        cells = np.empty_like(update)
        for t in range(len(update)):
            new = on_grid(forget[t] * c + update[t], self._cell)
            c = keep_ended(new, c, t, lengths)
            cells[t] = c
        return cells, c


def keep_ended(new: NDArray[_T], old: NDArray[_T], t: int, lengths: Lengths) -> NDArray[_T]:
    """``new [B, ...]`` for rows that have a frame ``t``, ``old`` for rows that ended before."""
    running = lengths > t
    return new if running.all() else np.where(running[:, None], new, old)


class Linear(ReferenceLayer):
    """``y = W x + b``."""

    def __init__(self, layer: Layer, inputs: int, hidden: int, grid: Signal | None) -> None:
        super().__init__(layer, inputs, hidden, grid)
        self._product = Product(layer.matrices["in"], grid)

    def initial_state(self, rows: int) -> LayerState:
        return {}

    def __call__(
        self, x: Frames, lengths: Lengths, state: LayerState, finish: bool
    ) -> tuple[Frames, Lengths, LayerState]:
        return self._output(self._product(x.data) + self._vectors["bias"], lengths), lengths, {}


class Sru(ReferenceLayer):
    """``f, r = s(u + v*c')``, ``c = f*c' + (1-f)*u0``, ``h = r*g(c) + (1-r)*(scale_x*x)``."""

    def __init__(self, layer: Layer, inputs: int, hidden: int, grid: Signal | None) -> None:
        super().__init__(layer, inputs, hidden, grid)
        self._product = Product(layer.matrices["in"], grid)
        self._skip = Product(layer.matrices["skip"], grid) if "skip" in layer.matrices else None
        self._v = layer.vectors.get("v")
        self._with_tanh = bool(layer.options["tanh"])
        self._scale_x = np.float32(layer.options["scale_x"])

    def __call__(
        self, x: Frames, lengths: Lengths, state: LayerState, finish: bool
    ) -> tuple[Frames, Lengths, LayerState]:
        frames, rows, _ = x.data.shape
        u = self._product(x.data).reshape(frames, rows, 3, self.hidden)
        candidate = u[:, :, 0]
        if "candidate_bias" in self._vectors:
            candidate = candidate + self._vectors["candidate_bias"]
        u1 = u[:, :, 1] + self._vectors["bias"][0]
        u2 = u[:, :, 2] + self._vectors["bias"][1]
        first = state["c"]
        if self._v is None:
            f = self._sigmoid(u1)
            cells, c = self._pool(f, (_ONE - f) * candidate, first, lengths)
        else:
            cells = np.empty_like(candidate)
            c = first
            for t in range(frames):
                f = self._sigmoid(u1[t] + self._v[0] * c)
                new = on_grid(f * c + (_ONE - f) * candidate[t], self._cell)
                c = keep_ended(new, c, t, lengths)
                cells[t] = c
            # The output gate reads the cell before the frame; nothing of it is fed back.
            u2 = u2 + self._v[1] * np.concatenate([first[None], cells])[:frames]
        r = self._sigmoid(u2)
        g = self._tanh(cells) if self._with_tanh else cells
        skip = x.values() if self._skip is None else self._skip(x.data)
        h = r * g + (_ONE - r) * (self._scale_x * skip)
        return self._output(h, lengths), lengths, {"c": c}


class Lstm(ReferenceLayer):
    """LSTM with optional peepholes; with proj the residual LSTM: ``h = o * (W_p tanh(c) + x)``."""

    def __init__(self, layer: Layer, inputs: int, hidden: int, grid: Signal | None) -> None:
        super().__init__(layer, inputs, hidden, grid)
        matrices = layer.matrices
        self._product = Product(matrices["in"], grid)
        self._recurrent = Product(matrices["rec"], self.output_grid)
        self._peepholes = layer.vectors.get("peepholes")
        self._residual = layer.kind == "residual_lstm"
        self._proj = Product(matrices["proj"], self._gate) if self._residual else None
        self._skip = Product(matrices["skip"], grid) if "skip" in matrices else None
        self._context: Product | None = None

    def join_context(self, matrix: Matrix, grid: Signal | None) -> None:
        """Also read what the words' layers hold, ``context`` of the state: codes or values of ``grid``."""
        self._context = Product(matrix, grid)

    def initial_state(self, rows: int) -> LayerState:
        zeros = np.zeros((rows, self.hidden), np.float32)
        return {"c": zeros, "h": zeros.copy()}

    def __call__(
        self, x: Frames, lengths: Lengths, state: LayerState, finish: bool
    ) -> tuple[Frames, Lengths, LayerState]:
        frames, rows, _ = x.data.shape
        u = self._product(x.data) + self._vectors["bias"]
        if self._context is not None:
            u = u + self._context(state["context"])
        skip = x.values() if self._skip is None else self._skip(x.data)
        c, h = state["c"], state["h"]
        outputs = np.zeros((frames, rows, self.hidden), np.float32)
        for t in range(frames):
            pre = (u[t] + self._recurrent(h)).reshape(rows, 4, self.hidden)
            new_c, new_h = self._step(pre, c, skip[t] if self._residual else None)
            c = keep_ended(new_c, c, t, lengths)
            h = keep_ended(new_h, h, t, lengths)
            outputs[t] = keep_ended(h, np.zeros_like(h), t, lengths)
        return Frames(outputs, self.output_grid), lengths, {"c": c, "h": h}

    def _step(self, pre: FloatArray, c: FloatArray, skip: FloatArray | None) -> tuple[FloatArray, FloatArray]:
        """New cell, and output (codes if the layer's output is on a grid), of ``pre [B, 4, H]``."""
        p = self._peepholes
        i = self._sigmoid(pre[:, 0] if p is None else pre[:, 0] + p[0] * c)
        f = self._sigmoid(pre[:, 1] if p is None else pre[:, 1] + p[1] * c)
        g = self._tanh(pre[:, 2])
        c = on_grid(f * c + i * g, self._cell)
        o = self._sigmoid(pre[:, 3] if p is None else pre[:, 3] + p[2] * c)
        if self._proj is None:
            h = o * self._tanh(c)
        else:
            assert skip is not None
            h = o * (self._proj(to_grid(tanh(c), self._gate).data) + skip)
        return c, to_grid(h, self.output_grid).data


class Qrnn(ReferenceLayer):
    """``z = tanh(u0)``, ``c = f*c' + (1-f)*z`` (fo) or ``f*c' + i*z`` (ifo), ``h = o*c``."""

    def __init__(self, layer: Layer, inputs: int, hidden: int, grid: Signal | None) -> None:
        super().__init__(layer, inputs, hidden, grid)
        self._product = Product(layer.matrices["in"], grid)
        self._past = int(layer.options["window"]) - 1
        self._parts = layer.matrices["in"].codes.shape[0] // hidden

    def initial_state(self, rows: int) -> LayerState:
        return super().initial_state(rows) | {"past": np.zeros((self._past, rows, self.inputs), np.float32)}

    def __call__(
        self, x: Frames, lengths: Lengths, state: LayerState, finish: bool
    ) -> tuple[Frames, Lengths, LayerState]:
        frames, rows, _ = x.data.shape
        windows, past = self._windows(x, lengths, state)
        u = (self._product(windows) + self._vectors["bias"]).reshape(frames, rows, self._parts, self.hidden)
        z, f, o = self._tanh(u[:, :, 0]), self._sigmoid(u[:, :, 1]), self._sigmoid(u[:, :, 2])
        i = self._sigmoid(u[:, :, 3]) if self._parts == 4 else _ONE - f
        cells, c = self._pool(f, i * z, state["c"], lengths)
        return self._output(o * cells, lengths), lengths, {"c": c, "past": past}

    def _windows(self, x: Frames, lengths: Lengths, state: LayerState) -> tuple[FloatArray, FloatArray]:
        """Every frame behind its past ones, ``[T, B, window * D]``, and the past of the next call."""
        joined = np.concatenate([state["past"], x.data])
        frames = [joined[k : k + len(x.data)] for k in range(self._past + 1)]
        return np.concatenate(frames, axis=2), last_frames(joined, lengths, self._past)


class Isru(ReferenceLayer):
    """Depthwise convolution v of x, then ``c = f*c' + i*u0``, ``h = o*tanh(c) (+ (1-o)*x if widths agree)``.

    The state holds the last ``taps_left + taps_right`` inputs and how many of them still wait for their
    look-ahead.
    """

    def __init__(self, layer: Layer, inputs: int, hidden: int, grid: Signal | None) -> None:
        super().__init__(layer, inputs, hidden, grid)
        self._left, self._right = int(layer.options["taps_left"]), int(layer.options["taps_right"])
        self._conv = DepthwiseProduct(layer.matrices["conv"], grid)
        self._conv_grid = layer.signals.get("conv")
        self._product = Product(layer.matrices["in"], self._conv_grid)

    def initial_state(self, rows: int) -> LayerState:
        past = np.zeros((self._left + self._right, rows, self.inputs), np.float32)
        return super().initial_state(rows) | {"past": past, "waiting": np.zeros(rows, np.int64)}

    def __call__(
        self, x: Frames, lengths: Lengths, state: LayerState, finish: bool
    ) -> tuple[Frames, Lengths, LayerState]:
        span, ready, after = self._span(x, lengths, state, finish)
        frames = len(span) - self._left - self._right
        v = to_grid(self._conv(span) + self._vectors["conv_bias"], self._conv_grid)
        u = (self._product(v.data) + self._vectors["bias"]).reshape(frames, len(lengths), 4, self.hidden)
        f, o, i = (self._sigmoid(u[:, :, k]) for k in (1, 2, 3))
        cells, c = self._pool(f, i * u[:, :, 0], state["c"], ready)
        h = o * self._tanh(cells)
        if self.inputs == self.hidden:
            centre = Frames(span[self._left : self._left + frames], x.grid)
            h = h + (_ONE - o) * centre.values()
        return self._output(h, ready), ready, after | {"c": c}

    def _span(
        self, x: Frames, lengths: Lengths, state: LayerState, finish: bool
    ) -> tuple[FloatArray, Lengths, LayerState]:
        """Frames ``[T' + taps - 1, B, D]`` under the taps of the T' outputs, their lengths, the new state."""
        data = x.data
        if finish:
            data = np.concatenate([data, np.zeros((self._right, *data.shape[1:]), np.float32)])
            lengths = lengths + self._right
        joined = np.concatenate([state["past"], data])
        past = last_frames(joined, lengths, self._left + self._right)
        # The first output of a row is its oldest waiting frame; a fresh row first fills the look-ahead.
        skipped = self._right - state["waiting"]
        ready = np.maximum(lengths - skipped, 0)
        waiting = state["waiting"] + lengths - ready
        frames = int(ready.max(initial=0))
        index = np.arange(frames + self._left + self._right)[:, None] + skipped[None, :]
        span = joined[np.minimum(index, len(joined) - 1), np.arange(len(lengths))[None, :]]
        return span, ready, {"past": past, "waiting": waiting}


LAYERS: dict[str, type[ReferenceLayer]] = {
    "linear": Linear,
    "sru": Sru,
    "lstm": Lstm,
    "residual_lstm": Lstm,
    "qrnn": Qrnn,
    "isru": Isru,
}
