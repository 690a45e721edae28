from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from decoder_reference import random_log_probs, write_arpa
from packed_models import random_model

from speechq.errors import ConfigError, ModelError
from speechq.runtime import BeamDecoder
from speechq.runtime.decoder_settings import (
    Calibration,
    DecoderOptions,
    DecoderSettings,
    WordTimes,
    logit,
    read_settings,
    write_settings,
)
from speechq.runtime.greedy import GreedyDecoder
from speechq.runtime.model_file import write_model
from speechq.runtime.model_folder import find_model
from speechq.text.units import Units

UNITS = Units.characters(" 'ABC")


def folder_with(folder: Path, *names: str) -> Path:
    """A model folder with the acoustic model and the parts that are named."""
    folder.mkdir(exist_ok=True)
    write_model(folder / "am.sqm", random_model(units=UNITS))
    if "lm.sqm" in names:
        write_model(folder / "lm.sqm", random_model("lstm", features=None, units=UNITS))
    if "words.arpa" in names:
        write_arpa(folder / "words.arpa", ["A", "B", "ABC"], np.random.default_rng(1))
    if "decoder.json" in names:
        write_settings(folder / "decoder.json", SETTINGS)
    return folder


SETTINGS = DecoderSettings(
    options=DecoderOptions(beam=7, ngram_weight=0.5, word_bonus=-1.0),
    times=WordTimes(start=-0.05, end=0.02),
    calibration=Calibration(scale=0.5, offset=-0.25),
    provenance={"commit": "abc"},
)


@pytest.mark.parametrize(
    "names", [(), ("lm.sqm",), ("words.arpa",), ("lm.sqm", "words.arpa", "decoder.json")]
)
def test_a_folder_gives_what_lies_in_it(tmp_path: Path, names: tuple[str, ...]) -> None:
    found = find_model(folder_with(tmp_path / "m", *names))
    parts = (found.char_lm, found.ngram, found.settings_file)
    assert {path.name for path in parts if path is not None} == set(names)
    sizes = [path.stat().st_size for path in (tmp_path / "m").iterdir() if path.name != "decoder.json"]
    assert found.size_bytes == sum(sizes)
    assert isinstance(found.decoder(UNITS), BeamDecoder if names else GreedyDecoder)


def test_a_file_stands_for_itself(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "m", "lm.sqm", "words.arpa", "decoder.json")
    found = find_model(folder / "am.sqm")
    assert (found.char_lm, found.ngram, found.settings) == (None, None, None)
    assert isinstance(found.decoder(UNITS), GreedyDecoder)
    assert isinstance(found.decoder(UNITS, beam=3), BeamDecoder)


def test_the_binary_n_gram_comes_before_the_text(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "m", "words.arpa")
    (folder / "words.bin").write_bytes(b"")
    found = find_model(folder)
    assert found.ngram == folder / "words.bin"


def test_the_decoder_has_the_tuned_options_unless_others_are_asked_for(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "m", "words.arpa", "decoder.json")
    log_probs = random_log_probs(np.random.default_rng(3), 20, len(UNITS))
    ngram = folder / "words.arpa"

    def scores(decoder: Any) -> list[tuple[str, float]]:
        return [(h.text, h.score) for h in decoder.decode(log_probs)]

    tuned = BeamDecoder(UNITS, ngram=ngram, beam=7, ngram_weight=0.5, word_bonus=-1.0)
    assert scores(find_model(folder).decoder(UNITS)) == scores(tuned)
    other = BeamDecoder(UNITS, ngram=ngram, beam=7, ngram_weight=2.0, word_bonus=-1.0)
    assert scores(find_model(folder).decoder(UNITS, ngram_weight=2.0)) == scores(other)


def test_settings_come_back(tmp_path: Path) -> None:
    path = tmp_path / "decoder.json"
    write_settings(path, SETTINGS)
    assert read_settings(path) == SETTINGS
    assert "depth" not in json.loads(path.read_text())["options"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"version": 2}, "version is 2; this speechq reads version 1"),
        ({"colour": "red"}, "colour: unknown key; expected one of version, options"),
        ({"options": {"width": 3}}, "options.width: unknown key; expected one of beam,"),
        ({"options": {"beam": 0}}, "options.beam: Input should be greater than or equal to 1 (found 0)"),
        ({"options": {"ngram_weight": -1}}, "options.ngram_weight"),
        ({"options": {"word_bonus": float("inf")}}, "options.word_bonus"),
        ({"times": {"start": "late"}}, "times.start"),
    ],
)
def test_what_is_wrong_with_decoder_json_is_named(
    tmp_path: Path, change: dict[str, Any], expected: str
) -> None:
    folder = folder_with(tmp_path / "m", "decoder.json")
    path = folder / "decoder.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ModelError) as caught:
        find_model(folder)
    assert str(caught.value).startswith(f"{path}: {expected}")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"version": 1, "options": 3}'])
def test_damaged_settings_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "decoder.json"
    path.write_text(text)
    with pytest.raises(ModelError, match=r"decoder\.json"):
        read_settings(path)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model"):
        find_model(tmp_path / "none")
    with pytest.raises(ModelError, match=r"has no am\.sqm"):
        find_model(tmp_path)


def test_a_lexicon_lies_in_the_folder(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "m")
    write_settings(folder / "decoder.json", DecoderSettings(lexicon="lexicon.txt"))
    (folder / "lexicon.txt").write_text("ABC\nCAB\n")
    log_probs = random_log_probs(np.random.default_rng(5), 30, len(UNITS))
    best = find_model(folder).decoder(UNITS).decode(log_probs)[0]  # type: ignore[union-attr]
    assert set(best.text.split()) <= {"ABC", "CAB"}


def test_a_character_model_of_other_units_is_refused(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "m", "lm.sqm")
    with pytest.raises(ModelError, match=r"lm\.sqm: it lacks the acoustic model's 'D'"):
        find_model(folder).decoder(Units.characters(" 'ABD"))
    (folder / "lm.sqm").write_bytes((folder / "am.sqm").read_bytes())
    with pytest.raises(ModelError, match="an acoustic model; expected a language model"):
        find_model(folder).decoder(UNITS)


def test_an_option_that_is_not_valid_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="beam is 0"):
        find_model(folder_with(tmp_path / "m", "words.arpa")).decoder(UNITS, beam=0)


def test_calibration_is_monotonic_and_leaves_confidence_alone_by_default() -> None:
    p = np.linspace(0, 1, 101)
    assert Calibration().apply(p) == pytest.approx(p, abs=2e-6)
    calibrated = Calibration(scale=0.5, offset=-0.25).apply(p)
    assert (np.diff(calibrated) >= 0).all()
    assert logit(calibrated[50]) == pytest.approx(-0.25)
