"""Codes of a matrix at the entropy of their distribution: interleaved rANS, static and lossless.

Duda, "Asymmetric numeral systems", 1311.2540. The layout stands in docs/model-format.md: frequencies of the
codes in 1/16384, the states of 64 lanes, then 16-bit words in the order in which the decoder takes them. Code
``n`` belongs to lane ``n % 64``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechq.errors import ModelError
from speechq.runtime.packing import packed_bytes

LANES = 64
_PRECISION = 14
_TOTAL = 1 << _PRECISION
_LOW = 1 << 16  # a state lies in [2^16, 2^32) between symbols
# A reader refuses more, so that a damaged size takes no memory.
LARGEST_RATIO = 64


def frequencies(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Shares of 16384 like ``counts``: they sum to it, and what occurs has one at least."""
    total = int(counts.sum())
    found = np.where(counts > 0, np.maximum(counts * _TOTAL // max(total, 1), 1), 0)
    while (missing := _TOTAL - int(found.sum())) != 0:
        most = int(np.argmax(found))
        found[most] += missing if missing > 0 else -1
    return found


def encode_codes(codes: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """The bytes of ``codes`` (any shape, ``|code| <= 2^(bits-1) - 1``, at least one)."""
    qmax = 2 ** (bits - 1) - 1
    symbols = np.asarray(codes).ravel().astype(np.int64) + qmax
    if symbols.size == 0 or symbols.min() < 0 or symbols.max() > 2 * qmax:
        raise ModelError(f"range coding: expected codes within ±{qmax}")
    share = frequencies(np.bincount(symbols, minlength=2 * qmax + 1))
    start = np.cumsum(share) - share
    state = np.full(LANES, _LOW, np.int64)
    words: list[NDArray[np.int64]] = []
    for first in range((symbols.size - 1) // LANES * LANES, -1, -LANES):
        symbol = symbols[first : first + LANES]
        f, x = share[symbol], state[: symbol.size]
        full = x >= f << (32 - _PRECISION)
        words.append(x[full] & 0xFFFF)
        x = np.where(full, x >> 16, x)
        state[: symbol.size] = (x // f << _PRECISION) + x % f + start[symbol]
    stream = np.concatenate(words[::-1]).astype("<u2")
    parts = (share.astype("<u2"), state.astype("<u4"), stream)
    return np.concatenate([np.frombuffer(part.tobytes(), np.uint8) for part in parts])


def decode_codes(data: NDArray[np.uint8], bits: int, shape: tuple[int, ...]) -> NDArray[np.int8]:
    """The int8 codes of ``shape`` from ``encode_codes``; ModelError if the bytes are not of so many codes."""
    qmax = 2 ** (bits - 1) - 1
    count = int(np.prod(shape, dtype=np.int64))
    head = 2 * (2 * qmax + 1)
    if data.size < head + 4 * LANES or data.size % 2:
        raise ModelError(f"{data.size} bytes of range-coded codes: too few, or not a whole number of words")
    if packed_bytes(count, bits) > LARGEST_RATIO * data.size:
        raise ModelError(
            f"{data.size} bytes of range-coded codes are too few for {list(shape)} at {bits} bits"
        )
    raw = data.tobytes()
    share = np.frombuffer(raw, "<u2", 2 * qmax + 1).astype(np.int64)
    state = np.frombuffer(raw, "<u4", LANES, head).astype(np.int64)
    words = np.frombuffer(raw, "<u2", offset=head + 4 * LANES).astype(np.int64)
    if share.sum() != _TOTAL:
        raise ModelError(f"the frequencies of range-coded codes sum to {share.sum()}: expected {_TOTAL}")
    if state.min() < _LOW:
        raise ModelError("a state of range-coded codes is too small")
    start = np.cumsum(share) - share
    table = np.repeat(np.arange(2 * qmax + 1), share)
    symbols = np.empty(count, np.int64)
    taken = 0
    for first in range(0, count, LANES):
        x = state[: count - first]
        slot = x & (_TOTAL - 1)
        symbol = table[slot]
        symbols[first : first + LANES] = symbol
        x = share[symbol] * (x >> _PRECISION) + slot - start[symbol]
        low = x < _LOW
        needed = int(low.sum())
        if taken + needed > words.size:
            raise ModelError("range-coded codes end too early")
        x[low] = x[low] << 16 | words[taken : taken + needed]
        taken += needed
        state[: x.size] = x
    if taken != words.size or (state != _LOW).any():
        raise ModelError("range-coded codes do not end where they should")
    codes: NDArray[np.int8] = (symbols - qmax).astype(np.int8)
    return codes.reshape(shape)
