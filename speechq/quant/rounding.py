"""The one rounding rule, and the search for the step that loses least.

``code(x) = sgn(x) * min(floor(|x| / step + 0.5), qmax)`` in float32 with a true division, ``qmax = 2^(b-1) -
1`` (Hwang & Sung, SiPS 2014; the quantizer of all papers of this line). Ties round away from zero. The code
of NaN is some number within ±qmax.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speechq.errors import ConfigError

FloatArray = NDArray[np.float32]
DoubleArray = NDArray[np.float64]

# L2-optimal steps of a unit Gaussian, from which the alternating search starts.
_GAUSSIAN_STEP = {2: 1.226, 3: 0.652, 4: 0.354}
# With more levels the search stops at the first of many shallow minima, so it starts from the best of a
# grid, given as shares of the step that clips nothing; then of finer grids around that one.
_COARSE = 1.1 * 0.9 ** np.arange(22)
_FINER = (np.linspace(0.92, 1.09, 13), np.linspace(0.988, 1.012, 13))


def qmax_of(bits: int) -> int:
    """Largest code of a ``bits``-bit number: 1 for 2 bits (ternary), 127 for 8."""
    if not 2 <= bits <= 16:
        raise ConfigError(f"{bits} bits: expected 2 to 16")
    return int(2 ** (bits - 1)) - 1


def code_float(x: FloatArray, step: FloatArray | np.float32 | float, qmax: int) -> FloatArray:
    """Codes of ``x`` (any shape; ``step`` broadcasts against it) as integers in float32."""
    with np.errstate(over="ignore"):  # an overflow is clipped like any large value
        magnitude = np.abs(x, dtype=np.float32) / np.asarray(step, np.float32)
    magnitude = np.floor(magnitude + np.float32(0.5))
    # fmin gives qmax for NaN; the sign bit (not np.sign) keeps that a number.
    return np.asarray(np.copysign(np.fmin(magnitude, np.float32(qmax)), x), np.float32)


def code(x: FloatArray, step: FloatArray | np.float32 | float, qmax: int) -> NDArray[np.int32]:
    """Integer codes of ``x`` (any shape; ``step`` broadcasts against it)."""
    return code_float(x, step, qmax).astype(np.int32)


def _errors(rows: DoubleArray, step: DoubleArray, qmax: int) -> DoubleArray:
    """Squared error of each row of magnitudes ``[R, N]`` on the grid of its step ``[R]``."""
    z = np.minimum(np.floor(rows / step[:, None] + 0.5), qmax)
    z *= step[:, None]
    z -= rows
    return np.asarray(np.einsum("rn,rn->r", z, z), np.float64)


def _best(rows: DoubleArray, candidates: list[DoubleArray], qmax: int) -> DoubleArray:
    """For each row the candidate with the least error; of equal ones the first."""
    errors = np.stack([_errors(rows, step, qmax) for step in candidates])
    chosen = np.stack(candidates)[np.argmin(errors, axis=0), np.arange(len(rows))]
    return np.asarray(chosen, np.float64)


def _search(rows: DoubleArray, step: DoubleArray, qmax: int, iterations: int) -> DoubleArray:
    """The alternating search on rows of magnitudes ``[R, N]`` from one start per row: steps ``[R]``."""
    step = step.copy()
    active = np.arange(len(rows))
    for _ in range(iterations):
        x = rows[active]
        z = np.minimum(np.floor(x / step[active, None] + 0.5), qmax)
        power = np.einsum("rn,rn->r", z, z)
        # All codes zero: the step is far too large.
        new = np.where(power > 0, np.einsum("rn,rn->r", x, z) / np.maximum(power, 1.0), step[active] / 2)
        moving = np.abs(new - step[active]) > 1e-7 * step[active]
        step[active[moving]] = new[moving]
        active = active[moving]
        if active.size == 0:
            break
    return step


def optimal_steps(matrix: FloatArray, bits: int, *, per_row: bool, iterations: int = 100) -> FloatArray:
    """L2-optimal steps of a ``[rows, columns]`` matrix: ``[rows]`` or ``[1]``, all positive.

    The alternating search of Hwang & Sung: ``z = code(x, step)``; ``step = sum(x z) / sum(z z)``; repeated
    until the step stands still; from a good start, see above. All-zero rows get step 1.
    """
    qmax = qmax_of(bits)
    rows = np.abs(matrix, dtype=np.float32).astype(np.float64)
    rows = rows if per_row else rows.reshape(1, -1)
    if rows.shape[1] == 0:
        return np.ones(len(rows), np.float32)
    peak = rows.max(axis=1)
    # All-zero rows search on ones, so that nothing divides by zero.
    empty = peak == 0.0
    rows = np.where(empty[:, None], 1.0, rows)
    peak = np.where(empty, 1.0, peak)
    unclipped = peak / qmax
    if bits in _GAUSSIAN_STEP:
        spread = np.sqrt(np.mean(rows * rows, axis=1))
        starts = [unclipped, _GAUSSIAN_STEP[bits] * spread]
    else:
        start = _best(rows, [unclipped, *(share * unclipped for share in _COARSE)], qmax)
        for shares in _FINER:
            start = _best(rows, [start, *(share * start for share in shares)], qmax)
        starts = [start]
    best = _best(rows, [unclipped, *(_search(rows, start, qmax, iterations) for start in starts)], qmax)
    best = np.where(empty, 1.0, np.maximum(best, np.finfo(np.float32).tiny))
    return np.asarray(best, np.float32)


def optimal_step(x: FloatArray, bits: int, *, iterations: int = 100) -> np.float32:
    """The step with the least squared error for all values of ``x``; see :func:`optimal_steps`."""
    return np.float32(optimal_steps(np.ravel(x)[None, :], bits, per_row=False, iterations=iterations)[0])
