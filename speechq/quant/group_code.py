"""(n, k) coding of structured sparse ternary weights: a table index per group (1707.03684).

Of n neighbouring codes in {-1, 0, 1} at most k are not zero, so a group is one of ``sum C(n, i) 2^i``, i from
0 to k, patterns: (8, 2) has 129, which 8 bits index, one bit per weight.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechq.errors import ConfigError

_LARGEST = 1 << 16  # patterns of a table


@lru_cache
def code_table(group: int, kept: int) -> NDArray[np.int8]:
    """All patterns ``[patterns, group]``: by the number of non-zeros, their places, signs with +1 first."""
    rows = []
    for count in range(kept + 1):
        for places in combinations(range(group), count):
            for signs in product((1, -1), repeat=count):
                row = [0] * group
                for place, sign in zip(places, signs, strict=True):
                    row[place] = sign
                rows.append(row)
                if len(rows) > _LARGEST:
                    raise ConfigError(f"({group}, {kept}) coding: more than {_LARGEST} patterns")
    table = np.array(rows, np.int8)
    table.setflags(write=False)
    return table


def index_bits(group: int, kept: int) -> int:
    """Bits of a group's index."""
    return (len(code_table(group, kept)) - 1).bit_length()


@lru_cache
def _order(group: int, kept: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The patterns as sorted numbers, and which pattern each is."""
    keys = _keys(code_table(group, kept))
    order = np.argsort(keys)
    return keys[order], order


def _keys(patterns: NDArray[Any]) -> NDArray[np.int64]:
    weights = 3 ** np.arange(patterns.shape[-1], dtype=np.int64)
    keys: NDArray[np.int64] = (patterns.astype(np.int64) + 1) @ weights
    return keys


def encode_groups(codes: NDArray[Any], group: int, kept: int) -> NDArray[np.int32]:
    """Indices ``[rows, ceil(columns / group)]`` of ternary codes ``[rows, columns]``.

    Zeros fill the last group of a row. ConfigError where a group has more than ``kept`` non-zeros, or a code
    is not ternary.
    """
    if codes.size and np.abs(codes).max() > 1:
        raise ConfigError(f"({group}, {kept}) coding: expected codes -1, 0 and 1")
    rows, columns = codes.shape
    padded = np.pad(codes, ((0, 0), (0, -columns % group))).reshape(rows, -1, group)
    keys, order = _order(group, kept)
    wanted = _keys(padded)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    if (keys[at] != wanted).any():
        raise ConfigError(f"({group}, {kept}) coding: a group has more than {kept} non-zeros")
    return order[at].astype(np.int32)


def decode_groups(indices: NDArray[Any], group: int, kept: int, columns: int) -> NDArray[np.int8]:
    """The codes ``[rows, columns]`` of ``encode_groups``; ConfigError for an index beyond the table."""
    table = code_table(group, kept)
    if indices.size and not 0 <= indices.min() <= indices.max() < len(table):
        raise ConfigError(f"({group}, {kept}) coding: expected indices from 0 to {len(table) - 1}")
    codes: NDArray[np.int8] = table[indices].reshape(len(indices), -1)[:, :columns]
    return codes
