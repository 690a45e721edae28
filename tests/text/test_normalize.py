from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechq.text.normalize import ALPHABET, normalize_text


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("  Don\u2019t \t stop\n", "DON'T STOP"),
        ("caf\u00e9 na\u00efve \ufb01ne", "CAFE NAIVE FINE"),
        ("well-known \u2013 and/or", "WELL KNOWN AND OR"),
        ("AT&T", "AT AND T"),
        ("\u201cHello,\u201d she said; 'so?'", "HELLO SHE SAID 'SO'"),
        ("rock ' n ' roll", "ROCK N ROLL"),
        ("Route 66", "ROUTE 66"),
        ("I. B. M.", "I B M"),
        ("", ""),
    ],
)
def test_known_texts(raw, expected):
    assert normalize_text(raw) == expected


def test_the_alphabet_decides():
    assert normalize_text("I. B. M.", ALPHABET + ".") == "I. B. M."
    assert normalize_text("Don't", " ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "DONT"
    assert normalize_text("Don't R&D", " 'abcdefghijklmnopqrstuvwxyz") == "don't r and d"


@given(st.text())
def test_normalizing_twice_changes_nothing(text):
    once = normalize_text(text)
    assert normalize_text(once) == once
    assert "  " not in once
    assert once == once.strip()


def test_language_model_text_is_normal_already(shared):
    with gzip.open(shared / "data" / "lm_books" / "train.txt.gz", "rt", encoding="utf-8") as stream:
        for _, line in zip(range(5000), stream, strict=False):
            assert normalize_text(line) == line.rstrip("\n")
