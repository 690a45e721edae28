"""The engine against quant/reference.py: the same bits, whatever the instruction set and the chunking."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packed_models import CELLS, random_features, random_model

from speechq import _native
from speechq.errors import ConfigError, DataError, ModelError
from speechq.quant.reference import Reference
from speechq.runtime.engine import Engine, FloatArray, Mode
from speechq.runtime.graph import Model
from speechq.runtime.model_file import model_bytes, write_model

ISAS = _native.available_isas()


@pytest.fixture(autouse=True)
def _best_isa_afterwards() -> Iterator[None]:
    yield
    _native.set_isa(ISAS[-1])


@st.composite
def schemes(draw: st.DrawFn) -> dict[str, Any]:
    """Bits of weights and signals; half of them run in integer mode."""
    bits = draw(st.sampled_from([2, 3, 4, 5, 6, 7, 8, None]))
    if bits is not None and draw(st.booleans()):
        signal = draw(st.sampled_from([4, 8, 9, 12]))
        return {
            "bits": bits,
            "signal_bits": signal,
            "gate_bits": draw(st.sampled_from([8, 10])),
            "cell_bits": 16,
        }
    return {
        "bits": bits,
        "signal_bits": draw(st.sampled_from([2, 5, 8, 11, 16, None])),
        "gate_bits": draw(st.sampled_from([4, 8, None])),
        "cell_bits": draw(st.sampled_from([8, 16, None])),
    }


@st.composite
def models(draw: st.DrawFn) -> Model:
    kind = draw(st.sampled_from(CELLS))
    options: dict[str, Any] = {"per_row": draw(st.booleans())}
    if kind == "sru":
        options |= {"variant": draw(st.sampled_from([1, 2])), "tanh": draw(st.booleans())}
    if kind == "qrnn":
        options |= {"window": draw(st.integers(1, 3)), "pooling": draw(st.sampled_from(["fo", "ifo"]))}
    if kind == "isru":
        options |= {"taps_left": draw(st.integers(0, 5)), "taps_right": draw(st.integers(0, 4))}
    if kind in ("lstm", "residual_lstm"):
        options["peepholes"] = draw(st.booleans())
    return random_model(
        kind,
        **draw(schemes()),
        layers=draw(st.integers(1, 2)),
        hidden=draw(st.sampled_from([1, 7, 16, 33, 70])),
        seed=draw(st.integers(0, 99)),
        **options,
    )


def modes_of(model: Model) -> list[Mode]:
    bits = {name: signal.bits for name, signal in model.layers[0].signals.items()}
    integers = model.feat is not None and model.layers[0].matrices["in"].bits != 32
    if integers and bits.get("gate", 0) >= 8 and bits.get("cell") == 16:
        return ["hybrid", "integer"]
    return ["hybrid"]


def same_bits(found: FloatArray, expected: FloatArray) -> None:
    assert found.shape == expected.shape
    assert np.array_equal(found.view(np.int32), expected.view(np.int32))


@settings(max_examples=60, deadline=None)
@given(models(), st.lists(st.integers(0, 20), min_size=1, max_size=5), st.integers(1, 64), st.data())
def test_every_instruction_set_gives_the_bits_of_the_reference(
    model: Model, lengths: list[int], block: int, data: st.DataObject
) -> None:
    features = random_features(model, *lengths)
    for mode in modes_of(model):
        expected = Reference(model, mode=mode).run(features)[0]
        threads = data.draw(st.integers(1, 3))
        engine = Engine(model, mode=mode, block=block, threads=threads)
        for isa in ISAS:
            _native.set_isa(isa)
            for found, rows in zip(engine.forward(features), expected, strict=True):
                same_bits(found, rows)


@settings(max_examples=40, deadline=None)
@given(models(), st.integers(1, 40), st.data())
def test_any_chunking_gives_the_same_bits(model: Model, length: int, data: st.DataObject) -> None:
    (features,) = random_features(model, length)
    mode = data.draw(st.sampled_from(modes_of(model)))
    (whole,) = Engine(model, mode=mode, block=64).forward([features])
    engine = Engine(model, mode=mode, block=data.draw(st.integers(1, 8)))
    state, parts, first = engine.initial_state(), [], 0
    while first < length:
        count = data.draw(st.integers(1, 9))
        parts += engine.run([features[first : first + count]], [state])
        first += count
    assert engine.run([features[:0]], [state])[0].shape == (0, len(model.units))
    parts += engine.run([features[:0]], [state], finish=True)
    same_bits(np.concatenate(parts), whole)


@settings(max_examples=25, deadline=None)
@given(models(), st.lists(st.integers(0, 6), min_size=4, max_size=12), st.data())
def test_streams_come_and_go_without_touching_each_other(
    model: Model, chunks: list[int], data: st.DataObject
) -> None:
    """At each step some of three streams are stepped together, with chunks of their own."""
    features = random_features(model, 80, 80, 80)
    engine = Engine(model, block=5)
    states = [engine.initial_state() for _ in features]
    position, found = [0, 0, 0], [[], [], []]  # type: ignore[var-annotated]
    for chunk in chunks:
        members = data.draw(st.lists(st.integers(0, 2), min_size=1, max_size=3, unique=True))
        parts = [features[k][position[k] : position[k] + chunk + k] for k in members]
        for k, part, scores in zip(
            members, parts, engine.run(parts, [states[k] for k in members]), strict=True
        ):
            position[k] += len(part)
            found[k].append(scores)
    for k, rows in enumerate(features):
        alone = engine.run([rows[: position[k]]], [engine.initial_state()])[0]
        same_bits(np.concatenate([alone[:0], *found[k]]), alone)


@pytest.mark.parametrize("mode", ["hybrid", "integer"])
def test_wide_networks_have_the_same_bits_too(mode: Mode) -> None:
    """Sums of 16-bit codes beyond 24 bits, many tiles, and a width that fills no tile."""
    signal = 16 if mode == "hybrid" else 8
    model = random_model("lstm", bits=8, signal_bits=signal, gate_bits=8, cell_bits=16, hidden=300, layers=1)
    features = random_features(model, 6, 3)
    expected = Reference(model, mode=mode).run(features)[0]
    for found, rows in zip(
        Engine(model, mode=mode, block=4, threads=2).forward(features), expected, strict=True
    ):
        same_bits(found, rows)


def test_a_nan_makes_the_frames_behind_it_nan_and_nothing_else() -> None:
    model = random_model("sru", bits=None, signal_bits=None)
    (features,) = random_features(model, 8)
    features[4, 3] = np.nan
    (found,) = Engine(model, block=3).forward([features])
    assert np.isfinite(found[:4]).all()
    assert np.isnan(found[4:]).all()


def test_threads_share_a_network() -> None:
    model = random_model("lstm", bits=4, hidden=64)
    features = random_features(model, 50, 50, 50, 50)
    engine = Engine(model, threads=2)
    expected = [engine.forward([rows])[0] for rows in features]
    found: dict[int, FloatArray] = {}

    def work(k: int) -> None:
        for _ in range(10):
            found[k] = engine.forward([features[k]])[0]

    workers = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for k, rows in enumerate(expected):
        same_bits(found[k], rows)


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 8, None])
@pytest.mark.parametrize("kind", CELLS)
def test_a_loaded_model_takes_its_packed_bytes_and_little_more(kind: str, bits: int | None) -> None:
    model = random_model(kind, bits=bits, hidden=250, layers=2)
    engine = Engine(model)
    engine.forward(random_features(model, 64))
    packed = sum(
        4 * matrix.codes.size if matrix.bits == 32 else -(-matrix.codes.size * matrix.bits // 8)
        for layer in model.layers
        for matrix in layer.matrices.values()
    )
    assert engine.weight_bytes == packed
    assert packed < engine.memory_bytes < packed + 2**20


def test_a_file_gives_what_the_model_gives(tmp_path: Path) -> None:
    model = random_model("qrnn")
    write_model(tmp_path / "m.sqm", model)
    features = random_features(model, 9)
    for source in (tmp_path / "m.sqm", str(tmp_path / "m.sqm"), model_bytes(model)):
        same_bits(Engine(source).forward(features)[0], Engine(model).forward(features)[0])


def test_errors_name_what_is_wrong(tmp_path: Path) -> None:
    model = random_model("sru")
    with pytest.raises(ModelError, match=r"nowhere\.sqm: no such file"):
        Engine(tmp_path / "nowhere.sqm")
    (tmp_path / "damaged.sqm").write_bytes(model_bytes(model)[:-5])
    with pytest.raises(ModelError, match=r"damaged\.sqm"):
        Engine(tmp_path / "damaged.sqm")
    with pytest.raises(ModelError, match=r"layer 0 \(sru\): the signal gate is float"):
        Engine(model, mode="integer")
    with pytest.raises(ModelError, match="the signal feat is float"):
        Engine(replace(model, feat=None), mode="integer")
    with pytest.raises(ConfigError, match="block is 65"):
        Engine(model, block=65)
    with pytest.raises(ConfigError, match="threads is 0"):
        Engine(model, threads=0)
    engine = Engine(model)
    with pytest.raises(DataError, match="expected"):
        engine.forward([np.zeros((3, 5), np.float32)])
    state = engine.initial_state()
    with pytest.raises(DataError, match="twice"):
        engine.run(random_features(model, 2, 2), [state, state])
    with pytest.raises(ValueError, match="sse5"):
        _native.set_isa("sse5")
