"""Bootstrap intervals of error rates: utterances are resampled, a rate is a ratio of sums.

Method: M. Bisani and H. Ney, "Bootstrap estimates for confidence intervals in ASR performance evaluation",
ICASSP 2004. A replicate draws as many utterances as the test set has, with replacement; every system of a
comparison is scored on the same draw, so that differences are paired. Counts are whole numbers below 2**53,
for which sums in float64 are exact: two identical systems differ by exactly zero in every replicate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 10_000
LEVEL = 0.95
SEED = 20040517
_CELLS = 4_000_000  # upper bound on replicate x utterance cells in memory at a time

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A figure and the bounds of its interval; None where a single utterance allows no resampling."""

    value: float
    low: float | None
    high: float | None


def resampled_sums(counts: NDArray[np.int64], draws: int = DRAWS, seed: int = SEED) -> Array:
    """Column sums of ``draws`` bootstrap samples of the rows.

    Parameters
    ----------
    counts : int [utterances, columns], all columns are resampled together
    draws : number of replicates
    seed : of the generator; row ``r`` of the result uses the indices ``default_rng(seed)`` draws for
        replicate ``r``

    Returns
    -------
    float64 [draws, columns], whole numbers
    """
    total = len(counts)
    if total == 0:
        raise ValueError("no utterances to resample")
    generator = np.random.default_rng(seed)
    values = counts.astype(np.float64)
    sums = np.empty((draws, counts.shape[1]))
    step = max(1, _CELLS // total)
    for start in range(0, draws, step):
        rows = min(step, draws - start)
        drawn = generator.integers(total, size=(rows, total))
        # How often each utterance came up turns the sums over samples into one matrix product.
        drawn += np.arange(rows)[:, None] * total
        times = np.bincount(drawn.ravel(), minlength=rows * total).reshape(rows, total)
        sums[start : start + rows] = times.astype(np.float64) @ values
    return sums


def rate(errors: Array | float, lengths: Array | float) -> Array:
    """Errors per reference unit; NaN where a sample has no reference unit."""
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Array = np.where(np.asarray(lengths) > 0, np.divide(errors, lengths), np.nan)
    return result


def percentile_interval(value: float, samples: Array, utterances: int, level: float = LEVEL) -> Interval:
    """The percentile interval of ``samples`` (float [draws]) around the figure of the whole test set."""
    usable = samples[np.isfinite(samples)]
    if utterances < 2 or len(usable) == 0:
        return Interval(value, None, None)
    low, high = np.quantile(usable, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))


def rate_interval(
    errors: NDArray[np.int64],
    lengths: NDArray[np.int64],
    draws: int = DRAWS,
    seed: int = SEED,
    level: float = LEVEL,
) -> Interval:
    """Interval of sum(errors) / sum(lengths); both int [utterances]."""
    sums = resampled_sums(np.stack([errors, lengths], axis=1), draws, seed)
    value = float(rate(float(errors.sum()), float(lengths.sum())))
    return percentile_interval(value, rate(sums[:, 0], sums[:, 1]), len(errors), level)


def paired_intervals(
    errors: NDArray[np.int64],
    reference_errors: NDArray[np.int64],
    lengths: NDArray[np.int64],
    draws: int = DRAWS,
    seed: int = SEED,
    level: float = LEVEL,
) -> tuple[Interval, Interval]:
    """Absolute and relative difference of two systems on the same utterances; all int [utterances].

    The relative difference is (rate - reference rate) / reference rate; replicates in which the reference
    makes no error are left out of it.
    """
    sums = resampled_sums(np.stack([errors, reference_errors, lengths], axis=1), draws, seed)
    value = float(rate(float(errors.sum()), float(lengths.sum())))
    base = float(rate(float(reference_errors.sum()), float(lengths.sum())))
    return difference_intervals(
        (value, rate(sums[:, 0], sums[:, 2])), (base, rate(sums[:, 1], sums[:, 2])), len(errors), level
    )


def difference_intervals(
    system: tuple[float, Array], reference: tuple[float, Array], utterances: int, level: float = LEVEL
) -> tuple[Interval, Interval]:
    """Absolute and relative difference of two (rate, float [draws] replicates of it) drawn alike."""
    value, samples = system
    base, base_samples = reference
    absolute = percentile_interval(value - base, samples - base_samples, utterances, level)
    relative = percentile_interval(
        float(rate(value - base, base)), rate(samples - base_samples, base_samples), utterances, level
    )
    return absolute, relative
