from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_text import LANGUAGE, SENTENCES

from speechq.errors import DataError
from speechq.lm.symbols import encode_text, read_text
from speechq.text.units import Units

WIDE = Units.characters("zøaж' ").with_end()


def sentences_of(symbols: list[int], units: Units) -> list[str]:
    found, current = [], []
    for symbol in symbols:
        if symbol:
            current.append(symbol)
        else:
            found.append(units.decode(current))
            current = []
    assert not current
    return found


@given(st.lists(st.text("zaøж", min_size=1, max_size=5), max_size=6))
def test_encoding_is_that_of_the_units_with_an_end_behind_each_sentence(lines: list[str]) -> None:
    expected = [symbol for line in lines for symbol in [*WIDE.encode(line), 0]]
    found = encode_text("\n".join(lines), WIDE)
    assert found.symbols.tolist() == expected
    assert found.words == len(lines)
    assert found.ends().tolist() == [k + 1 for k, symbol in enumerate(expected) if symbol == 0]


def test_text_is_normalized_and_empty_lines_are_left_out() -> None:
    found = encode_text("The  cat, sat!\n\n\u2014\nit\u2019s NO good\n", LANGUAGE)
    assert sentences_of(found.symbols.tolist(), LANGUAGE) == ["THE CAT SAT", "IT'S NO GOOD"]
    assert found.words == 6


def test_shuffling_keeps_sentences_whole() -> None:
    text = encode_text("\n".join(SENTENCES), LANGUAGE)
    orders = []
    for seed in range(5):
        orders.append(sentences_of(text.shuffled(np.random.default_rng(seed)).tolist(), LANGUAGE))
    assert all(sorted(order) == sorted(SENTENCES) for order in orders)
    assert len(set(map(tuple, orders))) > 1


def test_files_plain_and_compressed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, packed = tmp_path / "a.txt", tmp_path / "b.txt.gz"
    plain.write_text("\n".join(SENTENCES[:3]))
    packed.write_bytes(gzip.compress("\n".join(SENTENCES[3:]).encode()))
    expected = encode_text("\n".join(SENTENCES), LANGUAGE)
    monkeypatch.setattr("speechq.lm.corpus._BLOCK", 7)
    found = read_text([plain, packed], LANGUAGE)
    assert found.symbols.tolist() == expected.symbols.tolist()
    assert found.words == expected.words


def test_errors_name_the_file_and_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("THE CAT\nTHE 3 MEN\n")
    with pytest.raises(DataError, match=r"text\.txt: '3' in 'THE 3 MEN' not in the 20 characters"):
        read_text([path], LANGUAGE)
    path.write_text("\n\n")
    with pytest.raises(DataError, match=r"text\.txt: no words"):
        read_text([path], LANGUAGE)
    path.write_bytes(b"THE \xff\n")
    with pytest.raises(DataError, match=r"text\.txt: not UTF-8"):
        read_text([path], LANGUAGE)
    with pytest.raises(DataError, match="there is no such file"):
        read_text([tmp_path / "nothing"], LANGUAGE)
