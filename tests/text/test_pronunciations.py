from __future__ import annotations

from pathlib import Path

import pytest

from speechq.errors import DataError
from speechq.text.pronunciations import pronounce, read_pronunciations

CMU = """;;; a comment
A  AH0
A(2)  EY1
CAT  K AE1 T
"""
NLTK = """A 1 AH0
A 2 EY1
CAT 1 K AE1 T
"""
EXPECTED = {"A": ("AH", "EY"), "CAT": ("K AE T",)}


@pytest.mark.parametrize("text", [CMU, NLTK, "A AH\nA EY\nA AH0\n\nCAT K AE T"])
def test_the_forms_of_the_cmu_dictionary(tmp_path: Path, text: str) -> None:
    path = tmp_path / "dict"
    path.write_text(text)
    assert read_pronunciations(path) == EXPECTED


def test_the_first_pronunciation_is_taken() -> None:
    assert pronounce("A CAT", EXPECTED) == "AH K AE T"
    assert pronounce("A DOG", EXPECTED) is None


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    path = tmp_path / "dict"
    for text, expected in (("A AH\nCAT\n", r"dict:2: 'CAT' has no phones"), (";;; x\n", "has no words")):
        path.write_text(text)
        with pytest.raises(DataError, match=expected):
            read_pronunciations(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_pronunciations(tmp_path / "none")


def test_the_whole_dictionary(shared: Path) -> None:
    found = read_pronunciations(shared / "data" / "cmudict" / "cmudict")
    assert len({phone for s in found.values() for one in s for phone in one.split()}) == 39
    assert found["TOMATO"] == ("T AH M EY T OW", "T AH M AA T OW")
