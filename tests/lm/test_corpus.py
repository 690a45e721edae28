from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from speechq.errors import DataError
from speechq.lm import corpus
from speechq.lm.corpus import read_corpus


def write(path: Path, text: bytes) -> Path:
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def sentences(path: Path, *more: Path) -> list[list[bytes]]:
    """The sentences that were read, back as words."""
    found = read_corpus([path, *more])
    texts: list[list[bytes]] = []
    for token in found.tokens:
        if token == corpus.BOS:
            texts.append([])
        elif token != corpus.EOS:
            texts[-1].append(found.words[token])
    assert np.count_nonzero(found.tokens == corpus.EOS) == len(texts)
    return texts


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
@pytest.mark.parametrize("block", [1, 3, 1 << 20])
def test_reads_plain_and_gzip_in_any_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, block: int
) -> None:
    monkeypatch.setattr(corpus, "_BLOCK", block)
    text = "one two\n\n  three\r\nvier\tfünf\0six\nfeed\x0bform\x0c one".encode()
    expected = [[b"one", b"two"], [], [b"three"], [b"vier", "fünf".encode(), b"six"]]
    assert sentences(write(tmp_path / name, text)) == [*expected, [b"feed\x0bform\x0c", b"one"]]


def test_a_file_without_a_last_line_end_does_not_run_into_the_next(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a", b"a b"), write(tmp_path / "b", b"c\n")
    assert sentences(first, second) == [[b"a", b"b"], [b"c"]]


def test_words_are_sorted_and_their_appearance_is_known(tmp_path: Path) -> None:
    found = read_corpus([write(tmp_path / "a", "z b ä\na z\n".encode())])
    assert found.words == [b"<unk>", b"<s>", b"</s>", b"a", b"b", b"z", "ä".encode()]
    assert found.seen.tolist() == [0, 1, 2, 6, 4, 3, 5]


@pytest.mark.parametrize("word", ["<s>", "</s>", "<unk>", "<UNK>"])
def test_special_words_are_refused_with_their_line(tmp_path: Path, word: str) -> None:
    path = write(tmp_path / "a.txt", f"a\nx{word} b\na {word}\n".encode())
    with pytest.raises(DataError, match=rf"a\.txt: line 3 contains {word}"):
        read_corpus([path])


def test_line_numbers_count_over_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "_BLOCK", 8)
    with pytest.raises(DataError, match="line 101 contains <s>"):
        read_corpus([write(tmp_path / "a", b"word\n" * 100 + b"<s>\n")])


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing: there is no such file"):
        read_corpus([tmp_path / "nothing"])
    with pytest.raises(DataError, match="no words"):
        read_corpus([write(tmp_path / "empty", b"\n \n")])
    whole = gzip.compress(bytes(range(256)) * 100)
    for damaged in (whole[:-20], whole[:20] + b"\0\0\0\0" + whole[24:], whole[:-1] + b"!"):
        (tmp_path / "cut.gz").write_bytes(damaged)
        with pytest.raises(DataError, match=r"cut\.gz: the gzip file is damaged"):
            read_corpus([tmp_path / "cut.gz"])
