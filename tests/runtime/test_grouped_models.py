"""Ternary matrices in groups: the file, both readers, and the engine's products from the coded form."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from packed_models import CELLS, in_groups, random_features, random_model, random_symbols, without_groups
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from speechq import _native
from speechq.errors import ModelError
from speechq.quant.reference import Reference
from speechq.runtime import model_file
from speechq.runtime.engine import Engine, Mode
from speechq.runtime.graph import Model
from speechq.runtime.group_code import obeys
from speechq.runtime.info import describe
from speechq.runtime.model_file import _checksum, read_model, write_model

ISAS = _native.available_isas()
GROUPS = [(8, 2), (8, 1), (4, 1), (16, 2), (8, 3), (16, 4), (3, 1), (5, 2)]


@pytest.fixture(autouse=True)
def _best_isa_afterwards() -> Iterator[None]:
    yield
    _native.set_isa(ISAS[-1])


def header_of(path: Path) -> dict[str, Any]:
    with safe_open(path, framework="numpy") as opened:
        header: dict[str, Any] = json.loads(opened.metadata()["speechq"])
        return header


def rewritten(path: Path, header: dict[str, Any], tensors: dict[str, NDArray[Any]]) -> None:
    """The file with another header and other tensors, its checksum right."""
    header["sha256"] = _checksum(header, tensors)
    save_file(tensors, path, {"speechq": json.dumps(header, sort_keys=True, separators=(",", ":"))})


def slow_codes(data: bytes, rows: int, columns: int, group: int, kept: int) -> list[list[int]]:
    """The rule of docs/model-format.md, one index after the other."""
    patterns = []
    for count in range(kept + 1):
        for places in combinations(range(group), count):
            for signs in product((1, -1), repeat=count):
                chosen = dict(zip(places, signs, strict=True))
                patterns.append([chosen.get(i, 0) for i in range(group)])
    width = next(bits for bits in range(20) if 2**bits >= len(patterns))
    stream, codes = int.from_bytes(data, "little"), []
    for _ in range(rows):
        row: list[int] = []
        for _ in range(-(-columns // group)):
            row += patterns[stream % 2**width]
            stream >>= width
        assert not any(row[columns:])
        codes.append(row[:columns])
    assert stream == 0
    return codes


# The file


@pytest.mark.parametrize("groups", GROUPS)
def test_the_file_holds_what_the_format_says(groups: tuple[int, int], tmp_path: Path) -> None:
    model = in_groups(random_model("lstm", bits=2, hidden=11), *groups, fill=0.8)
    path = tmp_path / "m.sqm"
    write_model(path, model)
    assert header_of(path)["version"] == 3
    tensors = load_file(path)
    for index, layer in enumerate(model.layers):
        for name, matrix in layer.matrices.items():
            assert header_of(path)["layers"][index]["matrices"][name]["groups"] == list(groups)
            data = tensors[f"layers.{index}.{name}.codes"].tobytes()
            assert slow_codes(data, *matrix.codes.shape, *groups) == matrix.codes.tolist()
    found = read_model(path)
    for a, b in zip(model.layers, found.layers, strict=True):
        for name in a.matrices:
            assert b.matrices[name].groups == groups
            np.testing.assert_array_equal(a.matrices[name].codes, b.matrices[name].codes)
    again = tmp_path / "again.sqm"
    write_model(again, found, compress=True)  # which leaves groups as they are
    assert again.read_bytes() == path.read_bytes()


def test_one_bit_per_weight_in_the_file_and_in_memory(tmp_path: Path) -> None:
    model = in_groups(random_model("lstm", bits=2, hidden=256, layers=3))
    weights = sum(matrix.codes.size for layer in model.layers for matrix in layer.matrices.values())
    sizes = []
    for name, one in [("groups", model), ("codes", without_groups(model))]:
        write_model(tmp_path / name, one)
        sizes.append((tmp_path / name).stat().st_size)
    assert sizes[1] - sizes[0] == pytest.approx(weights / 8, rel=0.01)
    engine = Engine(tmp_path / "groups")
    assert engine.weight_bytes == describe(model)["weight_bytes"] == weights / 8
    assert describe(model)["bytes"] + weights // 8 == describe(without_groups(model))["bytes"]
    plain = Engine(tmp_path / "codes")
    assert plain.memory_bytes - engine.memory_bytes > 0.8 * weights / 8  # less 4 bytes per row, and padding


def test_what_is_no_group_is_not_written() -> None:
    def changed(model: Model, **changes: Any) -> Model:
        first = model.layers[0]
        matrix = replace(first.matrices["in"], **changes)
        return replace(
            model, layers=(replace(first, matrices=first.matrices | {"in": matrix}), *model.layers[1:])
        )

    model = random_model("sru", bits=2)
    with pytest.raises(ModelError, match=r"groups \[8, 2\]: expected 2 bits and no more non-zeros"):
        model_file.model_bytes(changed(model, groups=(8, 2)))
    with pytest.raises(ModelError, match=r"groups \[8, 8\]: expected 2 bits"):
        model_file.model_bytes(changed(random_model("sru", bits=3), groups=(8, 8)))
    with pytest.raises(ModelError, match=r"\(16, 9\) coding: expected groups of 2 to 16"):
        model_file.model_bytes(changed(model, groups=(16, 9)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"groups": 8}, "groups 8: expected two integers"),
        ({"groups": [8]}, "groups .*: expected two integers"),
        ({"groups": [8, 2.0]}, "groups .*: expected two integers"),
        ({"groups": [8, 2, 1]}, "groups .*: expected two integers"),
        ({"groups": [17, 1]}, r"\(17, 1\) coding: expected groups of 2 to 16"),
        ({"groups": [1, 1]}, r"\(1, 1\) coding: expected groups of 2 to 16"),
        ({"groups": [8, 0]}, r"\(8, 0\) coding: expected groups of 2 to 16, at least one non-zero"),
        ({"groups": [8, 9]}, r"\(8, 9\) coding: expected groups of 2 to 16"),
        ({"groups": [16, 5]}, r"\(16, 5\) coding: .*, and at most 65536 patterns"),
        ({"groups": [8, 3]}, r"bytes of codes, but \[36, 16\] in \(8, 3\) coding are 90 bytes"),
        ({"groups": [8, 2], "columns": 24}, r"bytes of codes, but \[36, 24\] in \(8, 2\) coding are 108"),
        ({"bits": 3}, "groups: expected a matrix of 2 bits without another coding"),
        ({"bits": 32}, "groups: expected a matrix of 2 bits without another coding"),
        ({"coding": "rans"}, "groups: expected a matrix of 2 bits without another coding"),
        ({"version": 1}, "groups do not belong to a file of version 1"),
        ({"version": 4}, "version 4; this speechq reads versions 1 to 3"),
    ],
)
def test_both_readers_refuse_the_same_headers(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "m.sqm"
    write_model(path, in_groups(random_model("sru", bits=2)))
    header = header_of(path)
    header["version"] = change.pop("version", 3)
    header["layers"][0]["matrices"]["in"] |= change
    rewritten(path, header, load_file(path))
    for reader in (read_model, Engine):
        with pytest.raises(ModelError, match=message) as caught:
            reader(path)
        assert "m.sqm: " in str(caught.value)


@settings(deadline=None, max_examples=60)
@given(groups=st.sampled_from(GROUPS), data=st.data())
def test_both_readers_find_the_same_damage(
    groups: tuple[int, int], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("damage") / "m.sqm"
    write_model(path, in_groups(random_model("sru", bits=2, hidden=13), *groups))
    tensors = load_file(path)
    name = data.draw(st.sampled_from(["layers.0.in.codes", "layers.1.in.codes", "layers.0.skip.codes"]))
    codes = tensors[name].copy()
    for _ in range(data.draw(st.integers(0, 3))):
        codes[data.draw(st.integers(0, codes.size - 1))] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.sampled_from([0, 0, 0, 1]))
    tensors[name] = codes[: codes.size - cut]
    rewritten(path, header_of(path), tensors)
    found: list[str | None] = []
    for load in (read_model, Engine):
        try:
            load(path)
            found.append(None)
        except ModelError as error:
            found.append(str(error))
    if found != [None, None]:
        assert found[0] is not None and found[1] is not None
        assert "m.sqm: layer " in found[0]
        assert found[0].split(": ")[:2] == found[1].split(": ")[:2]
    else:
        for layer in read_model(path).layers:
            assert all(obeys(matrix.codes, *groups) for matrix in layer.matrices.values())


# The engine


@st.composite
def models(draw: st.DrawFn) -> Model:
    kind = draw(st.sampled_from(CELLS))
    options: dict[str, Any] = {}
    if kind == "isru":
        options |= {"taps_left": draw(st.integers(0, 9)), "taps_right": draw(st.integers(0, 4))}
    if draw(st.booleans()):
        options |= {"signal_bits": draw(st.sampled_from([8, 12])), "gate_bits": 8, "cell_bits": 16}
    else:
        options |= {"signal_bits": draw(st.sampled_from([4, 8, 16, None]))}
    model = random_model(
        kind,
        bits=2,
        layers=draw(st.integers(1, 2)),
        hidden=draw(st.sampled_from([1, 7, 16, 33, 70])),
        per_row=draw(st.booleans()),
        seed=draw(st.integers(0, 99)),
        **options,
    )
    return in_groups(model, *draw(st.sampled_from(GROUPS)), fill=draw(st.sampled_from([0.3, 1.0])))


def modes_of(model: Model) -> list[Mode]:
    return ["hybrid", "integer"] if "gate" in model.layers[0].signals else ["hybrid"]


@settings(max_examples=60, deadline=None)
@given(models(), st.lists(st.integers(0, 20), min_size=1, max_size=5), st.integers(1, 64), st.integers(1, 3))
def test_coded_weights_give_the_bits_of_ternary_ones(
    model: Model, lengths: list[int], block: int, threads: int
) -> None:
    features = random_features(model, *lengths)
    for mode in modes_of(model):
        expected = Reference(model, mode=mode).run(features)[0]
        for one in (model, without_groups(model)):
            engine = Engine(one, mode=mode, block=block, threads=threads)
            for isa in ISAS:
                _native.set_isa(isa)
                for found, rows in zip(engine.forward(features), expected, strict=True):
                    assert np.array_equal(found.view(np.int32), rows.view(np.int32))


@settings(max_examples=30, deadline=None)
@given(models(), st.lists(st.integers(0, 9), min_size=1, max_size=6), st.integers(1, 8))
def test_any_chunking_gives_the_same_bits(model: Model, chunks: list[int], block: int) -> None:
    (features,) = random_features(model, sum(chunks))
    (whole,) = Engine(without_groups(model), block=64).forward([features])
    engine = Engine(model, block=block)
    state, parts, first = engine.initial_state(), [], 0
    for count in chunks:
        parts += engine.run([features[first : first + count]], [state])
        first += count
    parts += engine.run([features[:0]], [state], finish=True)
    assert np.array_equal(np.concatenate(parts).view(np.int32), whole.view(np.int32))


@pytest.mark.parametrize("kind", ["sru", "lstm"])
@pytest.mark.parametrize("isa", ISAS)
def test_wide_networks_too(kind: str, isa: str) -> None:
    model = in_groups(random_model(kind, bits=2, hidden=1100, layers=2))
    features = random_features(model, 5, 19)
    expected = Engine(without_groups(model)).forward(features)
    _native.set_isa(isa)
    for found, rows in zip(Engine(model).forward(features), expected, strict=True):
        assert np.array_equal(found.view(np.int32), rows.view(np.int32))


def test_a_hierarchy_may_be_in_groups(tmp_path: Path) -> None:
    model = in_groups(random_model("lstm", bits=2, layers=4, hierarchy="b", features=None))
    path = tmp_path / "m.sqm"
    write_model(path, model)
    assert header_of(path)["version"] == 3
    assert read_model(path).hierarchy == model.hierarchy
    symbols = random_symbols(model, 30)
    found, expected = Engine(path).forward(symbols), Engine(without_groups(model)).forward(symbols)
    np.testing.assert_array_equal(found[0], expected[0])
