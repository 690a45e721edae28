from __future__ import annotations

import gzip
import json
import math
import sys
from pathlib import Path

import pytest
from test_kneser_ney import LAST_TWICE, arpa

from speechq._native import Ngram
from speechq.cli.main import main
from speechq.errors import DataError, ModelError
from speechq.lm.score import TextScore, score_text

TEXT = "a b  nowhere\n\n c\tgrüße \nb a\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return arpa(tmp_path_factory.mktemp("score"), LAST_TWICE, discount_fallback=True)


def test_sums_over_a_text(model: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt.gz"
    text.write_bytes(gzip.compress(TEXT.encode()))
    ngram = Ngram(str(model))
    scores = [ngram.word_scores(line.split()) for line in TEXT.splitlines()]
    unknown = [score for line in scores for score, oov in line if oov]
    total = sum(score for line in scores for score, _ in line)

    found = score_text(model, text)
    assert (found.sentences, found.words, found.unknown) == (4, 7, 2)
    assert found.characters == len("a b nowhere\n\nc grüße\nb a\n")
    assert found.log10 == pytest.approx(total)
    assert found.log10_unknown == pytest.approx(sum(unknown))
    assert found.unknown_rate == pytest.approx(2 / 7)
    assert found.perplexity == pytest.approx(10 ** (-total / 11))
    assert found.perplexity_known == pytest.approx(10 ** (-(total - sum(unknown)) / 9))
    assert found.bits_per_character == pytest.approx(-total / math.log10(2) / found.characters)


def test_perplexity_equals_the_kenlm_module(shared: Path, tmp_path: Path) -> None:
    kenlm = pytest.importorskip("kenlm", reason="needs the Python module of KenLM (extra dev)")
    books = shared / "data" / "lm_books"
    path = arpa(tmp_path, (books / "valid.txt").read_text())
    sentences = (books / "test.txt").read_text().splitlines()
    theirs = kenlm.Model(str(path))
    log10 = sum(theirs.score(sentence) for sentence in sentences)
    found = score_text(path, books / "test.txt")
    assert found.log10 == pytest.approx(log10, rel=1e-6)
    assert found.words == sum(len(sentence.split()) for sentence in sentences)
    assert found.characters == (books / "test.txt").stat().st_size  # ASCII, single spaces


def test_a_text_in_pieces(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = tmp_path / "text.txt"
    text.write_text(TEXT * 5, encoding="utf-8")
    whole = score_text(model, text)
    monkeypatch.setattr("speechq.lm.corpus._BLOCK", 5)
    pieces = score_text(model, text)
    assert pieces.log10 == pytest.approx(whole.log10)
    assert (pieces.sentences, pieces.words, pieces.characters) == (20, 35, whole.characters)


def test_all_words_unknown() -> None:
    found = TextScore(sentences=0, words=3, unknown=3, characters=9, log10=-6.0, log10_unknown=-6.0)
    assert found.perplexity == pytest.approx(100.0)
    assert found.perplexity_known == 1.0


def test_what_cannot_be_scored(model: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_bytes(b"")
    with pytest.raises(DataError, match=r"text\.txt: empty"):
        score_text(model, text)
    with pytest.raises(DataError, match="there is no such file"):
        score_text(model, tmp_path / "nothing")
    with pytest.raises(ModelError, match="there is no such file"):
        score_text(tmp_path / "nothing", text)
    text.write_bytes(b"a\nb </s>\n")
    with pytest.raises(DataError, match="line 2 contains </s>"):
        score_text(model, text)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["speechq", "lm", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def test_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("1.txt").write_text(LAST_TWICE)
    Path("2.txt").write_text("b a d\n")
    options = ["--order", "4", "--prune", "0", "0", "1", "--discount-fallback"]
    assert run(monkeypatch, "ngram", "1.txt", "2.txt", "-o", "w.arpa", *options) == 0
    assert run(monkeypatch, "ngram", *options, "-o", "same.arpa", "--", "1.txt", "2.txt") == 0
    assert Path("same.arpa").read_bytes() == Path("w.arpa").read_bytes()
    Path("both.txt").write_text(LAST_TWICE + "b a d\n")
    direct = arpa(tmp_path, Path("both.txt").read_text(), 4, prune=[0, 0, 1], discount_fallback=True)
    assert direct.read_bytes() == Path("w.arpa").read_bytes()

    assert run(monkeypatch, "binary", "w.arpa", "-o", "w.bin", "--bits", "16") == 0
    capsys.readouterr()
    results = []
    for model in ("w.arpa", "w.bin"):
        assert run(monkeypatch, "score", model, "2.txt", "--json") == 0
        results += json.loads(capsys.readouterr().out)
    assert results[1]["perplexity"] == pytest.approx(results[0]["perplexity"], rel=1e-3)
    assert results[0]["words"] == 3 and results[0]["oov_rate"] == 0.0
    assert run(monkeypatch, "score", "w.bin", "2.txt") == 0
    assert f"{results[1]['perplexity']:.2f} per word" in capsys.readouterr().out

    for command, complaint in (
        (["ngram", "2.txt", "-o", "x"], "discounts"),
        (["binary", "2.txt", "-o", "x"], "2.txt: not a complete ARPA"),
        (["score", "2.txt", "2.txt"], "2.txt: not a complete ARPA"),
    ):
        assert run(monkeypatch, *command) == 2
        assert complaint in capsys.readouterr().err
    assert not Path("x").exists()
