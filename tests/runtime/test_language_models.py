"""Packed language models: the file, and the engine against the reference on symbols."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
from hypothesis import given, settings
from hypothesis import strategies as st
from packed_models import CELLS, FEATURES, random_features, random_model, random_symbols
from safetensors.numpy import save_file
from test_engine import ISAS, same_bits, schemes

from speechq import _native
from speechq.errors import DataError, ModelError
from speechq.quant.reference import Reference, ReferenceStream
from speechq.runtime import model_file
from speechq.runtime.engine import Engine, Mode
from speechq.runtime.graph import Hierarchy, Model, Signal
from speechq.runtime.info import describe
from speechq.runtime.model_file import model_bytes, read_model, write_model
from speechq.text.units import Units


@st.composite
def models(draw: st.DrawFn, kinds: tuple[str, ...] = (*CELLS, "a", "b")) -> Model:
    kind = draw(st.sampled_from(kinds))
    hierarchy = kind in ("a", "b")
    options: dict[str, Any] = {"variant": 1} if kind == "sru" and draw(st.booleans()) else {}
    if hierarchy:
        options = {"hierarchy": kind, "peepholes": draw(st.booleans()), "per_row": draw(st.booleans())}
    return random_model(
        "lstm" if hierarchy else kind,
        **draw(schemes()),
        layers=4 if hierarchy else draw(st.integers(1, 2)),
        hidden=draw(
            st.sampled_from([1, 6, 16, 40])
        ),  # 6: as many as symbols, so that there is no skip matrix
        seed=draw(st.integers(0, 99)),
        features=None,
        units=draw(st.sampled_from([None, Units.characters("".join(map(chr, range(0x4E00, 0x4E00 + 90))))])),
        **options,
    )


def modes_of(model: Model) -> list[Mode]:
    signals = model.layers[0].signals
    integers = {"h", "gate", "cell"} <= set(signals) and model.layers[0].matrices["in"].bits != 32
    if integers and signals["gate"].bits >= 8 and signals["cell"].bits == 16:
        return ["hybrid", "integer"]
    return ["hybrid"]


@settings(max_examples=60, deadline=None)
@given(models(), st.lists(st.integers(0, 20), min_size=1, max_size=5), st.integers(1, 64), st.integers(1, 3))
def test_every_instruction_set_gives_the_bits_of_the_reference(
    model: Model, lengths: list[int], block: int, threads: int
) -> None:
    symbols = random_symbols(model, *lengths)
    for mode in modes_of(model):
        expected = Reference(model, mode=mode).run(symbols)[0]
        engine = Engine(model, mode=mode, block=block, threads=threads)
        try:
            for isa in ISAS:
                _native.set_isa(isa)
                for found, rows in zip(engine.forward(symbols), expected, strict=True):
                    same_bits(found, rows)
        finally:
            _native.set_isa(ISAS[-1])


@settings(max_examples=20, deadline=None)
@given(models(), st.integers(0, 5))
def test_a_symbol_is_a_frame_with_a_one(model: Model, seed: int) -> None:
    """The same layers behind features that are not rounded give the same bits."""
    width = len(model.units)
    if width < 8 or model.hierarchy is not None:  # no features are that few
        return
    audio = replace(
        model,
        units=replace(model.units, symbols=("<blank>", *model.units.symbols[1:])),
        features=FEATURES.model_copy(update={"mels": width, "stack": 1}),
        mean=np.zeros(width, np.float32),
        scale=np.ones(width, np.float32),
        feat=Signal(2, 1.0),
    )
    (symbols,) = random_symbols(model, 12, seed=seed)
    same_bits(
        Engine(model).forward([symbols])[0],
        Reference(audio).run([np.eye(width, dtype=np.float32)[symbols]])[0][0],
    )


@settings(max_examples=25, deadline=None)
@given(models(), st.integers(1, 30), st.data())
def test_a_copy_goes_on_apart_from_its_original(model: Model, length: int, data: st.DataObject) -> None:
    """As a beam search forks: any tree of copies gives what each path gives alone."""
    mode = data.draw(st.sampled_from(modes_of(model)))
    engine = Engine(model, mode=mode, block=4)
    before, first, second = random_symbols(model, length, 7, 9)
    state = engine.initial_state()
    engine.run([before], [state])
    fork = state.copy()
    both = engine.run([first, second], [state, fork])
    for branch, found in zip((first, second), both, strict=True):
        (alone,) = engine.forward([np.concatenate([before, branch])])
        same_bits(found, alone[length:])


@settings(max_examples=40, deadline=None)
@given(models(("a", "b")), st.integers(1, 6), st.data())
def test_each_stream_of_a_block_has_its_own_clock(model: Model, streams: int, data: st.DataObject) -> None:
    """Whoever is in a block and wherever their input is cut, every stream gets what it gets alone."""
    mode = data.draw(st.sampled_from(modes_of(model)))
    engine = Engine(
        model, mode=mode, block=data.draw(st.integers(1, 8)), threads=data.draw(st.integers(1, 2))
    )
    symbols = random_symbols(
        model, *data.draw(st.lists(st.integers(0, 25), min_size=streams, max_size=streams))
    )
    expected = Reference(model, mode=mode).run(symbols)[0]
    states = [engine.initial_state() for _ in symbols]
    found = [np.zeros((0, len(model.units)), np.float32) for _ in symbols]
    while any(len(f) < len(row) for f, row in zip(found, symbols, strict=True)):
        together = data.draw(st.lists(st.integers(0, streams - 1), min_size=1, unique=True))
        parts = [symbols[s][len(found[s]) :][: data.draw(st.integers(0, 9))] for s in together]
        for s, rows in zip(together, engine.run(parts, [states[s] for s in together]), strict=True):
            found[s] = np.concatenate([found[s], rows])
    for rows, wanted in zip(found, expected, strict=True):
        same_bits(rows, wanted)


@pytest.mark.parametrize("kind", ["a", "b"])
def test_words_are_the_only_way_from_one_word_to_the_next(kind: Any) -> None:
    """papers.md D 5: where the words' layers are not read, a word's scores do not depend on those before."""
    model = random_model("lstm", layers=4, hidden=20, hierarchy=kind, features=None)
    sentences = [np.array(row) for row in ([2, 3, 4, 1, 2, 3], [5, 4, 4, 1, 2, 3])]
    spoken = Engine(model).forward(sentences)
    assert not np.array_equal(spoken[0][3:], spoken[1][3:])
    context = model.layers[3].matrices["context"]
    model.layers[3].matrices["context"] = replace(context, codes=np.zeros_like(context.codes))
    silent = Engine(model).forward(sentences)
    same_bits(silent[0][3:], silent[1][3:])
    assert not np.array_equal(silent[0][:3], silent[1][:3])


def test_the_references_stream_takes_symbols_too() -> None:
    model = random_model("lstm", features=None)
    (symbols,) = random_symbols(model, 9)
    stream = ReferenceStream(model)
    parts = [stream.accept(symbols[:4]), stream.accept(symbols[4:]), stream.finish()]
    same_bits(np.concatenate(parts), Reference(model).run([symbols])[0][0])


def test_what_is_no_symbol_is_refused() -> None:
    model = random_model("sru", features=None)
    for runner in (Engine(model).forward, Reference(model).run):
        with pytest.raises(DataError, match="symbols from 0 to 6: expected 0 to 5"):
            runner([np.array([0, 6])])
        with pytest.raises(DataError, match="symbols from -1 to 2: expected 0 to 5"):
            runner([np.array([-1, 2])])
        with pytest.raises(DataError, match="expected integers"):
            runner([np.zeros((3, 6), np.float32)])
    network = _native.Network(model_bytes(model), "model", "hybrid")
    with pytest.raises(ValueError, match="a symbol is 6: expected 0 to 5"):
        network.run_symbols([network.start()], [np.array([6], np.int32)], 4, 1, False)
    with pytest.raises(ValueError, match="takes symbols"):
        network.run([network.start()], [np.zeros((2, 6), np.float32)], 4, 1, False)
    audio = random_model("sru")
    with pytest.raises(DataError, match=r"frames of shape \[3\]"):
        Engine(audio).forward([np.array([1, 2, 3])])
    network = _native.Network(model_bytes(audio), "model", "hybrid")
    with pytest.raises(ValueError, match="takes features"):
        network.run_symbols([network.start()], [np.array([1], np.int32)], 4, 1, False)


# The file


@pytest.mark.parametrize("bits", [None, 3])
@pytest.mark.parametrize("kind", CELLS)
def test_a_file_brings_back_the_model(kind: str, bits: int | None, tmp_path: Path) -> None:
    model = random_model(kind, bits=bits, features=None)
    write_model(tmp_path / "lm.sqm", model)
    again = read_model(tmp_path / "lm.sqm")
    assert model_bytes(again) == model_bytes(model) == (tmp_path / "lm.sqm").read_bytes()
    assert (again.features, again.feat, again.inputs) == (None, None, 6)
    assert again.units.symbols[0] == "</s>"
    with safetensors.safe_open(tmp_path / "lm.sqm", framework="numpy") as file:
        header = json.loads(file.metadata()["speechq"])
        assert not {"mean", "scale"} & set(file.keys())
    assert header["version"] == 1
    assert header["input"] == {"kind": "symbols"}
    assert not {"features", "feat"} & set(header)
    symbols = random_symbols(model, 5)
    same_bits(Engine(tmp_path / "lm.sqm").forward(symbols)[0], Reference(model).run(symbols)[0][0])


@pytest.mark.parametrize("bits", [None, 2, 5])
@pytest.mark.parametrize("kind", ["a", "b"])
def test_a_file_brings_back_a_hierarchy(kind: Any, bits: int | None, tmp_path: Path) -> None:
    path = tmp_path / "lm.sqm"
    model = random_model("lstm", bits=bits, layers=4, hierarchy=kind, features=None)
    write_model(path, model)
    again = read_model(path)
    assert model_bytes(again) == model_bytes(model) == path.read_bytes()
    assert again.hierarchy == Hierarchy(kind, (0, 1))
    with safetensors.safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()["speechq"])
    assert header["version"] == 2
    assert header["hierarchy"] == {"kind": kind, "clock": [0, 1]}
    symbols = random_symbols(model, 30)
    same_bits(Engine(path).forward(symbols)[0], Reference(model).run(symbols)[0][0])


def edited(path: Path, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> None:
    """Change header and tensors of a model file and set its checksum right again."""
    with safetensors.safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()["speechq"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(header, tensors)
    header["sha256"] = model_file._checksum(header, tensors)
    save_file(tensors, path, {"speechq": model_file._canonical(header).decode()})


def _set(key: str, value: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    return lambda header, tensors: header.__setitem__(key, value)


def _symbols(*symbols: str) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    return lambda header, tensors: header["units"].__setitem__("symbols", list(symbols))


def _tensor(name: str) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    return lambda header, tensors: tensors.__setitem__(name, np.ones(16, np.float32))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (_set("input", {"kind": "pictures"}), "input: kind 'pictures': expected symbols"),
        (_set("input", {}), "kind is missing"),
        (_set("input", "symbols"), "m.sqm: "),
        (_set("input", None), "m.sqm: "),
        (_set("features", {}), "features does not belong to a model that takes symbols"),
        (_set("feat", None), "feat does not belong to a model that takes symbols"),
        (_symbols("<blank>", " ", "'", "A", "B", "C"), "symbols must be '</s>' followed by"),
        (_symbols("</s>", " ", "'", "A", "B"), "5 symbols"),
        (_symbols("</s>", " ", "'", "A", "B", "C", "D"), "7 symbols"),
        (_tensor("mean"), "the tensor mean belongs to no layer"),
        (lambda header, tensors: header.pop("input"), "features is missing"),
        (lambda header, tensors: header.pop("units"), "units is missing"),
    ],
)
def test_both_readers_refuse_the_same(change: Any, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "m.sqm"
    write_model(path, random_model("lstm", features=None))
    edited(path, lambda header, tensors: None)
    assert read_model(path).features is None
    Engine(path)
    edited(path, change)
    for reader in (read_model, Engine):
        with pytest.raises(ModelError, match=problem) as caught:
            reader(path)
        assert "m.sqm: " in str(caught.value)


def _hierarchy(**changes: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    return lambda header, tensors: header["hierarchy"].update(changes)


def _without_context(header: dict[str, Any], tensors: dict[str, Any]) -> None:
    del header["layers"][3]["matrices"]["context"]
    for part in ("codes", "steps"):
        del tensors[f"layers.3.context.{part}"]


def _context_in_a_lower_layer(header: dict[str, Any], tensors: dict[str, Any]) -> None:
    header["layers"][2]["matrices"]["context"] = header["layers"][3]["matrices"]["context"]
    for part in ("codes", "steps"):
        tensors[f"layers.2.context.{part}"] = tensors[f"layers.3.context.{part}"]


def _as_if_alone(header: dict[str, Any], tensors: dict[str, Any]) -> None:
    del header["hierarchy"]
    header["version"] = 1


_CLOCK = "the clock must list symbols from 0 to 5 in ascending order"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (_hierarchy(kind="c"), "hierarchy: kind 'c': expected a or b"),
        (lambda header, tensors: header["hierarchy"].pop("kind"), "kind is missing"),
        (lambda header, tensors: header["hierarchy"].pop("clock"), "clock is missing"),
        (_hierarchy(clock=[]), _CLOCK),
        (_hierarchy(clock=[1, 0]), _CLOCK),
        (_hierarchy(clock=[1, 1]), _CLOCK),
        (_hierarchy(clock=[-1]), _CLOCK),
        (_hierarchy(clock=[0, 6]), _CLOCK),
        (_hierarchy(clock=[0, 2**70]), "m.sqm: hierarchy: "),
        (_hierarchy(clock=[0.0]), "clock: expected a list of integers"),
        (_hierarchy(clock=[True]), "clock: expected a list of integers"),
        (_hierarchy(clock=7), "m.sqm: "),
        (_set("hierarchy", "b"), "m.sqm: "),
        (lambda header, tensors: header.pop("hierarchy"), "hierarchy is missing"),
        (_set("version", 1), "hierarchy does not belong to a file of version 1"),
        (_set("version", 4), "version 4; this speechq reads versions 1 to 3"),
        (_without_context, "the layer above the words' layers needs a matrix 'context'"),
        (_context_in_a_lower_layer, "context does not belong to a layer of kind lstm"),
        (_as_if_alone, "layer 3 .lstm.: context does not belong to a layer of kind lstm"),
        (_hierarchy(kind="a"), r"layer 3 .lstm.: matrix in is \[48, 12\]: expected \[48, 6\]"),
        (
            lambda header, tensors: header["layers"][1].update(kind="residual_lstm"),
            "four layers of kind lstm",
        ),
    ],
)
def test_both_readers_refuse_the_same_hierarchies(change: Any, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "m.sqm"
    write_model(path, random_model("lstm", layers=4, hierarchy="b", features=None))
    edited(path, change)
    for reader in (read_model, Engine):
        with pytest.raises(ModelError, match=problem) as caught:
            reader(path)
        assert "m.sqm: " in str(caught.value)


def test_a_hierarchy_of_other_layers_is_not_written() -> None:
    grids = {"gate_bits": 8, "cell_bits": 16}
    model = random_model("lstm", layers=4, hierarchy="b", features=None, **grids)
    with pytest.raises(ModelError, match="does not belong to a model that takes audio"):
        model_bytes(replace(random_model("lstm", layers=4), hierarchy=Hierarchy("b", (1,))))
    with pytest.raises(ModelError, match="four layers of kind lstm"):
        model_bytes(replace(model, layers=model.layers[1:]))
    with pytest.raises(ModelError, match="the layers of a hierarchical model step at different times"):
        Reference(model).trace([])
    model.layers[2].signals.clear()
    with pytest.raises(ModelError, match=r"layer 2 \(lstm\): the signal h is float"):
        Engine(model, mode="integer")


@pytest.mark.parametrize(("kind", "problem"), [("isru", "look-ahead does not belong"), ("sru", "'<blank>'")])
def test_what_an_audio_model_has_is_refused(kind: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "m.sqm"
    if kind == "isru":
        model = random_model("isru", features=None, taps_right=2)
        with pytest.raises(ModelError, match=problem):
            model_bytes(model)
        write_model(path, random_model("isru", features=None, taps_left=3, taps_right=0))
        edited(path, lambda header, tensors: header["layers"][0]["options"].update(taps_left=1, taps_right=2))
    else:
        write_model(path, random_model("sru"))
        edited(path, _symbols("</s>", " ", "'", "A", "B", "C"))
    for reader in (read_model, Engine):
        with pytest.raises(ModelError, match=problem):
            reader(path)


def test_info_has_no_audio_to_tell_of() -> None:
    model = random_model("lstm", features=None, hidden=12, layers=2)
    found = describe(model)
    assert found["multiply_adds"] == 4 * 12 * (6 + 12) + 4 * 12 * (12 + 12) + 6 * 12
    assert found["signals"] == {"l0.h": 8, "l1.h": 8}
    assert "features" not in found
    assert json.loads(json.dumps(found)) == found
    with pytest.raises(ModelError, match="takes no audio"):
        model.audio()


def test_info_tells_what_is_done_per_word() -> None:
    found = describe(random_model("lstm", features=None, hidden=12, layers=4, hierarchy="b"))
    assert found["hierarchy"] == {"kind": "b", "clock": [0, 1]}
    assert found["multiply_adds"] == 48 * (6 + 12) + 48 * (12 + 12) + 6 * 12
    assert found["word_multiply_adds"] == 2 * 48 * (12 + 12) + 48 * 12
    assert json.loads(json.dumps(found)) == found


def test_an_audio_model_is_as_it_was() -> None:
    model = random_model("lstm")
    assert model.audio() == model.features
    assert (model.inputs, model.input_grid) == (FEATURES.dim, model.feat)
    assert Engine(model).forward(random_features(model, 3))[0].shape == (3, 6)
