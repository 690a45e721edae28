from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packed_models import CELLS, random_model
from safetensors.numpy import load_file

from speechq.config import FeatureConfig
from speechq.errors import ModelError
from speechq.runtime.checks import output_width
from speechq.runtime.engine import Engine
from speechq.runtime.graph import Matrix, Model, Signal
from speechq.runtime.model_file import _checksum, read_model, write_model
from speechq.text.units import Units


def assert_equal(a: Model, b: Model) -> None:
    for name in ("units", "features", "feat", "scheme", "provenance", "card"):
        assert getattr(a, name) == getattr(b, name)
    np.testing.assert_array_equal(a.mean, b.mean)
    np.testing.assert_array_equal(a.scale, b.scale)
    assert len(a.layers) == len(b.layers)
    for x, y in zip(a.layers, b.layers, strict=True):
        assert (x.kind, x.options, x.signals) == (y.kind, y.options, y.signals)
        assert x.matrices.keys() == y.matrices.keys() and x.vectors.keys() == y.vectors.keys()
        for name, matrix in x.matrices.items():
            assert (matrix.bits, matrix.groups) == (y.matrices[name].bits, y.matrices[name].groups)
            assert matrix.codes.dtype == y.matrices[name].codes.dtype
            np.testing.assert_array_equal(matrix.codes, y.matrices[name].codes)
            np.testing.assert_array_equal(matrix.steps, y.matrices[name].steps)
        for name, vector in x.vectors.items():
            np.testing.assert_array_equal(vector, y.vectors[name])


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("bits", [None, 2, 3, 8])
def test_round_trip_and_same_bytes(kind: str, bits: int | None, tmp_path: Path) -> None:
    model = random_model(kind, bits=bits, signal_bits=None if bits == 3 else 8, gate_bits=8, pooling="ifo")
    write_model(tmp_path / "a.sqm", model)
    found = read_model(tmp_path / "a.sqm")
    assert_equal(model, found)
    write_model(tmp_path / "b.sqm", found)
    assert (tmp_path / "a.sqm").read_bytes() == (tmp_path / "b.sqm").read_bytes()
    assert [output_width(found, k) for k in range(3)] == [12, 12, 6]


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("per_row", [True, False])
def test_size(bits: int, per_row: bool, tmp_path: Path) -> None:
    features = FeatureConfig()
    model = random_model("lstm", bits=bits, hidden=96, layers=3, features=features, per_row=per_row)
    write_model(tmp_path / "m.sqm", model)
    code_bits = floats = 0
    for layer in model.layers:
        code_bits += sum(matrix.codes.size * matrix.bits for matrix in layer.matrices.values())
        floats += sum(matrix.steps.size for matrix in layer.matrices.values())
        floats += sum(vector.size for vector in layer.vectors.values())
    floats += model.mean.size + model.scale.size
    assert (tmp_path / "m.sqm").stat().st_size <= 1.02 * (code_bits / 8 + 4 * floats) + 16 * 1024


def test_word_pieces_and_text(tmp_path: Path) -> None:
    units = Units("pieces", ("<blank>", "▁a", "b", "é", "'"), b"\x00model\xff")
    model = replace(random_model(units=units), card='Ünïcode "card"\n')
    write_model(tmp_path / "m.sqm", model)
    assert_equal(model, read_model(tmp_path / "m.sqm"))


def test_other_programs_read_it(tmp_path: Path) -> None:
    model = random_model("sru", bits=4)
    write_model(tmp_path / "m.sqm", model)
    tensors = load_file(tmp_path / "m.sqm")
    assert tensors["layers.0.in.codes"].dtype == np.uint8
    assert tensors["layers.0.in.codes"].size == model.layers[0].matrices["in"].codes.size // 2
    np.testing.assert_array_equal(tensors["layers.0.bias"], model.layers[0].vectors["bias"])


def rewrite_header(path: Path, change: dict[str, object], *, checksum: bool = True) -> None:
    """Change keys of the JSON header, with a correct checksum, by the file layout alone."""
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    outer = json.loads(data[8 : 8 + size])
    header = json.loads(outer["__metadata__"]["speechq"]) | change
    if checksum:
        header["sha256"] = _checksum(header, load_file(path))
    outer["__metadata__"]["speechq"] = json.dumps(header, sort_keys=True, separators=(",", ":"))
    text = json.dumps(outer).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 4}, "version 4; this speechq reads versions 1 to 3"),
        ({"version": 2}, "hierarchy is missing"),
        ({"hierarchy": {"kind": "a", "clock": [1]}}, "hierarchy does not belong to a file of version 1"),
        ({"format": "other"}, "format"),
        ({"units": {"kind": "characters", "symbols": ["<blank>", "A"]}}, "symbols"),
        ({"units": {"kind": "characters", "symbols": "A"}}, "symbols"),
        ({"features": {"mels": 9}}, "mean"),
        ({"features": {"bands": 9}}, "bands"),
        ({"layers": []}, "belongs to no layer"),
        ({"layers": 3}, "layers is 3: expected a list"),
        ({"layers": [3]}, "layer 0 is 3: expected an object"),
        ({"feat": {"bits": 8}}, "step"),
        ({"feat": {"bits": 1, "step": 0.5}}, "1 bits"),
        ({"feat": {"bits": 8, "step": -0.5}}, "positive"),
        ({"provenance": [["a", 1]]}, "provenance is .*: expected an object"),
        ({"version": True}, "version True"),
        ({"version": 1.0}, "version 1.0"),
        ({"scheme": 5}, "scheme is 5: expected a string"),
        ({"card": None}, "card is None: expected a string"),
        ({"units": [["kind", "characters"]]}, "units is .*: expected an object"),
        ({"features": {"mels": "8", "stack": 2}}, "mels"),
        ({"features": {"mels": 8.0, "stack": 2}}, "mels"),
        ({"features": {"mels": 8, "stack": 2, "energy": 0}}, "energy"),
        ({"features": {"mels": 8, "stack": 2, "low_hz": True}}, "low_hz"),
        ({"feat": {"bits": 8.0, "step": 0.5}}, "bits is 8.0: expected an integer"),
        ({"feat": {"bits": 8, "step": "0.5"}}, "step is '0.5': expected a number"),
        ({"feat": [8, 0.5]}, "signal feat is .*: expected an object"),
    ],
)
def test_header_problems_are_named(change: dict[str, object], message: str, tmp_path: Path) -> None:
    path = tmp_path / "m.sqm"
    write_model(path, random_model())
    rewrite_header(path, {})
    read_model(path)
    rewrite_header(path, change)
    with pytest.raises(ModelError, match=message) as caught:
        read_model(path)
    assert str(path) in str(caught.value)


def test_codes_of_the_wrong_size(tmp_path: Path) -> None:
    path = tmp_path / "m.sqm"
    write_model(path, random_model())
    layers = json.loads(json.loads(_outer(path))["__metadata__"]["speechq"])["layers"]
    layers[1]["matrices"]["in"]["columns"] += 1
    rewrite_header(path, {"layers": layers})
    with pytest.raises(ModelError, match=r"layer 1, matrix in: \d+ bytes of codes, but"):
        read_model(path)


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("kind",), 3, "kind is 3: expected a string"),
        (("options",), [["variant", 2]], "options is .*: expected an object"),
        (("matrices",), ["in"], "matrices is .*: expected an object"),
        (("matrices", "in"), 4, "matrix in is 4: expected an object"),
        (("matrices", "in", "bits"), "6", "bits is '6': expected an integer"),
        (("matrices", "in", "rows"), 36.5, "rows is 36.5: expected an integer"),
        (("matrices", "in", "columns"), True, "columns is True: expected an integer"),
        (("vectors",), "bias", "vectors is 'bias': expected a list"),
        (("vectors",), [1], "the name of a vector is 1: expected a string"),
        (("signals",), [], "signals is .*: expected an object"),
        (("signals", "h"), 8, "signal h is 8: expected an object"),
        (("options", "scale_x"), 1e39, "scale_x is 1e[+]39: expected a float32 number"),
    ],
)
def test_values_of_another_type_are_refused_by_both_readers(
    keys: tuple[str, ...], value: object, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "m.sqm"
    write_model(path, random_model("sru"))
    layers = json.loads(json.loads(_outer(path))["__metadata__"]["speechq"])["layers"]
    place = layers[0]
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    rewrite_header(path, {"layers": layers})
    with pytest.raises(ModelError, match=message):
        read_model(path)
    with pytest.raises(ModelError, match=r"m\.sqm") as caught:
        Engine(path)
    assert "checksum" not in str(caught.value)


def _outer(path: Path) -> bytes:
    data = path.read_bytes()
    return data[8 : 8 + struct.unpack("<Q", data[:8])[0]]


def test_wrong_checksum_and_no_model(tmp_path: Path) -> None:
    path = tmp_path / "m.sqm"
    write_model(path, random_model())
    rewrite_header(path, {"card": "another"}, checksum=False)
    with pytest.raises(ModelError, match="checksum"):
        read_model(path)
    for content in (b"", b"not a model", b"\xff" * 64):
        path.write_bytes(content)
        with pytest.raises(ModelError, match="safetensors"):
            read_model(path)
    with pytest.raises(ModelError, match="no such file"):
        read_model(tmp_path / "absent.sqm")


def test_models_that_do_not_fit_are_not_written(tmp_path: Path) -> None:
    model = random_model()
    first = model.layers[0]
    short = Matrix(6, first.matrices["in"].codes[:, 1:], first.matrices["in"].steps)
    wrong = [
        replace(model, layers=model.layers[:-1]),
        replace(model, layers=(replace(first, matrices={"in": short}), *model.layers[1:])),
        replace(model, layers=(replace(first, vectors={}), *model.layers[1:])),
        replace(model, layers=(replace(first, signals={"h": Signal(8, 0.1)}), *model.layers[1:])),
        replace(model, provenance={"when": object()}),
        replace(model, provenance={"wer": float("nan")}),
    ]
    for broken in wrong:
        with pytest.raises(ModelError, match=r"m\.sqm"):
            write_model(tmp_path / "m.sqm", broken)
    assert list(tmp_path.iterdir()) == []


@given(data=st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_files(data: st.DataObject, tmp_path: Path) -> None:
    """Flipped bytes and cut ends: an error that names the file, or (blanks of the header) the same model."""
    whole = tmp_path / "whole.sqm"
    if not whole.exists():
        write_model(whole, random_model("qrnn", bits=3, layers=1, hidden=4))
    content = bytearray(whole.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        # Half of the flips in the outer header, which is where the reading is delicate.
        header = 8 + struct.unpack("<Q", content[:8])[0]
        for _ in range(data.draw(st.integers(1, 3))):
            last = data.draw(st.sampled_from([7, header - 1, len(content) - 1]))
            content[data.draw(st.integers(0, last))] ^= data.draw(st.integers(1, 255))
    damaged = tmp_path / "damaged.sqm"
    damaged.write_bytes(content)
    try:
        found = read_model(damaged)
    except ModelError as error:
        assert "damaged.sqm" in str(error)
    else:
        assert_equal(found, read_model(whole))
