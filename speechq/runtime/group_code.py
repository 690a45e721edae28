"""(n, k) coding of structured sparse ternary weights: a table index per group (1707.03684).

Of n neighbouring codes in {-1, 0, 1} at most k are not zero, so a group is one of ``sum C(n, i) 2^i``, i from
0 to k, patterns: (8, 2) has 129, which 8 bits index, one bit per weight. In a model file the indices of a
matrix form one bit stream as packed codes do (docs/model-format.md).
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations, product
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechq.errors import ModelError

LARGEST_GROUP = 16
_LARGEST = 1 << 16  # patterns of a table
_CHUNK = 1 << 18  # groups that are encoded at a time


def has_table(group: int, kept: int) -> bool:
    """Whether (n, k) coding is possible: the group and its table are not too large."""
    if not 2 <= group <= LARGEST_GROUP or not 1 <= kept <= group:
        return False
    return sum(comb(group, count) << count for count in range(kept + 1)) <= _LARGEST


@lru_cache
def code_table(group: int, kept: int) -> NDArray[np.int8]:
    """All patterns ``[patterns, group]``: by the number of non-zeros, their places, signs with +1 first.

    ModelError unless there is a table (:func:`has_table`).
    """
    if not has_table(group, kept):
        raise ModelError(
            f"({group}, {kept}) coding: expected groups of 2 to {LARGEST_GROUP}, at least one non-zero, "
            f"and at most {_LARGEST} patterns"
        )
    rows = []
    for count in range(kept + 1):
        for places in combinations(range(group), count):
            for signs in product((1, -1), repeat=count):
                row = [0] * group
                for place, sign in zip(places, signs, strict=True):
                    row[place] = sign
                rows.append(row)
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


def obeys(codes: NDArray[Any], group: int, kept: int) -> bool:
    """Whether ``codes`` ``[rows, columns]`` are ternary with at most ``kept`` non-zeros in every group."""
    if codes.size and (codes.min() < -1 or codes.max() > 1):
        return False
    used = np.pad(codes != 0, ((0, 0), (0, -codes.shape[1] % group)))
    return bool((used.reshape(len(codes), -1, group).sum(axis=-1, dtype=np.int8) <= kept).all())


def encode_groups(codes: NDArray[Any], group: int, kept: int) -> NDArray[np.int32]:
    """Indices ``[rows, ceil(columns / group)]`` of ternary codes ``[rows, columns]``.

    Zeros fill the last group of a row. ModelError where a group has more than ``kept`` non-zeros, or a code
    is not ternary.
    """
    if codes.size and (codes.min() < -1 or codes.max() > 1):
        raise ModelError(f"({group}, {kept}) coding: expected codes -1, 0 and 1")
    rows, columns = codes.shape
    padded = np.pad(codes, ((0, 0), (0, -columns % group))).reshape(-1, group)
    keys, order = _order(group, kept)
    indices = np.empty(len(padded), np.int32)
    for first in range(0, len(padded), _CHUNK):
        wanted = _keys(padded[first : first + _CHUNK])
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        if (keys[at] != wanted).any():
            raise ModelError(f"({group}, {kept}) coding: a group has more than {kept} non-zeros")
        indices[first : first + _CHUNK] = order[at]
    return indices.reshape(rows, -1)


def decode_groups(indices: NDArray[Any], group: int, kept: int, columns: int) -> NDArray[np.int8]:
    """The codes ``[rows, columns]`` of ``encode_groups``.

    ModelError for an index beyond the table, and for a last group with non-zeros behind the row's end.
    """
    table = code_table(group, kept)
    if indices.size and not 0 <= indices.min() <= indices.max() < len(table):
        found = f"index {int(indices.max())}" if indices.min() >= 0 else f"index {int(indices.min())}"
        raise ModelError(f"({group}, {kept}) coding: {found}, expected indices from 0 to {len(table) - 1}")
    codes: NDArray[np.int8] = table[indices].reshape(len(indices), -1)
    if codes[:, columns:].any():
        raise ModelError(f"({group}, {kept}) coding: a group has non-zeros behind the end of its row")
    return np.ascontiguousarray(codes[:, :columns])


def coded_bytes(shape: tuple[int, ...], group: int, kept: int) -> int:
    """Bytes of the indices of a matrix ``[rows, columns]``."""
    rows, columns = shape
    return (rows * -(-columns // group) * index_bits(group, kept) + 7) // 8


def pack_groups(codes: NDArray[Any], group: int, kept: int) -> NDArray[np.uint8]:
    """The indices of ternary codes ``[rows, columns]`` as bytes; ModelError as ``encode_groups``."""
    indices = encode_groups(codes, group, kept).astype("<u2").reshape(-1, 1)
    bits = np.unpackbits(indices.view(np.uint8), axis=1, count=index_bits(group, kept), bitorder="little")
    return np.packbits(bits.reshape(-1), bitorder="little")


def unpack_groups(
    packed: NDArray[np.uint8], group: int, kept: int, shape: tuple[int, ...]
) -> NDArray[np.int8]:
    """The codes of ``shape`` from ``pack_groups``.

    ModelError for a wrong number of bytes, fill bits that are set, and what ``decode_groups`` refuses.
    """
    rows, columns = shape
    if rows < 1 or columns < 1:
        raise ModelError(f"it is {list(shape)}: expected rows and columns")
    width, count = index_bits(group, kept), rows * -(-columns // group)
    expected = coded_bytes(shape, group, kept)
    if packed.size != expected:
        found = f"{packed.size} bytes of codes"
        raise ModelError(f"{found}, but {list(shape)} in ({group}, {kept}) coding are {expected} bytes")
    bits = np.unpackbits(packed, bitorder="little")
    if bits[count * width :].any():
        raise ModelError("the fill bits behind the codes are not zero")
    fields = np.packbits(bits[: count * width].reshape(count, width), axis=1, bitorder="little")
    indices = np.zeros((count, 2), np.uint8)
    indices[:, : fields.shape[1]] = fields
    return decode_groups(indices.view("<u2").reshape(rows, -1), group, kept, columns)
