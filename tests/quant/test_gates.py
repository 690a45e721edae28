from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from speechq.quant import gates

F32 = np.float32


def grid(low: float, high: float) -> np.ndarray:
    values = np.linspace(low, high, 200_001).astype(np.float32)
    tiny = np.float32(10) ** np.arange(-30, 1, dtype=np.float32)
    return np.concatenate([values, tiny[tiny < high], -tiny[-tiny > low]])


def test_exp_relative_error() -> None:
    x = grid(-85.9, 87.9)
    exact = np.exp(x.astype(np.float64))
    assert np.max(np.abs(gates.exp(x) / exact - 1)) < 2e-7


@pytest.mark.parametrize(
    ("function", "exact", "bound"),
    [(gates.sigmoid, lambda x: 1 / (1 + np.exp(-x)), 1.5e-7), (gates.tanh, np.tanh, 2e-7)],
)
def test_gate_absolute_error(function, exact, bound) -> None:
    for x in (grid(-12, 12), grid(-100, 100)):
        assert np.max(np.abs(function(x) - exact(x.astype(np.float64)))) < bound


def test_fixed_points_and_symmetry() -> None:
    x = grid(0, 20)
    assert gates.exp(F32(0)) == 1 and gates.sigmoid(F32(0)) == 0.5 and gates.tanh(F32(0)) == 0
    np.testing.assert_array_equal(gates.tanh(-x), -gates.tanh(x))
    assert np.all(np.diff(gates.sigmoid(np.linspace(-40, 40, 4001, dtype=F32))) >= -6e-8)


def test_huge_and_nan() -> None:
    x = np.array([-np.inf, -3e38, 3e38, np.inf, np.nan], np.float32)
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(gates.tanh(x), np.array([-1, -1, 1, 1, np.nan], np.float32))
        low, _, _, high, nan = gates.sigmoid(x)
        assert 0 < low < 1e-12 and high == 1 and np.isnan(nan)
        smallest, _, _, largest, nan = gates.exp(x)
        # Normal numbers at both ends: flushing subnormals to zero must not change a bit.
        assert smallest >= np.finfo(np.float32).tiny and np.isfinite(largest) and np.isnan(nan)
    assert gates.sigmoid(x[:4]).min() >= np.finfo(np.float32).tiny


def scalar_exp(x: float) -> np.float32:
    """The documented operations one by one on numpy scalars, scaled by math.ldexp."""
    x = min(max(F32(x), F32(-86)), F32(88))
    n = F32(math.floor(F32(F32(x * F32(1.44269504)) + F32(0.5))))
    r = F32(x - F32(n * F32(0.693359375)))
    r = F32(r - F32(n * F32(-2.12194440e-4)))
    q = F32(1.38145988e-3)
    for c in (8.36871658e-3, 4.16683890e-2, 0.166665211, 0.499999940):
        q = F32(F32(q * r) + F32(c))
    y = F32(F32(F32(q * F32(r * r)) + r) + F32(1))
    return F32(math.ldexp(float(y), int(n)))


@given(st.floats(-120, 120, width=32))
def test_documented_order(x: float) -> None:
    e = scalar_exp(x)
    assert gates.exp(F32(x)) == e
    clamped = min(max(F32(x), F32(-30)), F32(30))
    assert gates.sigmoid(F32(x)) == F32(1) / F32(F32(1) + scalar_exp(-clamped))
    t = scalar_exp(F32(-2) * min(abs(F32(x)), F32(10)))
    assert gates.tanh(F32(x)) == np.copysign(F32(1 - t) / F32(1 + t), F32(x))


def test_vectors_equal_scalars() -> None:
    x = np.random.default_rng(0).normal(0, 5, 1001).astype(np.float32)
    for function in (gates.exp, gates.sigmoid, gates.tanh):
        np.testing.assert_array_equal(function(x), [function(value) for value in x])
        np.testing.assert_array_equal(function(x.reshape(7, 143)).ravel(), function(x))


def test_log() -> None:
    x = np.concatenate([np.linspace(1, 3, 1001), 10.0 ** np.linspace(0, 6, 1001), 2.0 ** np.arange(20)])
    np.testing.assert_allclose(gates.log(x), np.log(x), rtol=1e-12, atol=0)
    assert gates.log(np.array([1.0])) == 0


@given(arrays(np.float32, (3, 31), elements=st.floats(-50, 50, width=32)))
def test_log_softmax(logits: np.ndarray) -> None:
    found = gates.log_softmax(logits)
    exact = logits.astype(np.float64)
    exact = exact - np.log(np.sum(np.exp(exact - exact.max(1, keepdims=True)), 1, keepdims=True))
    exact = exact - logits.max(1, keepdims=True)
    np.testing.assert_allclose(found, exact, rtol=3e-7, atol=3e-7)
    for row, frame in zip(found, logits, strict=True):
        difference = frame - frame.max()
        total = 0.0
        for value in difference:
            total += float(gates.exp(value))
        np.testing.assert_array_equal(row, difference - F32(gates.log(np.float64(total))))


def test_log_softmax_empty_and_nan() -> None:
    assert gates.log_softmax(np.zeros((0, 5), np.float32)).shape == (0, 5)
    x = np.zeros((2, 4), np.float32)
    x[1, 2] = np.nan
    found = gates.log_softmax(x)
    assert np.isnan(found[1]).all()
    np.testing.assert_allclose(found[0], -math.log(4), rtol=1e-7)
