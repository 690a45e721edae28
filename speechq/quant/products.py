"""Matrix products of the reference: exact integer sums where both sides are on a grid, ordered ones else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speechq.quant import rounding
from speechq.runtime.graph import Matrix, Signal

FloatArray = NDArray[np.float32]

_EXACT_FLOAT32 = 2**24


@dataclass(frozen=True)
class Frames:
    """A signal ``[..., D]``: codes held in float32 and their grid, or plain values (``grid`` None)."""

    data: FloatArray
    grid: Signal | None = None

    def values(self) -> FloatArray:
        """``float32(code) * step``, one rounding."""
        return self.data if self.grid is None else self.data * np.float32(self.grid.step)


def to_grid(values: FloatArray, grid: Signal | None) -> Frames:
    """``values`` rounded by the one rounding rule, or unchanged without a grid."""
    if grid is None:
        return Frames(values)
    return Frames(rounding.code_float(values, np.float32(grid.step), rounding.qmax_of(grid.bits)), grid)


def on_grid(values: FloatArray, grid: Signal | None) -> FloatArray:
    """``values`` replaced by their nearest grid values."""
    return to_grid(values, grid).values()


def _value_step(matrix: Matrix, grid: Signal | None) -> np.float32 | None:
    """What turns codes into the values that float weights are multiplied with."""
    return np.float32(grid.step) if matrix.bits == 32 and grid is not None else None


class Product:
    """``y = W x`` for one matrix and one kind of input, prepared once.

    Both on a grid: ``y = float32(sum of code * code) * (x_step * row_step)``; the sum is exact, so the
    library that adds it up and its order do not matter. Otherwise one float32 accumulator per output starts
    at 0 and adds ``x[k] * w[k]`` for k = 0, 1, ...; ``x`` is the value, also of an input on a grid; for
    weights on a grid ``w`` is the code and ``y = accumulator * row_step``.
    """

    def __init__(self, matrix: Matrix, grid: Signal | None) -> None:
        self.integer = matrix.bits != 32 and grid is not None
        self._scale: FloatArray | None = None
        self._step = _value_step(matrix, grid)
        weights = np.ascontiguousarray(matrix.codes.T).astype(np.float32)
        if matrix.bits != 32:
            self._scale = matrix.steps if grid is None else np.float32(grid.step) * matrix.steps
        self._weights: NDArray[np.floating] = weights
        if self.integer and grid is not None:
            rows = np.abs(matrix.codes.astype(np.int64)).sum(axis=1)
            # Every partial sum is an integer within this bound; float64 holds those of any matrix of this
            # program.
            if int(rows.max(initial=0)) * rounding.qmax_of(grid.bits) > _EXACT_FLOAT32:
                self._weights = weights.astype(np.float64)

    def sums(self, data: FloatArray) -> NDArray[np.int64]:
        """The exact sums of codes ``[..., K]`` times codes, ``[..., R]``; both sides must be on a grid."""
        flat = data.reshape(-1, data.shape[-1]).astype(self._weights.dtype, copy=False)
        total: NDArray[np.int64] = (flat @ self._weights).astype(np.int64)
        return total.reshape(*data.shape[:-1], self._weights.shape[1])

    def __call__(self, data: FloatArray) -> FloatArray:
        """``[..., K]`` codes or values (as prepared for) to ``[..., R]``, without a bias."""
        flat = data.reshape(-1, data.shape[-1])
        if self._step is not None:
            flat = flat * self._step
        total: FloatArray
        if self.integer:
            total = (flat.astype(self._weights.dtype, copy=False) @ self._weights).astype(
                np.float32, copy=False
            )
        else:
            total = np.zeros((flat.shape[0], self._weights.shape[1]), np.float32)
            for k, row in enumerate(self._weights):
                total += flat[:, k, None] * row
        if self._scale is not None:
            total = total * self._scale
        return np.asarray(total.reshape(*data.shape[:-1], total.shape[1]), np.float32)


class DepthwiseProduct:
    """``y[t, d] = sum_k W[d, k] x[t + k, d]``, k in order; sums, scales and roundings as in Product."""

    def __init__(self, matrix: Matrix, grid: Signal | None) -> None:
        integer = matrix.bits != 32 and grid is not None
        # At most 129 taps of 8-bit codes and 16-bit signals: below 2^53.
        self._type = np.float64 if integer else np.float32
        self._taps = matrix.codes.T.astype(self._type)
        self._scale: FloatArray | None = None
        self._step = _value_step(matrix, grid)
        if matrix.bits != 32:
            self._scale = matrix.steps if grid is None else np.float32(grid.step) * matrix.steps

    def _total(self, data: FloatArray) -> NDArray[np.floating]:
        frames = data.shape[0] - self._taps.shape[0] + 1
        total = np.zeros((frames, *data.shape[1:]), self._type)
        for k, tap in enumerate(self._taps):
            total += data[k : k + frames] * tap
        return total

    def sums(self, data: FloatArray) -> NDArray[np.int64]:
        """Exact sums of codes, ``[T + taps - 1, B, D]`` to ``[T, B, D]``; both sides must be on a grid."""
        return self._total(data).astype(np.int64)

    def __call__(self, data: FloatArray) -> FloatArray:
        """``[T + taps - 1, B, D]`` to ``[T, B, D]``, without a bias."""
        y: FloatArray = self._total(data if self._step is None else data * self._step).astype(np.float32)
        return y if self._scale is None else y * self._scale
