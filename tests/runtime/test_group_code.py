"""(n, k) coding of structured sparse ternary weights."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechq.errors import ModelError
from speechq.runtime.group_code import code_table, decode_groups, encode_groups, index_bits

SIZES = [(4, 1, 9, 4), (4, 2, 33, 6), (8, 1, 17, 5), (8, 2, 129, 8), (8, 3, 577, 10), (16, 2, 513, 10)]


@pytest.mark.parametrize(("group", "kept", "codes", "bits"), [*SIZES, (16, 4, 34113, 16)])
def test_the_size_of_the_table_is_the_papers(group: int, kept: int, codes: int, bits: int) -> None:
    assert len(code_table(group, kept)) == codes
    assert sum(math.comb(group, i) * 2**i for i in range(kept + 1)) == codes
    assert index_bits(group, kept) == bits


def test_the_table_holds_every_pattern_once() -> None:
    expected = {p for p in product((-1, 0, 1), repeat=5) if sum(v != 0 for v in p) <= 3}
    table = [tuple(row) for row in code_table(5, 3).tolist()]
    assert len(table) == len(expected)
    assert set(table) == expected
    assert table[0] == (0, 0, 0, 0, 0)
    assert table[1:3] == [(1, 0, 0, 0, 0), (-1, 0, 0, 0, 0)]


@given(st.integers(1, 5), st.integers(1, 40), st.sampled_from(SIZES), st.integers(0, 2**31))
def test_codes_come_back(rows: int, columns: int, size: tuple[int, int, int, int], seed: int) -> None:
    group, kept, patterns, _ = size
    rng = np.random.default_rng(seed)
    codes = np.zeros((rows, columns), np.int8)
    for row, start in product(range(rows), range(0, columns, group)):
        width = min(group, columns - start)
        places = rng.choice(width, min(rng.integers(0, kept + 1), width), replace=False)
        codes[row, start + places] = rng.choice([-1, 1], len(places))
    indices = encode_groups(codes, group, kept)
    assert indices.shape == (rows, math.ceil(columns / group))
    assert indices.max() < patterns
    np.testing.assert_array_equal(decode_groups(indices, group, kept, columns), codes)
    table = code_table(group, kept).tolist()
    for row, start in product(range(rows), range(0, columns, group)):
        pattern = [*codes[row, start : start + group].tolist(), *[0] * group][:group]
        assert indices[row, start // group] == table.index(pattern)


def test_what_has_no_code_is_refused() -> None:
    with pytest.raises(ModelError, match="more than 2 non-zeros"):
        encode_groups(np.array([[1, -1, 1, 0, 0, 0, 0, 0]]), 8, 2)
    with pytest.raises(ModelError, match="codes -1, 0 and 1"):
        encode_groups(np.array([[2, 0, 0, 0]]), 4, 1)
    with pytest.raises(ModelError, match="indices from 0 to 128"):
        decode_groups(np.array([[129]]), 8, 2, 8)
    with pytest.raises(ModelError, match="at most 65536 patterns"):
        code_table(16, 8)
