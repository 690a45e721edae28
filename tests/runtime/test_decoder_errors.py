"""What the beam search refuses, and how it says so."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from decoder_cases import LETTERS, PHONES, PIECES, log_of_path
from decoder_reference import HistoryLm, random_log_probs

from speechq.errors import ConfigError, DataError, ModelError
from speechq.runtime import BeamDecoder
from speechq.runtime.lexicon import read_lexicon
from speechq.text.units import Units


def test_errors_of_a_character_model_come_through() -> None:
    class Broken(HistoryLm):
        def advance(self, states: Any, units: Any) -> Any:
            raise KeyError("no such state")

    log_probs = random_log_probs(np.random.default_rng(0), 5, 4)
    stream = BeamDecoder(LETTERS, char_lm=Broken(4, 0)).stream()
    with pytest.raises(KeyError, match="no such state"):
        stream.accept(log_probs)
    stream.accept(log_probs)
    assert (stream.partial, stream.finish()[0].score) == ("", -math.inf)
    with pytest.raises(KeyError, match="no such state"):
        stream.accept(log_probs)
    with pytest.raises(ConfigError, match="char_lm"):
        BeamDecoder(LETTERS, char_lm=7)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.5])
def test_values_that_are_no_log_probabilities(value: float) -> None:
    log_probs = random_log_probs(np.random.default_rng(0), 6, 4)
    stream = BeamDecoder(LETTERS).stream()
    stream.accept(log_probs)
    before = stream.best(5)
    log_probs[4, 2] = value
    with pytest.raises(DataError, match="frame 4, symbol 2 is"):
        stream.accept(log_probs)
    assert stream.best(5) == before
    assert stream.frames == 6


@pytest.mark.parametrize("shape", [(5,), (5, 3), (5, 5), (1, 5, 4)])
def test_wrong_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"expected \[frames, 4\]"):
        BeamDecoder(LETTERS).decode(np.zeros(shape, np.float32))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("beam", 0),
        ("beam", 1.5),
        ("depth", 0),
        ("beam_threshold", 0.0),
        ("beam_threshold", math.nan),
        ("symbol_threshold", 1.0),
        ("ngram_weight", -1.0),
        ("char_lm_weight", math.inf),
        ("oov_penalty", -math.inf),
        ("word_bonus", "much"),
    ],
)
def test_wrong_options(option: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=option):
        BeamDecoder(LETTERS, **{option: value})


def test_wrong_hotwords() -> None:
    with pytest.raises(DataError, match="hotword 'a x': the units cannot spell 'x'"):
        BeamDecoder(LETTERS, hotwords=["a x"])
    with pytest.raises(DataError, match="'ba' is not in the lexicon"):
        BeamDecoder(LETTERS, lexicon=["ab"], hotwords=["ab ba"])
    with pytest.raises(DataError, match="finite"):
        BeamDecoder(LETTERS, hotwords=[("a", math.nan)])
    with pytest.raises(DataError, match="empty"):
        BeamDecoder(LETTERS, hotwords=[" "])
    with pytest.raises(ConfigError, match="a list"):
        BeamDecoder(LETTERS, hotwords="ab")


def test_lexicon_files(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("cat K AE T\n\nat\tAE  T\ncat  K T\n", encoding="utf-8")
    assert read_lexicon(path) == [("cat", "K AE T"), ("at", "AE  T"), ("cat", "K T")]
    units = Units.phones(PHONES[1:])
    best = BeamDecoder(units, lexicon=path).decode(log_of_path([1, 0, 3, 0, 2, 3], 4, 0.97))[0]
    assert best.text == "cat at"
    assert [(w.text, w.start, w.end) for w in best.words] == [("cat", 0, 3), ("at", 4, 6)]
    path.write_text("cat K X\n", encoding="utf-8")
    with pytest.raises(DataError, match="cannot spell 'cat' as 'K X'"):
        BeamDecoder(units, lexicon=path)
    path.write_bytes(b"caf\xe9\n")
    with pytest.raises(DataError, match="not UTF-8"):
        BeamDecoder(units, lexicon=path)
    path.write_text("\n")
    with pytest.raises(DataError, match="no words"):
        BeamDecoder(units, lexicon=path)
    with pytest.raises(DataError, match="cannot be read"):
        BeamDecoder(units, lexicon=tmp_path / "none.txt")
    with pytest.raises(DataError, match="no words"):
        BeamDecoder(units, lexicon=[])


def test_damaged_ngrams(arpa: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        BeamDecoder(LETTERS, ngram=tmp_path / "none.arpa")
    broken = tmp_path / "broken.arpa"
    text = arpa.read_text()
    broken.write_bytes(b"\\data\\\nngram 1=\xff\xfe\n")
    with pytest.raises(ModelError, match=r"broken\.arpa"):
        BeamDecoder(LETTERS, ngram=broken)
    for damage in (text[: len(text) // 2], "", "some text\n", text.replace("ngram 2=", "ngram 2=9")):
        broken.write_text(damage)
        with pytest.raises(ModelError, match=r"broken\.arpa"):
            BeamDecoder(LETTERS, ngram=broken)


def test_kinds_of_a_plain_list() -> None:
    assert BeamDecoder(LETTERS).units.kind == "characters"
    assert BeamDecoder(PHONES).units.kind == "phones"
    assert BeamDecoder(PIECES).units.kind == "pieces"
