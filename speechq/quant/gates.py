"""Gate functions and the log-softmax as one explicit sequence of IEEE operations.

Every operation has one rounding: float32 add, subtract, multiply, divide, floor, minimum,
maximum. An engine that does the same operations in the same order, without fused multiply-add, gets the same
bits on any machine. Constants are the float32 (in :func:`log`: float64) numbers nearest to the decimals
written here. docs/fixed-point.md lists the operations once more for implementers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

_ONE = np.float32(1)
_HALF = np.float32(0.5)
_LOG2E = np.float32(1.44269504)
# ln 2 in two parts: the high part has 10 bits, so that n * high is exact for every exponent n.
_LN2_HIGH = np.float32(0.693359375)
_LN2_LOW = np.float32(-2.12194440e-4)
# exp(r) = 1 + r + r^2 q(r) for |r| <= ln(2)/2; q by iteratively reweighted least squares on the relative
# error (3e-9).
_EXP = tuple(np.float32(c) for c in (1.38145988e-3, 8.36871658e-3, 4.16683890e-2, 0.166665211, 0.499999940))
# Between these bounds the result and its scaling are normal numbers, so that flushing of subnormals changes
# nothing.
_EXP_LOW = np.float32(-86)
_EXP_HIGH = np.float32(88)
_SIGMOID_LIMIT = np.float32(30)
_TANH_LIMIT = np.float32(10)


def exp(x: FloatArray) -> FloatArray:
    """``e^x``, ``x`` clamped to [-86, 88]; relative error below 2e-7; NaN stays NaN."""
    x = np.minimum(np.maximum(np.asarray(x, np.float32), _EXP_LOW), _EXP_HIGH)
    n = np.floor(x * _LOG2E + _HALF)
    r = x - n * _LN2_HIGH
    r = r - n * _LN2_LOW
    q = _EXP[0] * r + _EXP[1]
    q = q * r + _EXP[2]
    q = q * r + _EXP[3]
    q = q * r + _EXP[4]
    y = q * (r * r) + r
    y = y + _ONE
    # y is NaN where n is; the exponent only has to be some number there.
    exponent = np.where(n == n, n, 0).astype(np.int32) + np.int32(127)
    return np.asarray(y * (exponent << np.int32(23)).view(np.float32), np.float32)


def sigmoid(x: FloatArray) -> FloatArray:
    """``1 / (1 + exp(-x))``, ``x`` clamped to ±30; absolute error below 1.5e-7; NaN stays NaN."""
    x = np.minimum(np.maximum(np.asarray(x, np.float32), -_SIGMOID_LIMIT), _SIGMOID_LIMIT)
    return np.asarray(_ONE / (_ONE + exp(-x)), np.float32)


def tanh(x: FloatArray) -> FloatArray:
    """``(1 - t) / (1 + t)``, ``t = exp(-2 |x|)``, sign of ``x``; absolute error below 2e-7."""
    x = np.asarray(x, np.float32)
    magnitude = np.minimum(np.abs(x), _TANH_LIMIT)
    t = exp(np.float32(-2) * magnitude)
    return np.copysign((_ONE - t) / (_ONE + t), x)


def log(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Natural logarithm of finite ``x >= 1`` in float64, relative error below 1e-12.

    ``x = 2^k m`` with m in [sqrt(1/2), sqrt(2)), ``z = (m - 1) / (m + 1)``, ``log m = 2 z (1 + z^2/3 + z^4/5
    + ...)``.
    """
    m, k = np.frexp(np.asarray(x, np.float64))
    small = m < 0.70710678118654752
    m = np.where(small, m + m, m)
    exponent = np.where(small, k - 1, k).astype(np.float64)
    z = (m - 1.0) / (m + 1.0)
    square = z * z
    series = np.full_like(z, 1.0 / 15.0)
    for divisor in (13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0):
        series = series * square + 1.0 / divisor
    return np.asarray(exponent * 0.69314718055994531 + (z + z) * series, np.float64)


def log_softmax(logits: FloatArray) -> FloatArray:
    """``x - max - log(sum(exp(x - max)))`` over the last axis of ``[..., V]``; a NaN makes its whole frame
    NaN.

    Difference to the maximum and :func:`exp` in float32; the sum in float64, from symbol 0 upwards; its
    logarithm in float64, rounded to float32, then subtracted from the difference in float32.
    """
    logits = np.asarray(logits, np.float32)
    if logits.size == 0:
        return logits.copy()
    difference: FloatArray = logits - logits.max(axis=-1, keepdims=True)
    # np.add.accumulate adds in index order, which np.sum (pairwise) does not.
    total = np.add.accumulate(exp(difference), axis=-1, dtype=np.float64)[..., -1:]
    return np.asarray(difference - log(total).astype(np.float32), np.float32)
