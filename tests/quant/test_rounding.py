from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from speechq.errors import ConfigError
from speechq.quant.rounding import code, code_float, optimal_step, optimal_steps, qmax_of

F32 = np.float32


def error_of(x: np.ndarray, step: float, bits: int) -> float:
    z = np.clip(np.sign(x) * np.floor(np.abs(x) / step + 0.5), -qmax_of(bits), qmax_of(bits))
    return float(np.sum((x - step * z) ** 2))


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("shape", ["gauss", "laplace", "uniform"])
def test_optimal_step_equals_a_dense_grid_search(bits: int, shape: str) -> None:
    rng = np.random.default_rng(bits)
    x = {"gauss": rng.normal, "laplace": rng.laplace, "uniform": lambda a, b, n: rng.uniform(-1, 1, n)}[
        shape
    ](0, 0.3, 20_000)
    x = x.astype(F32).astype(np.float64)
    found = float(optimal_step(x.astype(F32), bits))
    grid = np.abs(x).max() / qmax_of(bits) * np.linspace(0.05, 1.2, 1151)
    errors = [error_of(x, step, bits) for step in grid]
    best = grid[int(np.argmin(errors))]
    assert error_of(x, found, bits) <= min(errors) * 1.003
    # With many levels several steps are nearly equally good.
    assert abs(found / best - 1) < 0.003 + (grid[1] - grid[0]) / best + (0.02 if bits > 4 else 0)


@pytest.mark.parametrize(("bits", "step"), [(2, 1.226), (3, 0.652), (4, 0.354)])
def test_gaussian_steps(bits: int, step: float) -> None:
    """The known optimum of a Gaussian, on its exact quantiles instead of a sample."""
    from statistics import NormalDist

    n = 100_001
    x = 0.7 * np.array([NormalDist().inv_cdf((k + 0.5) / n) for k in range(n)])
    assert float(optimal_step(x.astype(F32), bits)) == pytest.approx(step * 0.7, rel=0.002)


def test_ties_round_away_from_zero() -> None:
    x = np.array([-3.5, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5], F32)
    assert code(x, 1.0, 127).tolist() == [-4, -3, -2, -1, 1, 2, 3, 4]
    assert code(x * F32(0.999999), 1.0, 127).tolist() == [-3, -2, -1, 0, 0, 1, 2, 3]
    assert code(x, 1.0, 2).tolist() == [-2, -2, -2, -1, 1, 2, 2, 2]


def slow_code(x: float, step: float, qmax: int) -> int:
    quotient = F32(abs(F32(x)) / F32(step))
    magnitude = min(math.floor(float(F32(quotient + F32(0.5)))), qmax) if math.isfinite(quotient) else qmax
    return -magnitude if x < 0 else magnitude


@given(
    st.floats(-1e6, 1e6, width=32), st.floats(2.0**-13, 1e3, width=32), st.sampled_from([1, 3, 127, 32767])
)
def test_the_rule(x: float, step: float, qmax: int) -> None:
    assert code(np.array([x], F32), step, qmax).tolist() == [slow_code(x, step, qmax)]


def test_extremes() -> None:
    x = np.array([np.inf, -np.inf, 3e38, -0.0, np.nan], F32)
    with np.errstate(invalid="raise"):
        found = code(x, 0.5, 7)
    assert found[:4].tolist() == [7, -7, 7, 0] and abs(int(found[4])) <= 7
    np.testing.assert_array_equal(code_float(x, 0.5, 7), found)


def test_steps_broadcast_and_codes_repeat() -> None:
    """Codes of grid values are the codes again: quantizing twice changes nothing."""
    rng = np.random.default_rng(0)
    for bits in range(2, 9):
        steps = rng.uniform(1e-3, 2, (50, 1)).astype(F32)
        z = rng.integers(-qmax_of(bits), qmax_of(bits) + 1, (50, 40))
        np.testing.assert_array_equal(code(z.astype(F32) * steps, steps, qmax_of(bits)), z)


def test_rows_equal_single_searches() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(0, 1, (6, 50)).astype(F32) * np.array([[1], [10], [0], [1e-6], [100], [1]], F32)
    x[5] = 0.25
    for bits in range(2, 9):
        steps = optimal_steps(x, bits, per_row=True)
        np.testing.assert_array_equal(steps, [optimal_step(row, bits) for row in x])
        assert steps.dtype == F32 and (steps > 0).all() and steps[2] == 1
        assert error_of(x[5], float(steps[5]), bits) == pytest.approx(0, abs=1e-10)
        np.testing.assert_array_equal(optimal_steps(x, bits, per_row=False), [optimal_step(x, bits)])


@given(
    arrays(F32, (2, 9), elements=st.floats(-100, 100, width=32, allow_subnormal=False)),
    st.integers(2, 8),
)
def test_any_weights_get_a_positive_step(x: np.ndarray, bits: int) -> None:
    for row, step in zip(x, optimal_steps(x, bits, per_row=True), strict=True):
        assert np.isfinite(step) and step > 0
        # Never worse than the step that clips nothing.
        peak = np.abs(row).max() / qmax_of(bits)
        if peak > 1e-30:
            row = row.astype(np.float64)
            assert (
                error_of(row, float(step), bits) <= error_of(row, float(peak), bits) * 1.0001 + 1e-9 * peak**2
            )


def test_bits() -> None:
    assert [qmax_of(bits) for bits in (2, 3, 8, 16)] == [1, 3, 127, 32767]
    for bits in (1, 17):
        with pytest.raises(ConfigError, match=f"{bits} bits"):
            qmax_of(bits)
