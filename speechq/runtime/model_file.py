"""Reading and writing ``*.sqm``: safetensors with packed weights and a JSON header (docs/model-format.md)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors.numpy import save

from speechq.config import FeatureConfig
from speechq.errors import ModelError, SpeechqError
from speechq.files import replacing
from speechq.runtime.checks import check_model
from speechq.runtime.entropy import LARGEST_RATIO, decode_codes, encode_codes
from speechq.runtime.graph import Hierarchy, Layer, Matrix, Model, Signal
from speechq.runtime.group_code import code_table, pack_groups, unpack_groups
from speechq.runtime.header import member, number, typed
from speechq.runtime.packing import pack_codes, unpack_codes
from speechq.text.units import Units

FORMAT = "speechq"
VERSION = 1
HIERARCHY_VERSION = 2  # of models with a hierarchy, which readers of version 1 cannot run
GROUPS_VERSION = 3  # of models with a matrix in groups, with or without a hierarchy
VERSIONS = (VERSION, HIERARCHY_VERSION, GROUPS_VERSION)
_KEY = "speechq"
_CODING = "rans"

Tensors = dict[str, NDArray[Any]]

# What reading a damaged file raises, for example where the type of a tensor turned into one that NumPy lacks.
_UNREADABLE = (
    safetensors.SafetensorError,
    OSError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    OverflowError,
    ImportError,
    MemoryError,
)


def _canonical(header: Mapping[str, Any]) -> bytes:
    """The header as JSON bytes that depend on nothing but its content."""
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.encode("ascii")


def _checksum(header: Mapping[str, Any], tensors: Tensors) -> str:
    """SHA-256 over the canonical header without its checksum and every tensor (docs/model-format.md)."""
    total = hashlib.sha256(_canonical({key: value for key, value in header.items() if key != "sha256"}))
    for name in sorted(tensors):
        tensor = tensors[name]
        total.update(f"\n{name} {tensor.dtype.name} {list(tensor.shape)}\n".encode())
        total.update(np.ascontiguousarray(tensor).tobytes())
    return total.hexdigest()


def _signal_header(signal: Signal) -> dict[str, Any]:
    return {"bits": signal.bits, "step": float(np.float32(signal.step))}


def _version_of(model: Model) -> int:
    if any(matrix.groups is not None for layer in model.layers for matrix in layer.matrices.values()):
        return GROUPS_VERSION
    return VERSION if model.hierarchy is None else HIERARCHY_VERSION


def _input_header(model: Model) -> dict[str, Any]:
    if model.features is None:
        joined = model.hierarchy
        hierarchy = (
            {} if joined is None else {"hierarchy": {"kind": joined.kind, "clock": list(joined.clock)}}
        )
        return {"input": {"kind": "symbols"}, **hierarchy}
    feat = None if model.feat is None else _signal_header(model.feat)
    return {"features": model.features.model_dump(mode="json"), "feat": feat}


def _layer_header(layer: Layer, coded: set[str]) -> dict[str, Any]:
    return {
        "kind": layer.kind,
        "options": layer.options,
        "matrices": {
            name: {"bits": matrix.bits, "rows": matrix.codes.shape[0], "columns": matrix.codes.shape[1]}
            | ({"coding": _CODING} if name in coded else {})
            | ({"groups": list(matrix.groups)} if matrix.groups is not None else {})
            for name, matrix in layer.matrices.items()
        },
        "vectors": sorted(layer.vectors),
        "signals": {name: _signal_header(signal) for name, signal in layer.signals.items()},
    }


def _layer_tensors(index: int, layer: Layer, compress: bool) -> tuple[Tensors, set[str]]:
    """The tensors of a layer, and the matrices among them that are range-coded: where that is smaller.

    Those in groups never are, since the engine multiplies from their form.
    """
    tensors: Tensors = {}
    coded = set()
    for name, matrix in layer.matrices.items():
        if matrix.groups is not None:
            packed = pack_groups(matrix.codes, *matrix.groups)
        else:
            packed = matrix.codes if matrix.bits == 32 else pack_codes(matrix.codes, matrix.bits)
        if compress and matrix.bits != 32 and matrix.groups is None:
            smaller = encode_codes(matrix.codes, matrix.bits)
            if packed.size / LARGEST_RATIO <= smaller.size < packed.size:
                packed = smaller
                coded.add(name)
        tensors[f"layers.{index}.{name}.codes"] = packed
        if matrix.bits != 32:
            tensors[f"layers.{index}.{name}.steps"] = matrix.steps
    for name, vector in layer.vectors.items():
        tensors[f"layers.{index}.{name}"] = vector
    return tensors, coded


def model_bytes(model: Model, *, compress: bool = False) -> bytes:
    """The content of a model file; equal models give equal bytes. ``compress``: codes are range-coded.

    Raises ModelError if the parts of the model do not fit together or cannot be written as JSON.
    """
    check_model(model)
    tensors: Tensors = {} if model.features is None else {"mean": model.mean, "scale": model.scale}
    layers = []
    for index, layer in enumerate(model.layers):
        own, coded = _layer_tensors(index, layer, compress)
        tensors |= own
        layers.append(_layer_header(layer, coded))
    header: dict[str, Any] = {
        "format": FORMAT,
        "version": _version_of(model),
        "scheme": model.scheme,
        "units": model.units.to_json(),
        **_input_header(model),
        "layers": layers,
        "provenance": model.provenance,
        "card": model.card,
    }
    try:
        header["sha256"] = _checksum(header, tensors)
        contiguous = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
        # One metadata entry only: safetensors does not promise an order of several.
        return bytes(save(contiguous, {_KEY: _canonical(header).decode("ascii")}))
    except (TypeError, ValueError) as error:
        raise ModelError(str(error)) from error


def write_model(path: str | Path, model: Model, *, compress: bool = False) -> None:
    """Write ``model`` to ``path``. ``compress``: codes are range-coded where that is smaller.

    Raises ModelError, naming the file, if the parts of the model do not fit together or cannot be written as
    JSON.
    """
    try:
        data = model_bytes(model, compress=compress)
    except ModelError as error:
        raise ModelError(f"{path}: this model cannot be written: {error}") from error
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def _load(path: Path) -> tuple[dict[str, Any], Tensors]:
    """Header and tensors, checked for the format, the version and the checksum."""
    if not path.is_file():
        raise ModelError(f"{path}: no such file; expected a packed model (*.sqm)")
    try:
        with safetensors.safe_open(path, framework="numpy") as opened:
            metadata = opened.metadata() or {}
            tensors: Tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except _UNREADABLE as error:
        raise ModelError(f"{path}: not a readable safetensors file, or cut short ({error})") from error
    try:
        header = json.loads(metadata[_KEY])
    except (KeyError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: a safetensors file, but not of speechq (no header {_KEY!r})") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ModelError(f"{path}: not a speechq model: the header's format is not {FORMAT!r}")
    found = header.get("version")
    if type(found) is not int or found not in VERSIONS:
        known = f"versions {VERSION} to {VERSIONS[-1]}"
        raise ModelError(f"{path}: model format version {found!r}; this speechq reads {known}")
    try:
        checksum = _checksum(header, tensors)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: damaged header ({error})") from error
    if header.get("sha256") != checksum:
        raise ModelError(f"{path}: damaged: the checksum of its content is not the one in its header")
    return header, tensors


def _signal(name: str, value: Any) -> Signal:
    header = typed(f"signal {name}", value, dict)
    return Signal(member(header, "bits", int), number(header, "step"))


def _groups(entry: Mapping[str, Any], version: int) -> tuple[int, int] | None:
    """The (n, k) of a matrix in groups."""
    if "groups" not in entry:
        return None
    found = entry["groups"]
    if not isinstance(found, list) or len(found) != 2 or any(type(number) is not int for number in found):
        raise ModelError(f"groups {found!r}: expected two integers")
    if version != GROUPS_VERSION:
        raise ModelError(f"groups do not belong to a file of version {version}")
    if entry["bits"] != 2 or "coding" in entry:
        raise ModelError("groups: expected a matrix of 2 bits without another coding")
    code_table(*found)
    return found[0], found[1]


def _codes(
    entry: Mapping[str, Any], codes: NDArray[Any], shape: tuple[int, int], groups: tuple[int, int] | None
) -> NDArray[np.int8]:
    """The codes of a matrix of 2 to 8 bits from its tensor."""
    if codes.dtype != np.uint8 or codes.ndim != 1:
        raise ModelError(f"packed codes are {codes.dtype} {list(codes.shape)}: expected uint8 bytes")
    if groups is not None:
        return unpack_groups(codes, *groups, shape)
    coding = entry.get("coding")
    if coding not in (None, _CODING):
        raise ModelError(f"coding {coding!r}: expected {_CODING!r} for 2 to 8 bits, or none")
    return (unpack_codes if coding is None else decode_codes)(codes, entry["bits"], shape)


def _layer(index: int, value: Any, tensors: Tensors, version: int) -> Layer:
    header = typed(f"layer {index}", value, dict)
    matrices = {}
    for name, item in member(header, "matrices", dict).items():
        entry = typed(f"layer {index}, matrix {name}", item, dict)
        bits = member(entry, "bits", int)
        shape = (member(entry, "rows", int), member(entry, "columns", int))
        codes = tensors.pop(f"layers.{index}.{name}.codes")
        try:
            groups = _groups(entry, version)
            if bits == 32 and "coding" in entry:
                raise ModelError(f"coding {entry['coding']!r}: expected {_CODING!r} for 2 to 8 bits, or none")
            unpacked = codes if bits == 32 else _codes(entry, codes, shape, groups)
        except ModelError as error:
            raise ModelError(f"layer {index}, matrix {name}: {error}") from error
        steps = np.zeros(0, np.float32) if bits == 32 else tensors.pop(f"layers.{index}.{name}.steps")
        matrices[name] = Matrix(bits, unpacked, steps, groups)
    vectors = {
        typed("the name of a vector", name, str): tensors.pop(f"layers.{index}.{name}")
        for name in member(header, "vectors", list)
    }
    signals = {name: _signal(name, item) for name, item in member(header, "signals", dict).items()}
    options = member(header, "options", dict)
    return Layer(member(header, "kind", str), options, matrices, vectors, signals)


def _check_symbol_input(header: Mapping[str, Any]) -> None:
    kind = member(member(header, "input", dict), "kind", str)
    if kind != "symbols":
        raise ModelError(f"input: kind {kind!r}: expected symbols")
    for key in ("features", "feat"):
        if key in header:
            raise ModelError(f"{key} does not belong to a model that takes symbols")


def _hierarchy(header: Mapping[str, Any]) -> Hierarchy | None:
    """The hierarchy: in files of its version, perhaps in later ones."""
    if header["version"] == GROUPS_VERSION and "hierarchy" not in header:
        return None
    if header["version"] == VERSION:
        if "hierarchy" in header:
            raise ModelError(f"hierarchy does not belong to a file of version {VERSION}")
        return None
    found = member(header, "hierarchy", dict)
    clock = member(found, "clock", list)
    if any(type(symbol) is not int for symbol in clock):
        raise ModelError(f"hierarchy: clock: expected a list of integers, found {clock!r}")
    return Hierarchy(found["kind"], tuple(clock))


def read_model(path: str | Path) -> Model:
    """Read a model file.

    Raises ModelError, naming the file and the problem, for a missing, damaged or cut file, an unknown
    version, a wrong checksum, and parts that do not fit together.
    """
    path = Path(path)
    header, tensors = _load(path)
    none = np.zeros(0, np.float32)
    try:
        symbols = "input" in header
        if symbols:
            _check_symbol_input(header)
        model = Model(
            units=Units.from_json(member(header, "units", dict)),
            features=None
            if symbols
            else FeatureConfig.model_validate(member(header, "features", dict), strict=True),
            mean=none if symbols else tensors.pop("mean"),
            scale=none if symbols else tensors.pop("scale"),
            layers=tuple(
                _layer(index, layer, tensors, header["version"])
                for index, layer in enumerate(member(header, "layers", list))
            ),
            feat=None if symbols or header["feat"] is None else _signal("feat", header["feat"]),
            scheme=member(header, "scheme", str),
            provenance=member(header, "provenance", dict),
            card=member(header, "card", str),
            hierarchy=_hierarchy(header),
        )
        if tensors:
            raise ModelError(f"the tensor {min(tensors)} belongs to no layer")
        check_model(model)
    except KeyError as error:
        raise ModelError(f"{path}: {error.args[0]} is missing") from error
    except (SpeechqError, ValidationError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ModelError(f"{path}: {error}") from error
    return model
