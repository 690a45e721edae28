"""What a development set says about the words of a decoder: how sure it may be, and how late it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speechq.runtime.decoder_settings import Calibration, WordTimes, logit

Floats = NDArray[np.float64]
_LEAST = 20  # words of either kind, right and wrong, below which nothing is fitted
_STEPS = 50


def fit_calibration(confidence: ArrayLike, right: ArrayLike) -> Calibration:
    """The logistic curve through words with ``confidence`` [words] of which ``right`` (bool) are right.

    Platt, "Probabilistic outputs for support vector machines" (1999), with his targets, which keep the curve
    finite. Confidence is left alone where there are too few words to fit.
    """
    x = logit(confidence)
    truth = np.asarray(right, bool)
    good, bad = int(truth.sum()), int((~truth).sum())
    if min(good, bad) < _LEAST:
        return Calibration()
    target = np.where(truth, (good + 1) / (good + 2), 1 / (bad + 2))
    design = np.column_stack([x, np.ones_like(x)])

    def loss(weights: Floats) -> float:
        z = design @ weights
        return float(np.sum(np.logaddexp(0, z) - target * z))

    weights = np.array([1.0, 0.0])
    for _ in range(_STEPS):  # Newton's, each step halved until it does not climb
        p = 1 / (1 + np.exp(-design @ weights))
        curvature = (design * (p * (1 - p))[:, None]).T @ design + 1e-6 * np.eye(2)
        step = np.linalg.solve(curvature, design.T @ (p - target))
        while loss(weights - step) > loss(weights) and np.abs(step).max() > 1e-9:
            step = step / 2
        weights = weights - step
    return Calibration(scale=max(0.0, round(float(weights[0]), 4)), offset=round(float(weights[1]), 4))


def fit_times(found: Sequence[tuple[float, float]], true: Sequence[tuple[float, float]]) -> WordTimes:
    """The corrections that make the median errors of ``found`` (start, end) in seconds zero."""
    if not found:
        return WordTimes()
    late = np.median(np.asarray(true) - np.asarray(found), axis=0)
    return WordTimes(start=round(float(late[0]), 4), end=round(float(late[1]), 4))
