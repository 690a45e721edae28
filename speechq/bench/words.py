"""What a decoder says about its words: how sure it is of each, and when it was spoken."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speechq.bench.results import Utterance
from speechq.text.error_rates import matches

Floats = NDArray[np.float64]
BINS = 10


@dataclass(frozen=True)
class Words:
    """Recognized words of some utterances.

    ``confidence`` float [words] and ``right`` bool [words]; ``errors`` float [timed words, 2]: seconds by
    which start and end of right words are late, where the true times are known.
    """

    confidence: Floats
    right: NDArray[np.bool_]
    errors: Floats


def recognized_words(utterances: Iterable[Utterance]) -> Words:
    """The words of ``utterances`` against their references; none where the decoder gave none."""
    confidence: list[float] = []
    right: list[bool] = []
    errors: list[tuple[float, float]] = []
    for utterance in utterances:
        pairs = matches(utterance.reference.split(), [word for word, *_ in utterance.words])
        good = {here for _, here in pairs}
        confidence += [sure for *_, sure in utterance.words]
        right += [place in good for place in range(len(utterance.words))]
        for there, here in pairs if utterance.times else ():
            time, (_, start, end, _) = utterance.times[there], utterance.words[here]
            if time is not None:
                errors.append((start - time[0], end - time[1]))
    return Words(
        np.array(confidence, np.float64), np.array(right, bool), np.array(errors, np.float64).reshape(-1, 2)
    )


def reliability(words: Words) -> Floats:
    """Words, mean confidence and share of right ones in each of ``BINS`` bins of equal width: [bins, 3].

    A bin without words has two NaN.
    """
    place = np.minimum((words.confidence * BINS).astype(int), BINS - 1)
    count = np.bincount(place, minlength=BINS).astype(np.float64)
    with np.errstate(invalid="ignore"):
        sure = np.bincount(place, words.confidence, BINS) / count
        right = np.bincount(place, words.right, BINS) / count
    return np.column_stack([count, sure, right])


def calibration_error(words: Words) -> float | None:
    """Expected calibration error: the distance of confidence and share of right words, averaged over bins.

    Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning" (AAAI
    2015). None without words.
    """
    if not len(words.confidence):
        return None
    count, sure, right = reliability(words).T
    return float(np.nansum(count * np.abs(sure - right)) / count.sum())


def time_errors(words: Words) -> tuple[float, float] | None:
    """Median absolute error of start and end in seconds; None where no true times are known."""
    if not len(words.errors):
        return None
    start, end = np.median(np.abs(words.errors), axis=0)
    return float(start), float(end)
