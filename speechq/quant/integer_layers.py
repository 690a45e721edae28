"""What each kind of layer computes in ``integer`` mode: integers up to the logits (docs/fixed-point.md).

Signals between layers are codes held in float32, as in hybrid mode; everything inside a layer is int64 here
and fits the widths that docs/fixed-point.md names.
"""

from __future__ import annotations

import numpy as np

from speechq.errors import ModelError
from speechq.quant.gates import sigmoid, tanh
from speechq.quant.integer import (
    INDEX_BITS,
    PRE_LIMIT,
    Q12,
    VALUE_LIMIT,
    GateTable,
    IntArray,
    Mixer,
    Requantizer,
    q12,
)
from speechq.quant.products import FloatArray, Frames, Product
from speechq.quant.reference_layers import Isru, LayerState, Lengths, Linear, Qrnn, ReferenceLayer, keep_ended
from speechq.quant.rounding import qmax_of
from speechq.runtime.graph import Layer, Matrix, Model, Signal


def check_integer(model: Model) -> None:
    """Raise ModelError, naming the layer, for a model that integer mode cannot run."""
    if model.input_grid is None:
        raise ModelError("integer mode: the signal feat is float; use a scheme such as w8a8,gate=a8,cell=a16")
    for index, layer in enumerate(model.layers):
        where = f"integer mode: layer {index} ({layer.kind})"
        for name, matrix in layer.matrices.items():
            if matrix.bits == 32:
                raise ModelError(f"{where}: the matrix {name} is float; expected 2 to 8 bits")
        if layer.kind == "linear":
            continue
        needed = ("h", "gate", "cell", *(("conv",) if layer.kind == "isru" else ()))
        for name in needed:
            if name not in layer.signals:
                raise ModelError(f"{where}: the signal {name} is float; use a scheme with gate=a8,cell=a16")
        gate, cell = layer.signals["gate"], layer.signals["cell"]
        if not 8 <= gate.bits <= 10 or abs(gate.step * qmax_of(gate.bits) - 1.0) > 1e-3:
            raise ModelError(
                f"{where}: gates need 8 to 10 bits over ±1, found {gate.bits} bits, step {gate.step}"
            )
        if cell.bits < 16:
            raise ModelError(f"{where}: the cell needs 16 bits, found {cell.bits}")
        grid = model.source_grid(index)
        inputs = {
            "in": layer.signals.get("conv", grid),
            "rec": layer.signals["h"],
            "proj": gate,
        }
        if "context" in layer.matrices:
            inputs["context"] = model.layers[index - 1].signals["h"]
        for name, matrix in layer.matrices.items():
            _check_sums(f"{where}: matrix {name}", matrix, inputs.get(name, grid))


def _check_sums(where: str, matrix: Matrix, grid: Signal | None) -> None:
    assert grid is not None
    bound = int(np.abs(matrix.codes.astype(np.int64)).sum(axis=1).max()) * qmax_of(grid.bits)
    if bound >= 2**31:
        raise ModelError(f"{where}: sums up to {bound} do not fit 32 bits; use fewer signal bits")


class Affine:
    """A matrix product and bias in Q12: exact sum, requantized per row, plus the rounded bias."""

    def __init__(self, matrix: Matrix, grid: Signal | None, bias: FloatArray | None, limit: int) -> None:
        assert grid is not None
        self._product = Product(matrix, grid)
        self._requantize = requantizer(matrix, grid, limit)
        self._bias = None if bias is None else q12(bias)

    def __call__(self, data: FloatArray) -> IntArray:
        y = self._requantize(self._product.sums(data))
        return y if self._bias is None else y + self._bias


def requantizer(matrix: Matrix, grid: Signal, limit: int) -> Requantizer:
    """From sums of codes to Q12, one ratio ``x_step * row_step * 4096`` per row."""
    return Requantizer(matrix.steps.astype(np.float64) * (np.float64(np.float32(grid.step)) * Q12), limit)


class IntegerLayer(ReferenceLayer):
    """Tables, steps and integer cells that all recurrent kinds share."""

    def prepare(self, layer: Layer, grid: Signal | None) -> None:
        """Tables and steps; called once, behind the constructor of the hybrid layer."""
        signals = layer.signals
        assert grid is not None
        self._x_step = float(np.float32(grid.step))
        self._h_step, self._c_step, self._g_step = (
            float(np.float32(signals[role].step)) for role in ("h", "cell", "gate")
        )
        self._h_max, self._c_max = qmax_of(signals["h"].bits), qmax_of(signals["cell"].bits)
        self._one = qmax_of(signals["gate"].bits)
        self._sigmoid_table = GateTable(sigmoid, signals["gate"])
        self._tanh_table = GateTable(tanh, signals["gate"])
        self._cell_index = Requantizer(self._c_step * 2.0**INDEX_BITS, PRE_LIMIT)

    def initial_state(self, rows: int) -> LayerState:
        return super().initial_state(rows) | {"c": np.zeros((rows, self.hidden), np.int64)}

    def _tanh_of_cell(self, c: IntArray) -> IntArray:
        return self._tanh_table.of_index(self._cell_index(c))

    def _pool_codes(
        self, mix: Mixer, forget: IntArray, update: IntArray, c: IntArray, lengths: Lengths
    ) -> tuple[IntArray, IntArray]:
        """``c = mix(f * c', update)`` over ``[T, B, H]``: all cells, and those at each row's end."""
        cells = np.empty_like(update)
        for t in range(len(update)):
            c = keep_ended(mix(forget[t] * c, update[t]), c, t, lengths)
            cells[t] = c
        return cells, c

    def _codes_out(self, h: IntArray, lengths: Lengths) -> Frames:
        valid = np.arange(h.shape[0])[:, None] < lengths[None, :]
        return Frames(np.where(valid[:, :, None], h, 0).astype(np.float32), self.output_grid)


class IntegerSru(IntegerLayer):
    """SRU: ``c = f*c' + (1-f)*u0``, ``h = r*g(c) + (1-r)*(scale_x*x)``, each with one rounding."""

    def __init__(self, layer: Layer, inputs: int, hidden: int, grid: Signal | None) -> None:
        super().__init__(layer, inputs, hidden, grid)
        self.prepare(layer, grid)
        vectors = layer.vectors
        candidate = vectors.get("candidate_bias", np.zeros(hidden, np.float32))
        bias = np.concatenate([candidate, vectors["bias"][0], vectors["bias"][1]])
        self._affine = Affine(layer.matrices["in"], grid, bias, PRE_LIMIT)
        skip = layer.matrices.get("skip")
        self._skip_affine = None if skip is None else Affine(skip, grid, None, VALUE_LIMIT)
        self._v = None
        if "v" in vectors:
            self._v = [
                Requantizer(row.astype(np.float64) * self._c_step * Q12, PRE_LIMIT) for row in vectors["v"]
            ]
        self._with_tanh = bool(layer.options["tanh"])
        g = self._g_step
        self._mix_cell = Mixer([g, g / Q12 / self._c_step], self._c_max)
        skip_step = self._x_step if skip is None else 1.0 / Q12
        scale_x = float(np.float32(layer.options["scale_x"]))
        inner = g if self._with_tanh else self._c_step
        self._mix_output = Mixer(
            [g * inner / self._h_step, g * scale_x * skip_step / self._h_step], self._h_max
        )

    def __call__(
        self, x: Frames, lengths: Lengths, state: LayerState, finish: bool
    ) -> tuple[Frames, Lengths, LayerState]:
        frames, rows, _ = x.data.shape
        u = self._affine(x.data).reshape(frames, rows, 3, self.hidden)
        u0 = np.clip(u[:, :, 0], -VALUE_LIMIT, VALUE_LIMIT)
        first = state["c"]
        pre = u[:, :, 2]
        if self._v is None:
            f = self._sigmoid_table.of_pre(u[:, :, 1])
            cells, c = self._pool_codes(self._mix_cell, f, (self._one - f) * u0, first, lengths)
        else:
            c, cells = first, np.empty_like(u0)
            for t in range(frames):
                gate = self._sigmoid_table.of_pre(u[t, :, 1] + self._v[0](c))
                new = self._mix_cell(gate * c, (self._one - gate) * u0[t])
                c = keep_ended(new, c, t, lengths)
                cells[t] = c
            pre = pre + self._v[1](np.concatenate([first[None], cells])[:frames])
        r = self._sigmoid_table.of_pre(pre)
        inner = self._tanh_of_cell(cells) if self._with_tanh else cells
        skip = x.data.astype(np.int64) if self._skip_affine is None else self._skip_affine(x.data)
        h = self._mix_output(r * inner, (self._one - r) * skip)
        return self._codes_out(h, lengths), lengths, {"c": c}


class IntegerLstm(IntegerLayer):
    """LSTM with optional peepholes, and the residual LSTM."""

    def __init__(self, layer: Layer, inputs: int, hidden: int, grid: Signal | None) -> None:
        super().__init__(layer, inputs, hidden, grid)
        self.prepare(layer, grid)
        matrices = layer.matrices
        self._affine = Affine(matrices["in"], grid, layer.vectors["bias"], PRE_LIMIT)
        self._recurrent = Affine(matrices["rec"], self.output_grid, None, PRE_LIMIT)
        self._peepholes = None
        if "peepholes" in layer.vectors:
            scale = self._c_step * Q12
            rows = layer.vectors["peepholes"].astype(np.float64)
            self._peepholes = [Requantizer(row * scale, PRE_LIMIT) for row in rows]
        g = self._g_step
        self._mix_cell = Mixer([g, g * g / self._c_step], self._c_max)
        self._residual = layer.kind == "residual_lstm"
        if self._residual:
            self._proj = Affine(matrices["proj"], layer.signals["gate"], None, VALUE_LIMIT)
            skip = matrices.get("skip")
            self._skip_affine = None if skip is None else Affine(skip, grid, None, VALUE_LIMIT)
            self._x_value = Requantizer(self._x_step * Q12, VALUE_LIMIT)
        inner = 1.0 / Q12 if self._residual else g
        self._mix_output = Mixer([g * inner / self._h_step], self._h_max)
        self._context: Affine | None = None

    def join_context(self, matrix: Matrix, grid: Signal | None) -> None:
        """Also read what the words' layers hold, ``context`` of the state: codes of ``grid``."""
        self._context = Affine(matrix, grid, None, PRE_LIMIT)

    def initial_state(self, rows: int) -> LayerState:
        return super().initial_state(rows) | {"h": np.zeros((rows, self.hidden), np.int64)}

    def _skip_values(self, data: FloatArray) -> IntArray | None:
        if not self._residual:
            return None
        if self._skip_affine is not None:
            return self._skip_affine(data)
        return self._x_value(data.astype(np.int64))

    def __call__(
        self, x: Frames, lengths: Lengths, state: LayerState, finish: bool
    ) -> tuple[Frames, Lengths, LayerState]:
        frames, rows, _ = x.data.shape
        u = self._affine(x.data)
        if self._context is not None:
            u = np.clip(u + self._context(state["context"]), -2 * PRE_LIMIT, 2 * PRE_LIMIT)
        skip = self._skip_values(x.data)
        c, h = state["c"], state["h"]
        outputs = np.zeros((frames, rows, self.hidden), np.int64)
        for t in range(frames):
            pre = (u[t] + self._recurrent(h.astype(np.float32))).reshape(rows, 4, self.hidden)
            new_c, o = self._gates(pre, c)
            inner = self._tanh_of_cell(new_c)
            if skip is not None:
                inner = self._proj(inner.astype(np.float32)) + skip[t]
                inner = np.clip(inner, -VALUE_LIMIT, VALUE_LIMIT)
            c = keep_ended(new_c, c, t, lengths)
            h = keep_ended(self._mix_output(o * inner), h, t, lengths)
            outputs[t] = h
        return self._codes_out(outputs, lengths), lengths, {"c": c, "h": h}

    def _gates(self, pre: IntArray, c: IntArray) -> tuple[IntArray, IntArray]:
        """New cell and output gate of ``pre [B, 4, H]``."""
        p = self._peepholes
        sigmoid_of = self._sigmoid_table.of_pre
        i = sigmoid_of(pre[:, 0] if p is None else pre[:, 0] + p[0](c))
        f = sigmoid_of(pre[:, 1] if p is None else pre[:, 1] + p[1](c))
        c = self._mix_cell(f * c, i * self._tanh_table.of_pre(pre[:, 2]))
        return c, sigmoid_of(pre[:, 3] if p is None else pre[:, 3] + p[2](c))


class IntegerQrnn(IntegerLayer, Qrnn):
    """QRNN: ``c = f*c' + (1-f)*z`` or ``f*c' + i*z``, ``h = o*c``."""

    def __init__(self, layer: Layer, inputs: int, hidden: int, grid: Signal | None) -> None:
        super().__init__(layer, inputs, hidden, grid)
        self.prepare(layer, grid)
        self._affine = Affine(layer.matrices["in"], grid, layer.vectors["bias"], PRE_LIMIT)
        g = self._g_step
        self._mix_cell = Mixer([g, g * g / self._c_step], self._c_max)
        self._mix_output = Mixer([g * self._c_step / self._h_step], self._h_max)

    def __call__(
        self, x: Frames, lengths: Lengths, state: LayerState, finish: bool
    ) -> tuple[Frames, Lengths, LayerState]:
        frames, rows, _ = x.data.shape
        windows, past = self._windows(x, lengths, state)
        u = self._affine(windows).reshape(frames, rows, self._parts, self.hidden)
        z = self._tanh_table.of_pre(u[:, :, 0])
        f, o = (self._sigmoid_table.of_pre(u[:, :, k]) for k in (1, 2))
        i = self._sigmoid_table.of_pre(u[:, :, 3]) if self._parts == 4 else self._one - f
        cells, c = self._pool_codes(self._mix_cell, f, i * z, state["c"], lengths)
        h = self._mix_output(o * cells)
        return self._codes_out(h, lengths), lengths, {"c": c, "past": past}


class IntegerIsru(IntegerLayer, Isru):
    """i-SRU: convolution onto its grid, ``c = f*c' + i*u0``, ``h = o*tanh(c) (+ (1-o)*x)``."""

    def __init__(self, layer: Layer, inputs: int, hidden: int, grid: Signal | None) -> None:
        super().__init__(layer, inputs, hidden, grid)
        self.prepare(layer, grid)
        conv = layer.signals["conv"]
        assert grid is not None
        self._conv_requantize = requantizer(layer.matrices["conv"], grid, PRE_LIMIT)
        self._conv_bias = q12(layer.vectors["conv_bias"])
        self._conv_code = Requantizer(1.0 / Q12 / float(np.float32(conv.step)), qmax_of(conv.bits))
        self._affine = Affine(layer.matrices["in"], conv, layer.vectors["bias"], PRE_LIMIT)
        g = self._g_step
        self._mix_cell = Mixer([g, g / Q12 / self._c_step], self._c_max)
        highway = [g * self._x_step / self._h_step] if inputs == hidden else []
        self._mix_output = Mixer([g * g / self._h_step, *highway], self._h_max)

    def __call__(
        self, x: Frames, lengths: Lengths, state: LayerState, finish: bool
    ) -> tuple[Frames, Lengths, LayerState]:
        span, ready, after = self._span(x, lengths, state, finish)
        frames = len(span) - self._left - self._right
        v = self._conv_code(self._conv_requantize(self._conv.sums(span)) + self._conv_bias)
        u = self._affine(v.astype(np.float32)).reshape(frames, len(lengths), 4, self.hidden)
        u0 = np.clip(u[:, :, 0], -VALUE_LIMIT, VALUE_LIMIT)
        f, o, i = (self._sigmoid_table.of_pre(u[:, :, k]) for k in (1, 2, 3))
        cells, c = self._pool_codes(self._mix_cell, f, i * u0, state["c"], ready)
        terms = [o * self._tanh_of_cell(cells)]
        if self.inputs == self.hidden:
            terms.append((self._one - o) * span[self._left : self._left + frames].astype(np.int64))
        return self._codes_out(self._mix_output(*terms), ready), ready, after | {"c": c}


INTEGER_LAYERS: dict[str, type[ReferenceLayer]] = {
    "linear": Linear,
    "sru": IntegerSru,
    "lstm": IntegerLstm,
    "residual_lstm": IntegerLstm,
    "qrnn": IntegerQrnn,
    "isru": IntegerIsru,
}
