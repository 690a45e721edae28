"""Networks of a given shape with random weights, whose signals stay where those of trained networks are.

Speed does not depend on what the weights are, but it might on signals that run into the ends of their grids.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from speechq.config import FeatureConfig
from speechq.quant.rounding import qmax_of
from speechq.runtime.graph import Layer, Matrix, Model, Signal
from speechq.text.units import BLANK, Units

Cell = Literal["sru", "lstm", "qrnn"]
FloatArray = NDArray[np.float32]

CELLS: tuple[Cell, ...] = ("sru", "lstm", "qrnn")
QRNN_WINDOW = 2
FLOAT_BITS = 32
CODED_BITS = 1  # ternary weights of which two of eight at most are not zero
CODED_GROUPS = (8, 2)

_SIGNAL_BITS = 8
_MELS, _STACK = range(8, 129), range(1, 17)  # the widths that a model's features may have
_INPUT_PEAK = 3.0  # of inputs with variance 1
_OUTPUT_PEAK = {"sru": 3.0, "lstm": 1.0, "qrnn": 2.0}
# The smallest output layer that there is: the recurrent layers are what is measured.
_UNITS = Units("characters", (BLANK, "a"))


@dataclass(frozen=True)
class Shape:
    """``layers`` layers of ``hidden`` units of one kind."""

    cell: Cell
    layers: int
    hidden: int

    @property
    def inputs(self) -> int:
        """Values per frame: as many as units, or as many as features can have (at most 2048)."""
        return max(
            mels * stack for mels in _MELS for stack in _STACK if mels * stack <= max(self.hidden, _MELS[0])
        )

    @property
    def matrices(self) -> tuple[dict[str, tuple[int, int]], ...]:
        """Rows and columns of the weight matrices of each layer, as runtime.graph.Layer names them."""
        return tuple(
            _matrices(self.cell, self.inputs if k == 0 else self.hidden, self.hidden)
            for k in range(self.layers)
        )

    @property
    def weights(self) -> int:
        """Weights of the recurrent layers, which is also their multiply-adds per frame."""
        return sum(rows * columns for layer in self.matrices for rows, columns in layer.values())


def _matrices(cell: Cell, inputs: int, hidden: int) -> dict[str, tuple[int, int]]:
    if cell == "lstm":
        return {"in": (4 * hidden, inputs), "rec": (4 * hidden, hidden)}
    if cell == "qrnn":
        return {"in": (3 * hidden, QRNN_WINDOW * inputs)}
    skip = {} if inputs == hidden else {"skip": (hidden, inputs)}
    return {"in": (3 * hidden, inputs)} | skip


def _features(width: int) -> FeatureConfig:
    stack = next(stack for stack in _STACK if width % stack == 0 and width // stack in _MELS)
    return FeatureConfig(mels=width // stack, stack=stack, stride=3)


def _matrix(rng: np.random.Generator, rows: int, columns: int, bits: int) -> Matrix:
    """Weights of variance ``1 / columns``: inputs of variance 1 give sums of variance 1."""
    if bits == FLOAT_BITS:
        values = rng.standard_normal((rows, columns), np.float32)
        values *= np.float32(1 / math.sqrt(columns))
        return Matrix(bits, values, np.zeros(0, np.float32))
    if bits == CODED_BITS:
        return _coded_matrix(rng, rows, columns)
    qmax = qmax_of(bits)
    codes = rng.integers(-qmax, qmax, (rows, columns), np.int8, endpoint=True)
    power = qmax * (qmax + 1) / 3  # of codes that are all equally frequent
    steps = rng.uniform(0.8, 1.2, rows) / math.sqrt(columns * power)
    return Matrix(bits, codes, steps.astype(np.float32))


def _coded_matrix(rng: np.random.Generator, rows: int, columns: int) -> Matrix:
    """Ternary weights with as many non-zeros in every group as it may have."""
    group, kept = CODED_GROUPS
    shape = (rows, -(-columns // group), 1)
    first = rng.integers(0, group, shape)
    second = (first + rng.integers(1, group, shape)) % group
    codes = np.zeros((*shape[:2], group), np.int8)
    for places in (first, second):
        np.put_along_axis(codes, places, 2 * rng.integers(0, 2, shape, np.int8) - 1, axis=-1)
    codes = np.ascontiguousarray(codes.reshape(rows, -1)[:, :columns])
    steps = rng.uniform(0.8, 1.2, rows) / math.sqrt(columns * kept / group)
    return Matrix(2, codes, steps.astype(np.float32), CODED_GROUPS)


def _scheme(bits: int) -> str:
    if bits == FLOAT_BITS:
        return "float"
    return f"w{2 if bits == CODED_BITS else bits}a{_SIGNAL_BITS}"


def _layer(
    rng: np.random.Generator, cell: Cell, shapes: dict[str, tuple[int, int]], hidden: int, bits: int
) -> Layer:
    matrices = {name: _matrix(rng, rows, columns, bits) for name, (rows, columns) in shapes.items()}

    def vector(*shape: int) -> FloatArray:
        return rng.normal(0, 0.3, shape).astype(np.float32)

    signals = {} if bits == FLOAT_BITS else {"h": _grid(_OUTPUT_PEAK[cell])}
    options: dict[str, Any] = {}
    vectors: dict[str, FloatArray]
    if cell == "sru":
        options = {"variant": 2, "tanh": False, "scale_x": 1.0}
        vectors = {"bias": vector(2, hidden), "v": vector(2, hidden)}
    elif cell == "lstm":
        vectors = {"bias": vector(4 * hidden)}
    else:
        options = {"window": QRNN_WINDOW}
        vectors = {"bias": vector(3 * hidden)}
    return Layer(cell, options, matrices, vectors, signals)


def _grid(peak: float) -> Signal:
    return Signal(_SIGNAL_BITS, float(np.float32(peak / qmax_of(_SIGNAL_BITS))))


def synthetic_model(shape: Shape, bits: int, seed: int = 0) -> Model:
    """A network with weights of ``bits`` bits and 8-bit signals (``w<bits>a8``), or with 32 bits a float one.

    1 bit (``CODED_BITS``) are ternary weights in groups.

    Behind the recurrent layers stands a linear layer with two outputs, since every model ends in one.
    """
    rng = np.random.default_rng(seed)
    layers = [_layer(rng, shape.cell, matrices, shape.hidden, bits) for matrices in shape.matrices]
    output = {"in": _matrix(rng, len(_UNITS), shape.hidden, bits)}
    layers.append(Layer("linear", {}, output, {"bias": np.zeros(len(_UNITS), np.float32)}))
    features = _features(shape.inputs)
    return Model(
        units=_UNITS,
        features=features,
        mean=np.zeros(features.base_dim, np.float32),
        scale=np.ones(features.base_dim, np.float32),
        layers=tuple(layers),
        feat=None if bits == FLOAT_BITS else _grid(_INPUT_PEAK),
        scheme=_scheme(bits),
        provenance={"seed": seed},
        card="Random weights, for measuring speed.",
    )


def synthetic_frames(shape: Shape, frames: int, seed: int = 1) -> FloatArray:
    """Normalized network frames ``[frames, shape.inputs]``."""
    return np.random.default_rng(seed).standard_normal((frames, shape.inputs), np.float32)


def synthetic_language_model(
    cell: Cell, layers: int, hidden: int, bits: int, units: Units, seed: int = 0
) -> Model:
    """A character language model over the units of an acoustic model, as :func:`synthetic_model` is made."""
    rng = np.random.default_rng(seed)
    widths = [len(units), *[hidden] * layers]
    stack = [_layer(rng, cell, _matrices(cell, width, hidden), hidden, bits) for width in widths[:-1]]
    output = {"in": _matrix(rng, len(units), hidden, bits)}
    stack.append(Layer("linear", {}, output, {"bias": np.zeros(len(units), np.float32)}))
    return Model(
        units=units.with_end(),
        features=None,
        mean=np.zeros(0, np.float32),
        scale=np.zeros(0, np.float32),
        layers=tuple(stack),
        feat=None,
        scheme=_scheme(bits),
        provenance={"seed": seed},
        card="Random weights, for measuring speed.",
    )
