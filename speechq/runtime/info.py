"""What a packed model consists of, as plain data: sizes, word lengths, operations per second of audio."""

from __future__ import annotations

from typing import Any

from speechq.runtime.checks import input_width, output_width
from speechq.runtime.graph import Hierarchy, Layer, Matrix, Model
from speechq.runtime.group_code import coded_bytes
from speechq.runtime.model_folder import ModelFiles
from speechq.runtime.packing import packed_bytes

FRAME_RATE = 100.0
BLOCKS = (1, 16)  # frames per weight read


def _weight_bytes(matrix: Matrix) -> int:
    """Bytes of the codes, or of float weights; what a block reads once."""
    count = int(matrix.codes.size)
    if matrix.groups is not None:
        return coded_bytes(matrix.codes.shape, *matrix.groups)
    return 4 * count if matrix.bits == 32 else packed_bytes(count, matrix.bits)


def _layer_rows(name: str, layer: Layer) -> list[dict[str, Any]]:
    """One row per matrix, and one for the vectors of a layer together."""
    rows = []
    for role, matrix in layer.matrices.items():
        count, weights = int(matrix.codes.size), _weight_bytes(matrix)
        rows.append(
            {
                "layer": name,
                "kind": layer.kind,
                "part": role,
                "shape": [int(size) for size in matrix.codes.shape],
                "bits": matrix.bits,
                "parameters": count,
                "bytes": weights + 4 * int(matrix.steps.size),
                # Every weight is used once per network frame.
                "operations": count,
            }
        )
    count = sum(int(vector.size) for vector in layer.vectors.values())
    if count:
        rows.append(
            {
                "layer": name,
                "kind": layer.kind,
                "part": "vectors",
                "shape": [count],
                "bits": 32,
                "parameters": count,
                "bytes": 4 * count,
                "operations": 0,
            }
        )
    return rows


def _signals(model: Model) -> dict[str, int]:
    signals = {} if model.feat is None else {"feat": model.feat.bits}
    for index, layer in enumerate(model.layers):
        signals |= {f"l{index}.{role}": signal.bits for role, signal in layer.signals.items()}
    return signals


def describe(model: Model) -> dict[str, Any]:
    """Everything that ``speechq info`` shows, ready for JSON.

    ``matrices`` holds a row per matrix (``layer`` is l0, l1, ..., or out; ``operations`` are multiply-adds
    per network frame), ``layers`` a row per layer. ``bytes`` count packed codes, steps and vectors, not the
    header of the file; ``float_share`` is their size relative to the same network in float32, without steps.
    ``weight_bytes`` are the packed codes and float weights alone, which a block of T frames reads once:
    ``weight_bytes_per_second`` maps T to what that is per second of audio (a recurrent matrix stays in the
    cache while its layer runs the T steps). ``multiply_adds`` count per network frame. A language model,
    whose frames are symbols, has no features and none of the figures per second; with a hierarchy,
    ``multiply_adds`` are those of every symbol, ``word_multiply_adds`` those that a word's end adds.
    """
    matrices: list[dict[str, Any]] = []
    layers = []
    for index, layer in enumerate(model.layers):
        name = "out" if layer.kind == "linear" else f"l{index}"
        matrices += _layer_rows(name, layer)
        layers.append(
            {
                "layer": name,
                "kind": layer.kind,
                "inputs": input_width(layer),
                "outputs": output_width(model, index),
                "options": dict(layer.options),
                "signals": {role: signal.bits for role, signal in layer.signals.items()},
            }
        )
    parameters = sum(row["parameters"] for row in matrices)
    size = sum(row["bytes"] for row in matrices)
    weights = sum(_weight_bytes(matrix) for layer in model.layers for matrix in layer.matrices.values())
    operations = sum(row["operations"] for row in matrices)
    facts = {
        "scheme": model.scheme,
        "layers": layers,
        "matrices": matrices,
        "signals": _signals(model),
        "parameters": parameters,
        "bytes": size,
        "float_share": size / (4 * parameters),
        "multiply_adds": operations,
        "weight_bytes": weights,
        "units": {"kind": model.units.kind, "count": len(model.units), "symbols": list(model.units.symbols)},
        "provenance": dict(model.provenance),
        "card": model.card,
    }
    if model.hierarchy is not None:
        facts |= _hierarchy_facts(model.hierarchy, matrices, operations)
    return facts if model.features is None else facts | _audio_facts(model, operations, weights)


def describe_folder(files: ModelFiles) -> dict[str, Any]:
    """The files of a model folder with their bytes, and the tuned options of its decoder."""
    paths = (files.acoustic, files.char_lm, files.ngram, files.settings_file)
    return {
        "files": {path.name: path.stat().st_size for path in paths if path is not None},
        "decoder": files.calibrated.options.given(),
        "lexicon": files.calibrated.lexicon,
    }


def _hierarchy_facts(hierarchy: Hierarchy, matrices: list[dict[str, Any]], operations: int) -> dict[str, Any]:
    """How the layers of a language model are joined, and which of its work is done per word."""
    words = sum(
        row["operations"] for row in matrices if row["layer"] in ("l1", "l2") or row["part"] == "context"
    )
    return {
        "hierarchy": {"kind": hierarchy.kind, "clock": list(hierarchy.clock)},
        "multiply_adds": operations - words,
        "word_multiply_adds": words,
    }


def _audio_facts(model: Model, operations: int, weights: int) -> dict[str, Any]:
    """Of an acoustic model: its features, and what it costs per second of audio."""
    features = model.audio()
    rate = FRAME_RATE / features.stride
    look_ahead = sum(int(layer.options.get("taps_right", 0)) for layer in model.layers)
    return {
        "frames_per_second": rate,
        "multiply_adds_per_second": rate * operations,
        "weight_bytes_per_second": {str(block): rate / block * weights for block in BLOCKS},
        "look_ahead_seconds": look_ahead / rate,
        "features": features.model_dump(mode="json") | {"dim": features.dim},
    }
