from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechq.errors import DataError
from speechq.runtime.greedy import Decoder, GreedyDecoder, best_path, collapse
from speechq.text.units import Units


def one_hot(path: list[int], symbols: int) -> np.ndarray:
    return np.log(np.eye(symbols, dtype=np.float32)[path] * 0.9 + np.float32(0.01))


@given(st.lists(st.integers(0, 4), max_size=40))
def test_collapse(path: list[int]) -> None:
    assert collapse(np.array(path, np.intp)) == [symbol for symbol, _ in groupby(path) if symbol]


def test_text() -> None:
    units = Units.characters(" AB")
    decoder: Decoder = GreedyDecoder(units)
    path = [0, 2, 2, 0, 2, 3, 3, 1, 0, 0, 3, 0]
    assert decoder.decode(one_hot(path, 4)) == "AAB B"
    assert decoder.decode(np.zeros((0, 4), np.float32)) == ""
    np.testing.assert_array_equal(best_path(one_hot(path, 4)), path)


def test_phones() -> None:
    decoder = GreedyDecoder(Units.phones(["sil", "aa", "b"]))
    assert decoder.decode(one_hot([1, 1, 0, 2, 3, 0, 3], 4)) == "sil aa b b"


def test_wrong_width() -> None:
    with pytest.raises(DataError, match="expected"):
        GreedyDecoder(Units.characters("AB")).decode(np.zeros((5, 4), np.float32))
    with pytest.raises(DataError, match="expected"):
        best_path(np.zeros(5, np.float32))
