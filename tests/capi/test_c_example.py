"""The C library through its example program, against Python on the same models and frames."""

from __future__ import annotations

import json
import math
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from packed_models import random_model

from speechq.config import FeatureConfig
from speechq.data.features import stack_frames
from speechq.runtime import BeamDecoder
from speechq.runtime.engine import Engine
from speechq.runtime.graph import Model
from speechq.runtime.greedy import GreedyDecoder
from speechq.runtime.model_file import write_model
from speechq.text.units import Units

ROOT = Path(__file__).parents[2]
EXAMPLE = Path(os.environ.get("SPEECHQ_C_EXAMPLE", ROOT / "build" / "c" / "capi" / "recognize"))

pytestmark = pytest.mark.skipif(
    not EXAMPLE.is_file(), reason=f"the C example is not built ({EXAMPLE}); make test-c builds it"
)

UNITS = Units.characters(" 'ABCDE")
FEATURES = FeatureConfig(mels=8, stack=3, stride=4)
ARPA = """\\data\\
ngram 1=6
ngram 2=3

\\1-grams:
-2.5\t<unk>
-99\t<s>\t-0.2
-0.9\t</s>
-0.6\tAB\t-0.3
-0.7\tA\t-0.1
-0.8\tDE'C\t-0.2

\\2-grams:
-0.3\t<s> AB
-0.2\tAB A
-0.4\tA </s>

\\end\\
"""
LEXICON = "AB\nA A\nE  E C\nEACH E A C B\n\nDE'C\n"

Line = tuple[float, float, float, str]


def recognize(*arguments: object) -> tuple[str, list[Line]]:
    """The text of the example program and its words (start, end, confidence, text)."""
    run = subprocess.run([EXAMPLE, *map(str, arguments)], capture_output=True, encoding="utf-8", timeout=120)
    assert run.returncode == 0, run.stderr
    text, *rows = run.stdout.removesuffix("\n").split("\n")
    words = [row.split("\t") for row in rows]
    return text, [(float(start), float(end), float(share), word) for start, end, share, word in words]


def refused(*arguments: object) -> str:
    run = subprocess.run([EXAMPLE, *map(str, arguments)], capture_output=True, encoding="utf-8", timeout=120)
    assert run.returncode == 2 and not run.stdout
    return run.stderr


def make(
    folder: Path, frames: int = 700, seed: int = 3, cell: str = "sru", **options: Any
) -> tuple[Path, Path, Model, NDArray[np.float32]]:
    """A random model, raw frames, their files, and the log-probabilities by Python."""
    options = {"units": UNITS, "features": FEATURES} | options
    model = random_model(cell, hidden=24, seed=seed, **options)
    rng = np.random.default_rng(seed)
    spread = rng.normal(0, 2, (frames, model.audio().base_dim)).astype(np.float32)
    raw = (spread / model.scale + model.mean).astype(np.float32)
    write_model(folder / "am.sqm", model)
    raw.tofile(folder / "frames.f32")
    normalized = (raw - model.mean) * model.scale
    log_probs = Engine(model).forward([stack_frames(normalized, model.audio())])[0]
    return folder / "am.sqm", folder / "frames.f32", model, log_probs


def shown(words: Any, seconds: float) -> list[Line]:
    return [(w.start * seconds, w.end * seconds, w.confidence, w.text) for w in words]


def assert_same(found: list[Line], expected: list[Line]) -> None:
    assert [line[3] for line in found] == [line[3] for line in expected]
    numbers = np.array([line[:3] for line in found]), np.array([line[:3] for line in expected])
    np.testing.assert_allclose(*numbers, rtol=0, atol=0.0051)  # times are printed with two digits
    np.testing.assert_allclose(numbers[0][:, 2], numbers[1][:, 2], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("cell", "options"),
    [
        ("sru", {}),
        ("lstm", {"bits": 2}),
        ("isru", {"taps_right": 3, "features": FeatureConfig(mels=8, stack=5, stride=3, energy=True)}),
        ("qrnn", {"bits": None, "signal_bits": None}),
    ],
)
def test_the_best_path(tmp_path: Path, cell: str, options: dict[str, Any]) -> None:
    path, frames, model, log_probs = make(tmp_path, cell=cell, **options)
    text, words = recognize(path, frames)
    assert text == GreedyDecoder(model.units).decode(log_probs)
    stream = GreedyDecoder(model.units).stream()
    stream.accept(log_probs)
    assert words
    assert_same(words, shown(stream.finish()[0].words, model.audio().stride * 0.01))


def test_phones_and_word_pieces(tmp_path: Path) -> None:
    pieces = Units("pieces", ("<blank>", "\u2581", "\u2581A", "B", "\u2581CE", "E\u00e9"))
    for units in (Units.phones(["sil", "aa", "b"]), pieces):
        path, frames, _, log_probs = make(tmp_path, units=units)
        assert recognize(path, frames)[0] == GreedyDecoder(units).decode(log_probs)
        best = BeamDecoder(units, beam=7).decode(log_probs)[0]
        text, words = recognize(path, frames, "beam=7")
        assert text == best.text
        assert_same(words, shown(best.words, 0.04))


@pytest.mark.parametrize("seed", range(3))
def test_a_search_without_language_models(tmp_path: Path, seed: int) -> None:
    path, frames, model, log_probs = make(tmp_path, seed=seed)
    options = {"beam": 9, "depth": 12, "word_bonus": 1.5, "char_bonus": -0.25, "beam_threshold": 8.5}
    best = BeamDecoder(model.units, hotwords=["AB A", ("E", -2.0)], **options).decode(log_probs)[0]
    given = [f"{key}={value}" for key, value in options.items()]
    text, words = recognize(path, frames, *given, "hotword=AB A", "hotword=E:7", "hotword=E:-2")
    assert text == best.text
    assert_same(words, shown(best.words, 0.04))


def test_arithmetic_block_and_threads(tmp_path: Path) -> None:
    path, frames, model, _ = make(tmp_path, gate_bits=8, cell_bits=16)
    raw = np.fromfile(frames, np.float32).reshape(-1, 8)
    stacked = stack_frames((raw - model.mean) * model.scale, model.audio())
    log_probs = Engine(model, mode="integer").forward([stacked])[0]
    text = recognize(path, frames, "mode=integer", "beam=8")
    assert text[0] == BeamDecoder(model.units, beam=8).decode(log_probs)[0].text
    assert recognize(path, frames, "mode=integer", "beam=8", "block=3", "threads=2") == text


@pytest.fixture
def ngram(tmp_path: Path) -> Path:
    path = tmp_path / "words.arpa"
    path.write_text(ARPA)
    return path


def test_a_folder_with_everything(tmp_path: Path, ngram: Path) -> None:
    _, frames, model, log_probs = make(tmp_path)
    lexicon = tmp_path / "lexicon.txt"
    lexicon.write_text(LEXICON)
    options: dict[str, Any] = {"beam": 30, "ngram_weight": 0.75, "oov_penalty": -3.5}
    settings = {
        "version": 1,
        "options": {**options, "depth": None},
        "lexicon": lexicon.name,
        "times": {"start": -0.05, "end": 0.125},
        "calibration": {"scale": 0.5, "offset": 0.25},
        "provenance": {"manifest": "dev.jsonl", "trials": [1, 2.5, None]},
    }
    (tmp_path / "decoder.json").write_text(json.dumps(settings))

    best = BeamDecoder(model.units, ngram=ngram, lexicon=lexicon, **options).decode(log_probs)[0]
    expected = [
        (max(0.0, start - 0.05), end + 0.125, 1 / (1 + math.exp(-(0.5 * math.log(p / (1 - p)) + 0.25))), word)
        for start, end, share, word in shown(best.words, 0.04)
        for p in [min(max(share, 1e-6), 1 - 1e-6)]
    ]
    text, words = recognize(tmp_path, frames)
    assert text == best.text and set(text.split()) <= {"AB", "A", "E", "EACH", "DE'C"}
    assert_same(words, expected)

    best = BeamDecoder(model.units, lexicon=None, beam=30).decode(log_probs)[0]
    text, _ = recognize(tmp_path, frames, "ngram=", "lexicon=")
    assert text == best.text


def test_a_folder_with_a_word_ngram_only(tmp_path: Path, ngram: Path) -> None:
    path, frames, model, log_probs = make(tmp_path)
    best = BeamDecoder(model.units, ngram=ngram).decode(log_probs)[0]
    text, words = recognize(tmp_path, frames)
    assert text == best.text
    assert_same(words, shown(best.words, 0.04))
    assert recognize(path, frames, f"ngram={ngram}") == (text, words)
    assert recognize(tmp_path, frames, "ngram=")[0] == GreedyDecoder(model.units).decode(log_probs)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "decoder.json: "),
        ("[]", "version is missing"),
        ('{"version": 2}', "version is 2; this speechq reads version 1"),
        ('{"version": 1, "opts": {}}', "opts: unknown key"),
        ('{"version": 1, "options": {"beams": 3}}', "options.beams: unknown key"),
        ('{"version": 1, "options": {"beam": 1.5}}', "beam is 1.5: expected a whole number"),
        ('{"version": 1, "options": {"beam": "8"}}', "options.beam: found"),
        ('{"version": 1, "times": 3}', "times is 3: expected an object"),
        ('{"version": 1, "calibration": {"scale": -1}}', "calibration.scale is negative"),
        ('{"version": 1, "lexicon": "none.txt"}', "none.txt: cannot be read"),
    ],
)
def test_a_wrong_decoder_json(tmp_path: Path, content: str, message: str) -> None:
    _, frames, _, _ = make(tmp_path, frames=10)
    (tmp_path / "decoder.json").write_text(content)
    error = refused(tmp_path, frames)
    assert error.startswith("SPEECHQ_MODEL: ") and message in error and "none.txt" in error + "none.txt"


@pytest.mark.parametrize("cell", ["lstm", "sru"])
def test_a_character_model(tmp_path: Path, ngram: Path, cell: str) -> None:
    path, frames, model, log_probs = make(tmp_path)
    lm = tmp_path / "lm.sqm"
    write_model(lm, random_model(cell, features=None, units=model.units, seed=5))
    best = BeamDecoder(model.units, char_lm=lm, ngram=ngram, beam=8).decode(log_probs)[0]
    text, words = recognize(tmp_path, frames, "beam=8")
    assert text == best.text
    assert_same(words, shown(best.words, 0.04))
    best = BeamDecoder(model.units, char_lm=lm, char_lm_weight=0.5).decode(log_probs)[0]
    assert recognize(path, frames, f"char_lm={lm}", "char_lm_weight=0.5")[0] == best.text
    assert "expected a language model" in refused(path, frames, f"char_lm={path}")
    write_model(lm, random_model(cell, features=None))
    assert f"{lm}: its units" in refused(path, frames, f"char_lm={lm}")


def test_models_that_cannot_be_used(tmp_path: Path) -> None:
    path, frames, _, _ = make(tmp_path, frames=10)
    assert "there is no such model" in refused(tmp_path / "none", frames)
    assert "has no am.sqm" in refused(frames.parent.parent, frames)
    write_model(tmp_path / "lm.sqm", random_model("sru", features=None))
    assert "a language model takes no audio" in refused(tmp_path / "lm.sqm", frames)
    path.write_bytes(path.read_bytes()[:-1])
    assert str(path) in refused(path, frames)
