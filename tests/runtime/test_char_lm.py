"""Packed character models in the decoder: against the same model called from Python, and against the sum over
all alignments."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import kenlm
import numpy as np
import pytest
from decoder_cases import EXACT, LETTERS, WORDS, agrees, every_cut, quick, seeds, spelled
from decoder_reference import Reference, random_log_probs
from hypothesis import given
from hypothesis import strategies as st
from packed_models import CELLS, random_model

from speechq.errors import ModelError
from speechq.runtime import BeamDecoder
from speechq.runtime.char_model import CharModel
from speechq.runtime.engine import Engine
from speechq.runtime.graph import Model
from speechq.runtime.model_file import write_model
from speechq.text.units import Units

UNITS = Units.characters(" ab")


def language_model(kind: str = "lstm", **options: Any) -> Model:
    return random_model(kind, features=None, units=UNITS, **options)


@st.composite
def models(draw: st.DrawFn) -> tuple[Model, str]:
    """A model and the arithmetic to run it in."""
    integer = draw(st.booleans())
    kind = draw(st.sampled_from([*CELLS, "a", "b"]))
    options: dict[str, Any] = {"layers": draw(st.integers(1, 2))}
    if kind in ("a", "b"):
        kind, options = "lstm", {"layers": 4, "hierarchy": kind}
    model = language_model(
        kind,
        bits=draw(st.sampled_from([2, 4, 8] if integer else [2, 3, 6, None])),
        gate_bits=8 if integer else None,
        cell_bits=16 if integer else None,
        hidden=draw(st.sampled_from([3, 12, 33])),
        seed=draw(st.integers(0, 99)),
        **options,
    )
    return model, "integer" if integer else "hybrid"


class PythonModel:
    """The same network behind the protocol for models in Python, and a row for any history."""

    def __init__(self, model: Model, mode: Any = "hybrid") -> None:
        self.engine = Engine(model, mode=mode)
        self.rows: dict[tuple[int, ...], np.ndarray] = {}

    def start(self) -> tuple[Any, np.ndarray]:
        state = self.engine.initial_state()
        return state, self.engine.run([np.array([0])], [state])[0][0]

    def advance(self, states: list[Any], units: list[int]) -> tuple[list[Any], np.ndarray]:
        after = [state.copy() for state in states]
        return after, np.concatenate(self.engine.run([np.array([unit]) for unit in units], after))

    def row(self, history: tuple[int, ...]) -> np.ndarray:
        if history not in self.rows:
            self.rows[history] = self.engine.forward([np.array([0, *history])])[0][-1]
        return self.rows[history]


@given(packed=models(), seed=seeds, beam=st.integers(1, 40), scale=st.floats(0.5, 6), data=st.data())
@quick
@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("with_ngram", [False, True])
def test_the_engine_in_the_decoder_is_the_engine_behind_python(
    arpa: Path,
    with_ngram: bool,
    closed: bool,
    packed: tuple[Model, Any],
    seed: int,
    beam: int,
    scale: float,
    data: st.DataObject,
) -> None:
    model, mode = packed
    rng = np.random.default_rng(seed)
    log_probs = random_log_probs(rng, 40, len(UNITS), scale)
    log_probs[rng.random(log_probs.shape) < 0.03] = -np.inf
    options: dict[str, Any] = {
        "lexicon": WORDS if closed else None,
        "ngram": arpa if with_ngram else None,
        "hotwords": ["ab a", ("ba", 3.0)],
        "beam": beam,
        "beam_threshold": data.draw(st.floats(2, 15)),
        "depth": data.draw(st.integers(1, 20)),
        "char_lm_weight": data.draw(st.floats(0.125, 2)),
        "known_char_lm_weight": data.draw(st.sampled_from([0.0, 0.375, 1.5])),
        "oov_penalty": data.draw(st.floats(-4, 2)),
        "char_bonus": data.draw(st.floats(-1, 2)),
    }
    native = BeamDecoder(UNITS, char_lm=CharModel(model, mode=mode), **options)
    stream = native.stream()
    for chunk in every_cut(rng, log_probs):
        stream.accept(chunk)
        if rng.random() < 0.3:
            stream.best(3)  # looks ahead without a trace
    python = BeamDecoder(UNITS, char_lm=PythonModel(model, mode), **options)
    assert stream.finish() == native.decode(log_probs) == python.decode(log_probs)


@given(packed=models(), seed=seeds, frames=st.integers(0, 5), alpha=st.floats(0.125, 2))
@quick
@pytest.mark.parametrize("with_ngram", [False, True])
def test_an_unbounded_beam_is_the_sum_over_all_alignments(
    arpa: Path, with_ngram: bool, packed: tuple[Model, Any], seed: int, frames: int, alpha: float
) -> None:
    model, mode = packed
    log_probs = random_log_probs(np.random.default_rng(seed), frames, len(UNITS))
    weights = {"char_lm_weight": alpha, "known_char_lm_weight": alpha / 4, "ngram_weight": 0.5}
    weights |= {"oov_penalty": -1.0, "word_bonus": 0.5}
    decoder = BeamDecoder(
        UNITS, char_lm=CharModel(model, mode=mode), ngram=arpa if with_ngram else None, **weights, **EXACT
    )
    python: Any = PythonModel(model, mode)
    ngram = kenlm.Model(str(arpa)) if with_ngram else None
    reference = Reference("characters", UNITS.symbols, ngram, python, **weights)
    agrees(decoder.decode(log_probs, n_best=100_000), reference.decode(log_probs))


@given(seed=seeds, scale=st.floats(0.5, 6))
@quick
def test_segments_begin_anew(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    decoder = BeamDecoder(UNITS, char_lm=CharModel(language_model(seed=1)), beam=8, depth=5)
    parts = [random_log_probs(rng, 25, 4, scale) for _ in range(3)]
    stream = decoder.stream()
    for part in parts:
        part[-1] = [0, -np.inf, -np.inf, -np.inf]  # no label sounds on
        stream.accept(part)
        assert [(h.text, h.score) for h in stream.finish()] == [
            (h.text, h.score) for h in decoder.decode(part)
        ]


def test_a_prefix_is_scored_only_when_a_unit_may_follow() -> None:
    """Without rivals each unit is scored when the next one may follow, the last one at the end."""

    class Listening(PythonModel):
        def __init__(self) -> None:
            super().__init__(language_model())
            self.units: list[int] = []

        def advance(self, states: list[Any], units: list[int]) -> tuple[list[Any], np.ndarray]:
            self.units += units
            return super().advance(states, units)

    python, text = Listening(), " ".join(["ab ba"] * 10)
    log_probs = spelled(text, LETTERS, frames=2, blank=4, peak=0.99999)
    assert BeamDecoder(UNITS, char_lm=python, beam=16).decode(log_probs, n_best=1)[0].text == text
    assert python.units == UNITS.encode(text)


@pytest.mark.parametrize(
    "options", [{"kind": "lstm"}, {"kind": "sru"}, {"kind": "lstm", "layers": 4, "hierarchy": "b"}]
)
def test_memory_is_constant(arpa: Path, options: dict[str, Any]) -> None:
    rng = np.random.default_rng(5)
    model = CharModel(language_model(**options))
    decoder = BeamDecoder(UNITS, ngram=arpa, char_lm=model, beam=8, depth=20, beam_threshold=12)
    stream = decoder.stream()
    sizes = []
    for part in range(20):
        for _ in range(100):
            stream.accept(random_log_probs(rng, 10, 4, 1.0))
        if part % 4 == 3:
            stream.finish()
        sizes.append(stream.bytes)
    assert max(sizes[10:]) <= 1.25 * max(sizes[:10])


def test_a_file_and_a_model_in_memory(tmp_path: Path) -> None:
    model = language_model()
    write_model(tmp_path / "lm.sqm", model)
    log_probs = random_log_probs(np.random.default_rng(0), 30, 4)
    expected = BeamDecoder(UNITS, char_lm=CharModel(model)).decode(log_probs)
    assert BeamDecoder(UNITS, char_lm=tmp_path / "lm.sqm").decode(log_probs) == expected
    assert BeamDecoder(UNITS, char_lm=str(tmp_path / "lm.sqm")).decode(log_probs) == expected
    assert BeamDecoder(UNITS).decode(log_probs) != expected
    left_out = BeamDecoder(UNITS, char_lm=CharModel(model), char_lm_weight=0.0)
    assert left_out.decode(log_probs) == BeamDecoder(UNITS).decode(log_probs)


def test_streams_in_threads_share_a_model() -> None:
    shared = CharModel(language_model(hidden=40))
    decoders = [BeamDecoder(UNITS, char_lm=shared, beam=beam) for beam in (4, 8, 16, 32)]
    inputs = [random_log_probs(np.random.default_rng(seed), 80, 4) for seed in range(4)]
    expected = [decoder.decode(x) for decoder, x in zip(decoders, inputs, strict=True)]
    found: list[Any] = [None] * 4

    def work(i: int) -> None:
        found[i] = decoders[i].decode(inputs[i])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected


@pytest.mark.parametrize(
    ("units", "problem"),
    [
        (Units.characters(" abc"), "lm.sqm: it lacks the acoustic model's 'c'"),
        (Units.characters(" a"), "lm.sqm: the acoustic model lacks its 'b'"),
        (Units.characters(" ba"), "lm.sqm: its units are in another order"),
        (Units.phones(["a", "b", "c"]), "lm.sqm: its units are characters, those of"),
    ],
)
def test_units_must_be_those_of_the_acoustic_model(units: Units, problem: str, tmp_path: Path) -> None:
    write_model(tmp_path / "lm.sqm", language_model())
    with pytest.raises(ModelError, match=problem):
        BeamDecoder(units, char_lm=tmp_path / "lm.sqm")


def test_files_that_are_no_language_models(tmp_path: Path) -> None:
    write_model(tmp_path / "am.sqm", random_model("lstm", units=UNITS))
    with pytest.raises(ModelError, match=r"am\.sqm: an acoustic model; expected a language model"):
        BeamDecoder(UNITS, char_lm=tmp_path / "am.sqm")
    with pytest.raises(ModelError, match=r"none\.sqm"):
        BeamDecoder(UNITS, char_lm=tmp_path / "none.sqm")
    with pytest.raises(ModelError, match="integer"):
        CharModel(language_model(), mode="integer")


def test_the_score_is_that_of_the_text() -> None:
    """What the decoder books is what the network says of the whole text."""
    model = language_model("sru", hidden=20)
    log_probs = spelled("abb a", LETTERS, peak=0.999)
    best = BeamDecoder(UNITS, char_lm=CharModel(model), char_lm_weight=0.5).decode(log_probs)[0]
    assert best.text == "abb a"
    symbols = [0, *UNITS.encode("abb a")]
    (rows,) = Engine(model).forward([np.array(symbols)])
    expected = sum(float(row[after]) for row, after in zip(rows, [*symbols[1:], 0], strict=True))
    assert best.char_lm == pytest.approx(expected)
    assert best.score == pytest.approx(best.acoustic + 0.5 * expected)
