"""Bits per character of packed language models, through the engine and the command line."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path

import numpy as np
import pytest
from packed_models import random_model
from tiny_text import LANGUAGE, SENTENCES

from speechq.cli.main import main
from speechq.errors import DataError, ModelError
from speechq.lm.score import score_text
from speechq.lm.symbols import encode_text
from speechq.quant.reference import Reference
from speechq.runtime.model_file import write_model
from speechq.text.units import Units

UNITS = Units("characters", ("<blank>", *LANGUAGE.symbols[1:]))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lm") / "lm.sqm"
    write_model(path, random_model("lstm", bits=4, features=None, units=UNITS))
    return path


def bits_of(text: str) -> float:
    """Bits of the whole text by the reference: one stream that begins with an end symbol."""
    symbols = encode_text(text, LANGUAGE).symbols
    packed = random_model("lstm", bits=4, features=None, units=UNITS)
    (log_probs,) = Reference(packed).run([np.concatenate([[0], symbols[:-1]])])[0]
    return -sum(float(row[symbol]) for row, symbol in zip(log_probs, symbols, strict=True)) / math.log(2)


def test_the_sum_is_that_of_one_stream(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "text.txt.gz"
    text = "\n".join([*SENTENCES, "", "it's  no good,", *SENTENCES]) + "\n"
    path.write_bytes(gzip.compress(text.encode()))
    lines = [*SENTENCES, "IT'S NO GOOD", *SENTENCES]
    characters = sum(len(line) + 1 for line in lines)
    words = sum(len(line.split()) for line in lines)
    bits = bits_of("\n".join(lines))
    found = score_text(model, path)
    assert (found.sentences, found.words, found.characters) == (13, words, characters)
    assert (found.unknown, found.log10_unknown) == (0, 0)
    assert found.bits_per_character == pytest.approx(bits / characters, rel=1e-6)
    assert found.word_perplexity == pytest.approx(2 ** (found.bits_per_character * characters / words))
    assert found.perplexity == pytest.approx(2 ** (bits / (words + 13)), rel=1e-5)
    # Blocks of text and pieces of a block do not reset the state.
    monkeypatch.setattr("speechq.lm.corpus._BLOCK", 11)
    monkeypatch.setattr("speechq.lm.characters._PIECE", 5)
    assert score_text(model, path).log10 == pytest.approx(found.log10, rel=1e-12)


def test_errors_name_the_file(model: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("THE 3 MEN\n")
    with pytest.raises(DataError, match=r"text\.txt: '3' in 'THE 3 MEN' not in the 20 characters"):
        score_text(model, text)
    text.write_bytes(b"\xff\n")
    with pytest.raises(DataError, match=r"text\.txt: not UTF-8"):
        score_text(model, text)
    text.write_text("\n\n")
    with pytest.raises(DataError, match=r"text\.txt: empty"):
        score_text(model, text)
    write_model(tmp_path / "am.sqm", random_model("sru"))
    with pytest.raises(ModelError, match=r"am\.sqm: an acoustic model; expected a language model"):
        score_text(tmp_path / "am.sqm", text)
    (tmp_path / "bad.sqm").write_bytes(b"not a model")
    with pytest.raises(ModelError, match=r"bad\.sqm"):
        score_text(tmp_path / "bad.sqm", text)


def test_the_command_prints_what_was_measured(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("\n".join(SENTENCES))
    monkeypatch.setattr("sys.argv", ["speechq", "lm", "score", str(model), str(text), "--json"])
    with pytest.raises(SystemExit):
        main()
    (found,) = json.loads(capsys.readouterr().out)
    result = score_text(model, text)
    assert found["bits_per_character"] == result.bits_per_character
    assert found["word_perplexity"] == result.word_perplexity
    monkeypatch.setattr("sys.argv", ["speechq", "lm", "score", str(model), str(text)])
    with pytest.raises(SystemExit):
        main()
    assert f"{result.bits_per_character:.4f}" in capsys.readouterr().out
