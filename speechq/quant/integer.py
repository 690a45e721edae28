"""Integer arithmetic of ``integer`` mode: requantization by multiply and shift, gate functions by table.

Numbers in between are in Q12 (``value = integer / 4096``). All intermediate results fit 64-bit integers;
stored ones fit 32 bits.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from speechq.errors import ModelError
from speechq.quant.products import FloatArray
from speechq.quant.rounding import code, qmax_of
from speechq.runtime.graph import Signal

IntArray = NDArray[np.int64]
DoubleArray = NDArray[np.float64]

Q12 = 4096.0
# Pre-activations saturate here, so that three of them still add up within 32 bits.
PRE_LIMIT = 2**29 - 1
# Linear signals (candidates, skip inputs) in Q12 saturate at ±256.
VALUE_LIMIT = 2**20 - 1
# Gate tables have an entry every 1/2^INDEX_BITS from -8 up to (not including) 8.
INDEX_BITS = 9
TABLE_HALF = 8 << INDEX_BITS
_INDEX_SHIFT = 12 - INDEX_BITS
_MOST_SHIFT = 62


def shift_rounded(x: IntArray, shift: IntArray | int) -> IntArray:
    """``x / 2^shift`` (shift >= 1) to the nearest integer, ties away from zero."""
    half = np.left_shift(np.int64(1), np.asarray(shift, np.int64) - 1)
    magnitude = np.right_shift(np.abs(x) + half, shift)
    return np.asarray(np.where(x < 0, -magnitude, magnitude), np.int64)


def _nearest(x: DoubleArray) -> IntArray:
    return np.copysign(np.floor(np.abs(x) + 0.5), x).astype(np.int64)


def multipliers(ratios: DoubleArray) -> tuple[IntArray, int]:
    """Integers m and one shift with ``m / 2^shift`` near each ratio: the largest shift (at most 62) at which
    all ``|m| < 2^31``. ModelError where that shift is below 1.
    """
    ratios = np.asarray(ratios, np.float64)
    exponent = int(np.frexp(np.abs(ratios).max())[1])
    shift = min(31 - exponent, _MOST_SHIFT)
    if shift < 1:
        raise ModelError(
            f"steps that differ by a factor of {np.abs(ratios).max():.3g} leave the integer range"
        )
    return np.clip(_nearest(np.ldexp(ratios, shift)), 1 - 2**31, 2**31 - 1), shift


class Requantizer:
    """Multiplies integers by a float ratio (one, or one per unit), rounds, and saturates at ``±limit``."""

    def __init__(self, ratio: DoubleArray | float, limit: int) -> None:
        pairs = [multipliers(np.array([value])) for value in np.atleast_1d(np.asarray(ratio, np.float64))]
        self._multiplier = np.concatenate([pair[0] for pair in pairs])
        self._shift = np.array([pair[1] for pair in pairs], np.int64)
        self._limit = limit

    def __call__(self, x: IntArray) -> IntArray:
        """``[..., units]`` to the same shape; ``|x| < 2^31``."""
        y = shift_rounded(x * self._multiplier, self._shift)
        return np.clip(y, -self._limit, self._limit)


class Mixer:
    """``sum of ratio_k * x_k`` with one rounding, saturated at ``±limit``: cells and outputs."""

    def __init__(self, ratios: list[float], limit: int) -> None:
        self._multipliers, self._shift = multipliers(np.array(ratios))
        self._limit = limit

    def __call__(self, *terms: IntArray) -> IntArray:
        """One array per ratio; every ``|x_k * multiplier_k| < 2^61``."""
        total = terms[0] * self._multipliers[0]
        for term, multiplier in zip(terms[1:], self._multipliers[1:], strict=True):
            total = total + term * multiplier
        return np.clip(shift_rounded(total, self._shift), -self._limit, self._limit)


class GateTable:
    """Gate codes, not interpolated: entry k is that of ``function((k - TABLE_HALF) / 2^INDEX_BITS)``."""

    def __init__(self, function: Callable[[FloatArray], FloatArray], grid: Signal) -> None:
        x = (np.arange(2 * TABLE_HALF) - TABLE_HALF).astype(np.float32) / np.float32(2**INDEX_BITS)
        self.codes = code(function(x), np.float32(grid.step), qmax_of(grid.bits)).astype(np.int64)

    def of_pre(self, pre: IntArray) -> IntArray:
        """Codes of Q12 pre-activations: index ``pre`` shifted to INDEX_BITS, half rounded up, saturated."""
        return self.of_index((pre + (1 << (_INDEX_SHIFT - 1))) >> _INDEX_SHIFT)

    def of_index(self, index: IntArray) -> IntArray:
        """Codes at ``index / 2^INDEX_BITS``, saturated to the table."""
        return np.asarray(self.codes[np.clip(index, -TABLE_HALF, TABLE_HALF - 1) + TABLE_HALF], np.int64)


def q12(vector: FloatArray) -> IntArray:
    """A float vector in Q12, ties away from zero, saturated like a pre-activation."""
    return np.clip(_nearest(vector.astype(np.float64) * Q12), -PRE_LIMIT, PRE_LIMIT)
