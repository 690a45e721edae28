"""The benchmark of the decoder: its inputs, the objective, what it prints, its peer, its figure."""

from __future__ import annotations

import importlib.util
import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import speechq
from hypothesis import given, settings
from hypothesis import strategies as st
from packed_models import random_model

from speechq.bench import plots
from speechq.bench.decoder import endless, figures
from speechq.bench.decoder.contender import Weights
from speechq.bench.decoder.inputs import NEVER, Inputs, closed, separator_of, speech_inputs
from speechq.bench.decoder.objective import acoustic, objective
from speechq.bench.decoder.ours import our_contenders
from speechq.bench.decoder.rows import peer_of, render_table
from speechq.bench.decoder.run import language_models, run, units_of
from speechq.bench.decoder.simulated import simulate, text_inputs
from speechq.errors import ConfigError, DataError
from speechq.lm.arpa import write_arpa
from speechq.lm.corpus import read_corpus
from speechq.lm.kneser_ney import estimate
from speechq.lm.score import WordModel
from speechq.runtime import BeamDecoder
from speechq.runtime.model_file import write_model
from speechq.text.units import Units

CONTRACT = {
    "engine": str,
    "beam": int,
    "lm": str,
    "us_per_frame": float,
    "wer": float,
    "nodes_per_frame": float,
}
UNITS = Units.characters(" 'ABCDEFGHIJKLMNOPQRSTUVWXYZ")
needs_flashlight = pytest.mark.skipif(
    importlib.util.find_spec("flashlight") is None, reason="needs the extra bench: flashlight-text"
)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sentences of 300 made-up words, of which each is followed by few others."""
    rng = np.random.default_rng(7)
    words = ["".join(rng.choice(list("ABDEINORST"), size=rng.integers(1, 8))) for _ in range(300)]
    lines = []
    for _ in range(1500):
        k = int(rng.integers(300))
        line = [k := (7 * k + int(rng.integers(12))) % 300 for _ in range(int(rng.integers(2, 8)))]
        lines.append(" ".join(words[k] for k in line))
    path = tmp_path_factory.mktemp("bench") / "text.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def arpa(text: Path) -> Path:
    path = text.with_name("words.arpa")
    write_arpa(estimate(read_corpus([text]), 2, discount_fallback=True), path)
    return path


@given(seed=st.integers(0, 999), frames=st.integers(1, 6))
@settings(max_examples=20, deadline=None)
def test_the_acoustic_score_is_the_sum_over_all_alignments(seed: int, frames: int) -> None:
    units = Units.characters(" AB")
    log_probs = simulate(np.zeros(0, np.int64), 4, np.random.default_rng(seed))
    log_probs = np.concatenate([log_probs, log_probs[::-1] / 2])[:frames]
    sums: dict[str, float] = {}
    for path in itertools.product(range(4), repeat=frames):
        said = [unit for unit, _ in itertools.groupby(path) if unit]
        spoken = " ".join(units.decode(said).split()) if said else ""
        score = sum(float(log_probs[t, unit]) for t, unit in enumerate(path))
        sums[spoken] = float(np.logaddexp(sums.get(spoken, -math.inf), score))
    for spoken, score in sums.items():
        assert acoustic(spoken, log_probs, units) == pytest.approx(score)
    assert acoustic("A" * (frames + 1), log_probs, units) == -math.inf


def test_the_objective_is_what_our_decoder_says(text: Path, arpa: Path) -> None:
    inputs = text_inputs(text, UNITS, 5)
    weights = Weights(ngram=0.7, word_bonus=0.4)
    words = language_models(UNITS, arpa, []).words
    decoder = BeamDecoder(
        UNITS, lexicon=words, ngram=arpa, ngram_weight=0.7, word_bonus=0.4, beam=2000, beam_threshold=60
    )
    for log_probs in inputs.log_probs:
        best = decoder.decode(log_probs, n_best=1)[0]
        assert objective(best.text, log_probs, UNITS, WordModel(arpa), weights) == pytest.approx(
            best.score, abs=1e-4
        )


def test_simulated_speech(text: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = text_inputs(text, UNITS, 20)
    assert len(inputs.references) == len(inputs.log_probs) == len(set(inputs.references)) == 20
    assert set(inputs.references) <= set(text.read_text().splitlines())
    again = text_inputs(text, UNITS, 20)
    for log_probs, same in zip(inputs.log_probs, again.log_probs, strict=True):
        np.testing.assert_array_equal(log_probs, same)
        np.testing.assert_allclose(np.exp(log_probs[:-1]).sum(axis=1), 1, rtol=1e-5)
        assert (log_probs[-1, 1], log_probs[-1, 0]) == (0.0, NEVER)
    assert inputs.frames == sum(map(len, inputs.log_probs))
    decoder = BeamDecoder(UNITS)
    assert [decoder.decode(x)[0].text for x in inputs.log_probs] != list(inputs.references)
    monkeypatch.setattr("speechq.bench.decoder.simulated.NOISE", 0.0)
    clean = text_inputs(text, UNITS, 20)
    assert [decoder.decode(x)[0].text for x in clean.log_probs] == list(clean.references)
    with pytest.raises(DataError, match="not in the"):
        text_inputs(text, Units.characters(" AB"), 3)


def test_the_last_frame_changes_nothing_for_us(text: Path, arpa: Path) -> None:
    inputs = text_inputs(text, UNITS, 5)
    decoder = BeamDecoder(UNITS, ngram=arpa, beam=20)
    for log_probs in inputs.log_probs:
        open_end, ended = (decoder.decode(x)[0] for x in (log_probs[:-1], log_probs))
        assert open_end.text == ended.text
        assert open_end.score == pytest.approx(ended.score, abs=1e-3)


def test_units_without_a_separator() -> None:
    for units in (Units.phones(["A", "B"]), Units.characters("AB")):
        with pytest.raises(ConfigError, match="characters with a space"):
            separator_of(units)


def test_a_model_and_a_manifest(tmp_path: Path) -> None:
    import soundfile

    write_model(tmp_path / "am.sqm", random_model("sru", units=UNITS))
    rng = np.random.default_rng(0)
    lines = []
    for name in ("a", "b", "c"):
        soundfile.write(tmp_path / f"{name}.wav", 0.1 * rng.standard_normal(16000), 16000)
        entry = {"id": name, "audio": f"{name}.wav", "duration": 1.0, "text": "SO IT IS", "speaker": "s"}
        lines.append(json.dumps(entry))
    (tmp_path / "test.jsonl").write_text("\n".join(lines) + "\n")
    inputs = speech_inputs(tmp_path / "am.sqm", tmp_path / "test.jsonl", 2)
    assert inputs.references == ("SO IT IS", "SO IT IS")
    assert inputs.frame_seconds == pytest.approx(0.03)
    assert all(len(x) > 25 and x.shape[1] == len(UNITS) for x in inputs.log_probs)
    (tmp_path / "none.jsonl").write_text("")
    with pytest.raises(DataError, match="the manifest is empty"):
        speech_inputs(tmp_path / "am.sqm", tmp_path / "none.jsonl", 2)


def test_rows(text: Path, arpa: Path, tmp_path: Path) -> None:
    write_model(tmp_path / "lm.sqm", random_model("sru", features=None, units=UNITS))
    assert units_of([]) == units_of([tmp_path / "lm.sqm"]) == UNITS
    inputs = text_inputs(text, UNITS, 3)
    models = language_models(UNITS, arpa, [tmp_path / "lm.sqm"], hotwords=5)
    rows = run(inputs, models, arpa, [4, 30], [3], Weights(), rounds=1)
    assert [(row["lm"], row["beam"]) for row in rows] == [
        *itertools.product(["n-gram, closed", "n-gram", "n-gram + 5 hotwords", "none"], [4]),
        *itertools.product(["n-gram, closed", "n-gram", "n-gram + 5 hotwords", "none"], [30]),
        ("characters (lm.sqm)", 3),
        ("n-gram + characters (lm.sqm)", 3),
    ]
    for row in rows:
        assert {name: type(row[name]) for name in CONTRACT} == CONTRACT
        assert row["rtf"] == pytest.approx(1e-6 * row["us_per_frame"] / 0.03)
        assert 0 < row["nodes_per_frame"] <= row["beam"]
        assert (row["score"] is not None) == (row["lm"] == "n-gram, closed")
        assert (row["char_lm_per_frame"] is not None) == ("characters" in row["lm"])
    wide, narrow = (next(row for row in rows if row["beam"] == beam and row["score"]) for beam in (30, 4))
    assert wide["score"] >= narrow["score"]
    assert wide["wer"] < next(row["wer"] for row in rows if row["lm"] == "none")
    assert render_table(rows).row_count == len(rows)
    assert json.loads(json.dumps(rows)) == rows


def test_random_weights_have_no_error_rate(text: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speechq.bench.decoder.run.RANDOM_HIDDEN", 16)
    inputs = text_inputs(text, UNITS, 1)
    rows = run(inputs, language_models(UNITS, None, []), None, [4], [3], Weights(), rounds=1)
    assert [(row["lm"], row["wer"] is None) for row in rows] == [
        ("none", False),
        ("random LSTM 2x16, 2 bits", True),
        ("random LSTM 2x16, 4 bits", True),
    ]
    render_table(rows)
    with pytest.raises(ConfigError, match="expected --ngram"):
        run(inputs, language_models(UNITS, None, []), None, [4], [3], Weights(), peers=True)


@needs_flashlight
@pytest.mark.parametrize("beam", [8, 50])
def test_never_worse_than_flashlight_on_average(text: Path, arpa: Path, beam: int) -> None:
    """The score under the common objective, and the word error rate: the same inputs, model and beam."""
    inputs = text_inputs(text, UNITS, 60, seed=3)
    models = language_models(UNITS, arpa, [])
    rows = run(inputs, models, arpa, [beam], [], Weights(), peers=True, rounds=1)
    ours = next(row for row in rows if row["lm"] == "n-gram, closed")
    theirs = [row for row in rows if row["engine"] != "speechq"]
    assert [row["engine"] for row in theirs] == ["flashlight-text", "flashlight-text, 10 symbols"]
    for row in theirs:
        assert {name: type(row[name]) for name in CONTRACT} == CONTRACT
        assert ours["score"] >= row["score"] - 1e-6
        assert ours["wer"] <= row["wer"]
        assert 0 < row["nodes_per_frame"] <= beam
    assert peer_of(ours, rows) == min(theirs, key=lambda row: row["us_per_frame"])
    assert peer_of(next(row for row in rows if row["lm"] == "none"), rows) is None


@needs_flashlight
def test_with_a_wide_beam_all_find_the_same(text: Path, arpa: Path) -> None:
    inputs = text_inputs(text, UNITS, 10)
    rows = run(inputs, language_models(UNITS, arpa, []), arpa, [1000], [], Weights(), peers=True, rounds=1)
    scores = {row["engine"]: row["score"] for row in rows if row["score"] is not None}
    assert scores["speechq"] == pytest.approx(scores["flashlight-text"])


def test_a_long_stream(text: Path, arpa: Path) -> None:
    inputs = text_inputs(text, UNITS, 40)
    contenders = our_contenders(UNITS, language_models(UNITS, arpa, []), [8], [], Weights())
    rows = [endless.endless(one, inputs, 0.3) for one in contenders]
    for row in rows:
        assert {name: type(row[name]) for name in CONTRACT} == CONTRACT
        assert 0.3 < row["hours"] < 0.5
        assert row["bytes_last"] <= 3 * row["bytes_first"]
        assert row["us_first"] > 0 and row["us_last"] > 0
    assert endless.render_table(rows).row_count == 3
    few = Inputs(UNITS, inputs.log_probs[:2], inputs.references[:2], 0.03, "two")
    assert endless.endless(contenders[0], few, 0.0)["hours"] < 0.1


def test_the_figure() -> None:
    def row(engine: str, lm: str, beam: int, us: float, wer: float | None) -> dict[str, Any]:
        return {"engine": engine, "lm": lm, "beam": beam, "us_per_frame": us, "wer": wer}

    rows = [
        row("speechq", "n-gram, closed", 100, 40.0, 0.05),
        row("speechq", "n-gram, closed", 10, 5.0, 0.08),
        row("flashlight-text", "n-gram, closed", 10, 9.0, 0.09),
        row("speechq", "none", 10, 2.0, 0.9),
        row("speechq", "random LSTM", 10, 200.0, None),
    ]
    with plots.style():
        figure = figures.curves(rows, 7.0)
        svg = plots.to_svg(figure, "curves")
    lines = {line.get_label(): line.get_xydata() for line in figure.axes[0].lines}
    assert set(lines) == {"speechq: n-gram, closed", "flashlight-text: n-gram, closed"}
    np.testing.assert_allclose(lines["speechq: n-gram, closed"], [(5, 8), (40, 5)])
    assert "microseconds per frame" in svg


def test_the_command(text: Path, arpa: Path, tmp_path: Path) -> None:
    write_model(tmp_path / "lm.sqm", random_model("sru", features=None, units=UNITS))
    options = ["--ngram", str(arpa), "--utterances", "2", "--beams", "4", "--char-beams", "2"]
    command = ["bench", "decoder", str(text), *options, "--char-lm", str(tmp_path / "lm.sqm")]
    rows = json.loads(speechq(*command, "--json").stdout)
    assert len(rows) == 5
    assert "n-gram, closed" in speechq(*command).stdout
    long = json.loads(speechq(*command, "--hours", "0.01", "--lm", "n-gram", "--lm", "none", "--json").stdout)
    assert [row["lm"] for row in long] == ["n-gram", "none"]
    for wrong, problem in (
        (["--utterances", "0"], "expected at least 1"),
        (["--beams", "4,x"], "whole numbers"),
        (["--beams", "0"], "beam is 0"),
        (["--lm", "trigram"], "--lm trigram: expected one of n-gram, closed; n-gram; none; characters"),
        (["--manifest", "m.jsonl"], "--manifest"),
        (["--ngram", "none.arpa"], "none.arpa: there is no such file"),
    ):
        found = speechq(*command, *wrong)
        assert (found.returncode, problem in found.stderr) == (2, True), found.stderr
        assert "Traceback" not in found.stderr


def test_closed_inputs_have_no_infinity() -> None:
    impossible = np.full((len(UNITS), len(UNITS)), -np.inf, np.float32)
    np.fill_diagonal(impossible, 0.0)
    rows = closed(impossible, UNITS)
    assert np.isfinite(rows).all()
    assert rows.shape == (len(UNITS) + 1, len(UNITS))
