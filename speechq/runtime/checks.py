"""Whether a model is complete and its parts fit together; for the packer, the loader and the engines."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from speechq.config import FeatureConfig
from speechq.errors import ModelError
from speechq.runtime.graph import CONTEXT_LAYER, Hierarchy, Layer, Matrix, Model, Signal
from speechq.runtime.group_code import code_table, obeys
from speechq.text.units import BLANK, END

KINDS = ("sru", "lstm", "residual_lstm", "qrnn", "isru", "linear")
Shapes = dict[str, tuple[int, ...]]

_MOST = float(np.finfo(np.float32).max)
_VECTORS_THAT_MAY_BE_ABSENT = ("candidate_bias", "peepholes")


def _integer(options: dict[str, Any], name: str, low: int, high: int) -> int:
    value = options.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ModelError(f"option {name} is {value!r}: expected an integer from {low} to {high}")
    return value


def window_of(layer: Layer) -> int:
    """Frames side by side in the columns of the input matrix: the window of a qrnn, else 1."""
    return _integer(layer.options, "window", 1, 32) if layer.kind == "qrnn" else 1


def input_width(layer: Layer) -> int:
    """Values per frame that the layer takes."""
    if layer.kind not in KINDS:
        raise ModelError(f"kind {layer.kind!r}: expected one of {', '.join(KINDS)}")
    matrix = layer.matrices.get("in")
    if matrix is None or matrix.codes.ndim != 2 or 0 in matrix.codes.shape:
        raise ModelError("it needs a matrix 'in' with rows and columns")
    columns, window = int(matrix.codes.shape[1]), window_of(layer)
    if columns % window:
        raise ModelError(f"the {columns} columns of 'in' do not hold {window} frames of equal width")
    return columns // window


def output_width(model: Model, index: int) -> int:
    """Values per frame that layer ``index`` gives: what the next one takes, or the number of symbols."""
    layers = model.layers
    if model.hierarchy is not None and index + 1 == CONTEXT_LAYER:
        return int(_context(layers[CONTEXT_LAYER]).codes.shape[-1])
    if index + 1 < len(layers):
        return input_width(layers[index + 1])
    return int(layers[index].matrices["in"].codes.shape[0])


def _context(layer: Layer) -> Matrix:
    if "context" not in layer.matrices:
        raise ModelError("the layer above the words' layers needs a matrix 'context'")
    return layer.matrices["context"]


def _expected(layer: Layer, d: int, h: int) -> tuple[Shapes, Shapes]:
    """Shapes of the matrices and vectors of a layer with ``d`` inputs and ``h`` units."""
    kind, options = layer.kind, layer.options
    skip: Shapes = {} if d == h else {"skip": (h, d)}
    if kind == "linear":
        return {"in": (h, d)}, {"bias": (h,)}
    if kind == "sru":
        vectors: Shapes = {"bias": (2, h), "candidate_bias": (h,)}
        if _integer(options, "variant", 1, 2) == 2:
            vectors["v"] = (2, h)
        if not isinstance(options.get("tanh"), bool):
            raise ModelError(f"option tanh is {options.get('tanh')!r}: expected true or false")
        scale = options.get("scale_x")
        if not isinstance(scale, int | float) or isinstance(scale, bool) or not abs(scale) <= _MOST:
            raise ModelError(f"option scale_x is {scale!r}: expected a float32 number")
        return {"in": (3 * h, d)} | skip, vectors
    if kind == "qrnn":
        rows = layer.matrices["in"].codes.shape[0]
        gates = 4 if rows == 4 * h else 3
        return {"in": (gates * h, d * window_of(layer))}, {"bias": (gates * h,)}
    if kind == "isru":
        taps = _integer(options, "taps_left", 0, 64) + 1 + _integer(options, "taps_right", 0, 64)
        return {"conv": (d, taps), "in": (4 * h, d)}, {"conv_bias": (d,), "bias": (4 * h,)}
    matrices: Shapes = {"in": (4 * h, d), "rec": (4 * h, h)}
    if kind == "residual_lstm":
        matrices |= {"proj": (h, h)} | skip
    return matrices, {"bias": (4 * h,), "peepholes": (3, h)}


def _check_signal(name: str, signal: Signal) -> None:
    if not 2 <= signal.bits <= 16:
        raise ModelError(f"signal {name} has {signal.bits} bits: expected 2 to 16")
    if not math.isfinite(signal.step) or signal.step <= 0.0 or float(np.float32(signal.step)) != signal.step:
        raise ModelError(f"signal {name} has the step {signal.step!r}: expected a positive float32 number")


def _check_matrix(name: str, matrix: Matrix, shape: tuple[int, ...]) -> None:
    if matrix.codes.shape != shape:
        raise ModelError(f"matrix {name} is {list(matrix.codes.shape)}: expected {list(shape)}")
    if matrix.bits == 32:
        if matrix.codes.dtype != np.float32 or matrix.steps.size:
            raise ModelError(f"matrix {name} has 32 bits: expected float32 values and no steps")
        return
    if not 2 <= matrix.bits <= 8 or matrix.codes.dtype != np.int8:
        found = f"{matrix.bits} bits in {matrix.codes.dtype}"
        raise ModelError(f"matrix {name} has {found}: expected 2 to 8 bits in int8, or 32 bits")
    if matrix.steps.shape not in ((1,), (shape[0],)) or matrix.steps.dtype != np.float32:
        found = f"{list(matrix.steps.shape)} {matrix.steps.dtype}"
        raise ModelError(
            f"matrix {name} has steps {found}: expected float32, one or one per row ({shape[0]})"
        )
    if not np.isfinite(matrix.steps).all():
        raise ModelError(f"matrix {name} has a step that is not a finite number")
    if matrix.groups is not None:
        code_table(*matrix.groups)
        if matrix.bits != 2 or not obeys(matrix.codes, *matrix.groups):
            found = f"groups {list(matrix.groups)}"
            raise ModelError(f"matrix {name} has {found}: expected 2 bits and no more non-zeros in a group")


def _check_layer(layer: Layer, d: int, h: int, context: int | None) -> None:
    """``d`` inputs, ``h`` units, and values of the words' layers where they are read."""
    matrices, vectors = _expected(layer, d, h)
    if context is not None:
        matrices["context"] = (4 * h, context)
    for name, shape in matrices.items():
        if name not in layer.matrices:
            raise ModelError(f"matrix {name} is missing: expected {list(shape)}")
        _check_matrix(name, layer.matrices[name], shape)
    for name, shape in vectors.items():
        vector = layer.vectors.get(name)
        if vector is None:
            if name not in _VECTORS_THAT_MAY_BE_ABSENT:
                raise ModelError(f"vector {name} is missing: expected {list(shape)}")
        elif vector.shape != shape or vector.dtype != np.float32:
            found = f"{list(vector.shape)} {vector.dtype}"
            raise ModelError(f"vector {name} is {found}: expected {list(shape)} float32")
    signals = (
        () if layer.kind == "linear" else ("h", "gate", "cell", *(("conv",) if layer.kind == "isru" else ()))
    )
    for found_names, known in (
        (layer.matrices, matrices),
        (layer.vectors, vectors),
        (layer.signals, signals),
    ):
        extra = sorted(set(found_names) - set(known))
        if extra:
            raise ModelError(f"{extra[0]} does not belong to a layer of kind {layer.kind}")
    for name, signal in layer.signals.items():
        _check_signal(name, signal)


def _check_audio(features: FeatureConfig, model: Model) -> None:
    base = features.base_dim
    for name, vector in (("mean", model.mean), ("scale", model.scale)):
        if vector.shape != (base,) or vector.dtype != np.float32:
            found = f"{list(vector.shape)} {vector.dtype}"
            raise ModelError(
                f"{name} is {found}: expected [{base}] float32, as the features have {base} values"
            )
    if model.feat is not None:
        _check_signal("feat", model.feat)


def _check_symbols(model: Model) -> None:
    if model.mean.size or model.scale.size or model.feat is not None:
        raise ModelError("mean, scale and feat do not belong to a model that takes symbols")


def _check_hierarchy(hierarchy: Hierarchy, model: Model) -> None:
    if model.features is not None:
        raise ModelError("hierarchy does not belong to a model that takes audio")
    if hierarchy.kind not in ("a", "b"):
        raise ModelError(f"hierarchy: kind {hierarchy.kind!r}: expected a or b")
    clock, symbols = hierarchy.clock, len(model.units)
    ascending = all(low < high for low, high in zip((-1, *clock), (*clock, symbols), strict=True))
    if not clock or not ascending:
        raise ModelError(f"hierarchy: the clock must list symbols from 0 to {symbols - 1} in ascending order")
    if [layer.kind for layer in model.layers] != ["lstm"] * 4 + ["linear"]:
        raise ModelError("hierarchy: expected four layers of kind lstm and one of kind linear")


def check_model(model: Model) -> None:
    """Raise ModelError for the first part that is missing, has the wrong shape, or does not belong there."""
    if model.features is None:
        _check_symbols(model)
    else:
        _check_audio(model.features, model)
    first = END if model.features is None else BLANK
    if model.units.symbols[0] != first:
        raise ModelError(f"units: symbols must be {first!r} followed by at least one symbol")
    if not model.layers or model.layers[-1].kind != "linear":
        raise ModelError("the last layer must be of kind linear")
    if any(layer.kind == "linear" for layer in model.layers[:-1]):
        raise ModelError("only the last layer may be of kind linear")
    if model.hierarchy is not None:
        _check_hierarchy(model.hierarchy, model)
    widths: list[int] = []
    for index, layer in enumerate(model.layers):
        source = model.source(index)
        width = model.inputs if source < 0 else widths[source]
        try:
            if index == 0 and input_width(layer) != width:
                wanted = (
                    f"there are {width} symbols" if model.features is None else f"the features have {width}"
                )
                raise ModelError(f"it takes {input_width(layer)} values per frame, but {wanted}")
            if model.features is None and layer.options.get("taps_right"):
                raise ModelError("look-ahead does not belong to a model that takes symbols")
            context = widths[-1] if model.hierarchy is not None and index == CONTEXT_LAYER else None
            widths.append(output_width(model, index))
            _check_layer(layer, width, widths[index], context)
        except ModelError as error:
            raise ModelError(f"layer {index} ({layer.kind}): {error}") from None
    if widths[-1] != len(model.units):
        raise ModelError(
            f"the last layer gives {widths[-1]} values, but there are {len(model.units)} symbols"
        )
