"""Small random packed models for the tests of packing, the model file, the reference and the engine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from speechq.config import FeatureConfig
from speechq.quant.rounding import code, qmax_of
from speechq.runtime.graph import CONTEXT_LAYER, Hierarchy, Layer, Matrix, Model, Signal
from speechq.text.units import Units

FEATURES = FeatureConfig(mels=8, stack=2, stride=3)
CELLS = ("sru", "lstm", "residual_lstm", "qrnn", "isru")


def random_matrix(
    rng: np.random.Generator,
    rows: int,
    columns: int,
    bits: int | None,
    *,
    per_row: bool = True,
    gain: float = 1.5,
) -> Matrix:
    """Gaussian weights on a grid that reaches to 2.5 sigma, or float32 where ``bits`` is None."""
    dense = rng.normal(0, gain / np.sqrt(columns), (rows, columns)).astype(np.float32)
    if bits is None:
        return Matrix(32, dense, np.zeros(0, np.float32))
    spread = dense.std(axis=1 if per_row else None, keepdims=True).reshape(-1) + np.float32(1e-6)
    steps = (spread * np.float32(2.5 / (qmax_of(bits) + 1))).astype(np.float32)
    return Matrix(bits, code(dense, steps[:, None], qmax_of(bits)).astype(np.int8), steps)


def random_layer(
    rng: np.random.Generator,
    kind: str,
    inputs: int,
    hidden: int,
    bits: int | None,
    signals: dict[str, Signal],
    **options: Any,
) -> Layer:
    """A layer with random weights; ``options`` as in the graph, and pooling, peepholes, per_row."""
    per_row = options.pop("per_row", True)
    pooling = options.pop("pooling", "fo")
    peepholes = options.pop("peepholes", True)

    def matrix(rows: int, columns: int) -> Matrix:
        return random_matrix(rng, rows, columns, bits, per_row=per_row)

    def vector(*shape: int) -> NDArray[np.float32]:
        return rng.normal(0, 0.5, shape).astype(np.float32)

    skip = {} if inputs == hidden else {"skip": matrix(hidden, inputs)}
    if kind == "sru":
        options = {"variant": 2, "tanh": False, "scale_x": 1.25} | options
        vectors = {"bias": vector(2, hidden)}
        if options["variant"] == 2:
            vectors["v"] = vector(2, hidden)
        return Layer(kind, options, {"in": matrix(3 * hidden, inputs)} | skip, vectors, signals)
    if kind == "qrnn":
        options = {"window": 2} | options
        gates = 4 if pooling == "ifo" else 3
        matrices = {"in": matrix(gates * hidden, inputs * options["window"])}
        return Layer(kind, options, matrices, {"bias": vector(gates * hidden)}, signals)
    if kind == "isru":
        options = {"taps_left": 3, "taps_right": 0} | options
        matrices = {"conv": matrix(inputs, options["taps_left"] + 1 + options["taps_right"])}
        matrices["in"] = matrix(4 * hidden, inputs)
        return Layer(
            kind, options, matrices, {"conv_bias": vector(inputs), "bias": vector(4 * hidden)}, signals
        )
    matrices = {"in": matrix(4 * hidden, inputs), "rec": matrix(4 * hidden, hidden)}
    vectors = {"bias": vector(4 * hidden)}
    if peepholes:
        vectors["peepholes"] = vector(3, hidden)
    if kind == "residual_lstm":
        matrices |= {"proj": matrix(hidden, hidden)} | skip
    return Layer(kind, options, matrices, vectors, signals)


def random_model(
    kind: str = "sru",
    *,
    bits: int | None = 6,
    signal_bits: int | None = 8,
    gate_bits: int | None = None,
    cell_bits: int | None = None,
    layers: int = 2,
    hidden: int = 12,
    seed: int = 0,
    features: FeatureConfig | None = FEATURES,
    units: Units | None = None,
    hierarchy: Literal["a", "b"] | None = None,
    **options: Any,
) -> Model:
    """A model of ``layers`` layers of one kind with signals on the grids asked for.

    ``features`` None: a language model. With ``hierarchy`` its four layers have grids of their own, and its
    clock ticks at the symbols 0 and 1.
    """
    rng = np.random.default_rng(seed)
    units = units or Units.characters(" 'ABC")
    units = units if features is not None else units.with_end()
    ranges = {"h": (signal_bits, 1.5), "gate": (gate_bits, 1.0), "cell": (cell_bits, 6.0)}
    if kind == "isru":
        ranges["conv"] = (signal_bits, 4.0)

    def grid(signal: int, peak: float) -> Signal:
        return Signal(signal, float(np.float32(peak / qmax_of(signal))))

    signals = {name: grid(n, peak) for name, (n, peak) in ranges.items() if n is not None}
    width, stack = len(units) if features is None else features.dim, []
    for index in range(layers):
        if hierarchy is not None and signal_bits is not None:
            signals = signals | {"h": grid(signal_bits, 1.5 - 0.2 * index)}
        top = hierarchy is not None and index == CONTEXT_LAYER
        width = len(units) if top and hierarchy == "a" else width
        layer = random_layer(rng, kind, width, hidden, bits, dict(signals), **options)
        if top:
            layer.matrices["context"] = random_matrix(
                rng, 4 * hidden, hidden, bits, per_row=options.get("per_row", True)
            )
        stack.append(layer)
        width = hidden
    out = {"in": random_matrix(rng, len(units), width, bits, gain=4.0)}
    stack.append(Layer("linear", {}, out, {"bias": rng.normal(0, 0.5, len(units)).astype(np.float32)}))
    return Model(
        units=units,
        features=features,
        mean=rng.normal(0, 1, features.base_dim if features else 0).astype(np.float32),
        scale=rng.uniform(0.5, 2, features.base_dim if features else 0).astype(np.float32),
        layers=tuple(stack),
        feat=None if signal_bits is None or features is None else grid(signal_bits, 3.0),
        scheme="float" if bits is None else f"w{bits}a{signal_bits or 32}",
        provenance={"recipe": "test", "seed": seed},
        card="A random network.",
        hierarchy=None if hierarchy is None else Hierarchy(hierarchy, (0, 1)),
    )


def in_groups(model: Model, group: int = 8, kept: int = 2, fill: float = 1.0) -> Model:
    """``model`` with its ternary matrices in groups: only the first codes of each stay, a share ``fill`` of
    them."""

    def grouped(matrix: Matrix) -> Matrix:
        if matrix.bits != 2:
            return matrix
        codes = np.pad(matrix.codes, ((0, 0), (0, -matrix.codes.shape[1] % group)))
        used = np.random.default_rng(codes.size).random(codes.shape) < fill
        parts = (codes * used).astype(np.int8).reshape(len(codes), -1, group)
        parts = np.where(np.cumsum(parts != 0, axis=-1) <= kept, parts, np.int8(0))
        codes = parts.reshape(codes.shape)[:, : matrix.codes.shape[1]]
        return replace(matrix, codes=np.ascontiguousarray(codes), groups=(group, kept))

    layers = (
        replace(layer, matrices={name: grouped(matrix) for name, matrix in layer.matrices.items()})
        for layer in model.layers
    )
    return replace(model, layers=tuple(layers))


def without_groups(model: Model) -> Model:
    """The same weights, each with a code of its own."""
    layers = (
        replace(layer, matrices={n: replace(m, groups=None) for n, m in layer.matrices.items()})
        for layer in model.layers
    )
    return replace(model, layers=tuple(layers))


def random_symbols(model: Model, *lengths: int, seed: int = 1) -> list[NDArray[np.int64]]:
    """The input of a language model, one array ``[length]`` per length."""
    rng = np.random.default_rng(seed)
    return [rng.integers(0, len(model.units), length) for length in lengths]


def random_features(model: Model, *lengths: int, seed: int = 1) -> list[NDArray[np.float32]]:
    """Normalized network frames, one array ``[length, dim]`` per length."""
    rng = np.random.default_rng(seed)
    return [rng.normal(0, 1, (length, model.features.dim)).astype(np.float32) for length in lengths]
