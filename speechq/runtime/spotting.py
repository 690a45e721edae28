"""Keyword spotting on the log-probabilities of a CTC network (Hwang, Lee and Sung, arXiv:1512.08903).

Keywords are texts and may change at any time; nothing is trained for them. For each one a chain of states
goes through its units, blanks between them, and a Viterbi score runs along. Scores are relative to the best
path: from every frame's log-probabilities the highest is subtracted, so a keyword that the network hears
clearly has the score 0. What is compared with the threshold is ``exp(score / units)``, a number from 0 to 1.

A keyword begins behind a word separator or at the start of the stream, and is reported once the next
separator is heard, or after ``WAIT_SECONDS`` in which it did not go on as another word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speechq.errors import DataError
from speechq.text.units import Units

WAIT_SECONDS = 0.2
THRESHOLD = 0.5


@dataclass(frozen=True)
class Detection:
    """A keyword from second ``start`` to ``end`` of the stream, reported at second ``heard``."""

    keyword: str
    start: float
    end: float
    score: float
    heard: float


class KeywordSpotter:
    """Finds keywords in a stream, whatever the size of its pieces.

    ``threshold`` is the least score, from 0 to 1, that is reported. Raises DataError for a keyword that the
    units cannot spell.
    """

    def __init__(
        self, units: Units, keywords: Sequence[str], frame_seconds: float, threshold: float = THRESHOLD
    ) -> None:
        self._units = units
        self._frame_seconds = frame_seconds
        self._wait = max(1, round(WAIT_SECONDS / frame_seconds))
        self.threshold = threshold
        self._frame = 0
        self.set_keywords(keywords)

    def set_keywords(self, keywords: Sequence[str]) -> None:
        """Look for other keywords from now on, as if a word began here."""
        self.keywords = tuple(dict.fromkeys(" ".join(keyword.split()) for keyword in keywords))
        spelled = [self._spelled(keyword) for keyword in self.keywords]
        self._sizes = np.array([len(labels) for labels in spelled], np.int64)
        width = 2 * max((len(labels) for labels in spelled), default=0) + 1
        # State 0 is the word boundary before, state 2k - 1 the k-th unit, state 2k the blank behind it; the
        # blank behind the last unit is the end.
        self._labels = np.zeros((len(spelled), width), np.int64)
        for row, labels in enumerate(spelled):
            self._labels[row, 1 : 2 * len(labels) : 2] = labels
        self._skips = np.zeros(self._labels.shape, bool)
        self._skips[:, 3::2] = self._labels[:, 3::2] != self._labels[:, 1:-2:2]
        self._score = np.full(self._labels.shape, -np.inf)
        self._start = np.zeros(self._labels.shape, np.int64)
        self._stop = np.zeros(len(spelled), np.int64)
        self._held = np.zeros(len(spelled), np.int64)
        self._score[:, 0] = 0.0

    def _spelled(self, keyword: str) -> list[int]:
        try:
            labels = self._units.encode(keyword)
        except DataError as error:
            raise DataError(f"keyword {keyword!r}: {error}") from None
        if not labels:
            raise DataError("a keyword is empty; expected one word or more")
        return labels

    def accept(self, log_probs: NDArray[np.float32]) -> list[Detection]:
        """The keywords that ``log_probs`` [frames, units] complete, in order of time."""
        if not self.keywords:
            self._frame += len(log_probs)
            return []
        relative = log_probs - log_probs.max(axis=1, keepdims=True)
        found = []
        for row in relative.astype(np.float64):
            self._step(row)
            found += self._fired(row)
            self._frame += 1
        return found

    def _step(self, row: NDArray[np.float64]) -> None:
        before, started = self._score, self._start
        score, start = before.copy(), started.copy()
        for distance, allowed in ((1, None), (2, self._skips)):
            came = np.full(before.shape, -np.inf)
            came[:, distance:] = (
                before[:, :-distance]
                if allowed is None
                else np.where(allowed[:, distance:], before[:, :-distance], -np.inf)
            )
            better = came > score
            score = np.where(better, came, score)
            moved = np.roll(started, distance, axis=1)
            if distance == 1:
                moved[:, 1] = self._frame  # the first unit, behind the boundary
            start = np.where(better, moved, start)
        ends = 2 * self._sizes
        rows = np.arange(len(ends))
        entered = before[rows, ends - 1] > before[rows, ends]
        self._stop = np.where(entered, self._frame, self._stop)
        self._held = np.where(entered, 0, self._held + 1)
        quiet = row[0] if not self._units.separator else max(row[0], row[self._units.separator])
        score = score + row[self._labels]
        score[rows, ends] += quiet - row[0]
        score[:, 0] = self._boundary(row, before[:, 0])
        self._score, self._start = score, start

    def _boundary(self, row: NDArray[np.float64], before: NDArray[np.float64]) -> NDArray[np.float64]:
        """The score of standing between words: behind a separator, which may come at any time."""
        separator = self._units.separator
        if not separator:
            return np.zeros_like(before)  # units that carry their word boundaries, or have none
        score: NDArray[np.float64] = np.maximum(row[separator], row[0] + before)
        return score

    def _fired(self, row: NDArray[np.float64]) -> list[Detection]:
        rows = np.arange(len(self.keywords))
        ends = 2 * self._sizes
        values = np.exp(self._score[rows, ends] / self._sizes)
        separator = self._units.separator
        closed = bool(separator) and row[separator] == 0.0
        ready = (values >= self.threshold) & (closed | (self._held >= self._wait))
        found = []
        for k in np.flatnonzero(ready):
            found.append(
                Detection(
                    self.keywords[k],
                    float(self._start[k, ends[k]]) * self._frame_seconds,
                    float(self._stop[k]) * self._frame_seconds,
                    float(values[k]),
                    (self._frame + 1) * self._frame_seconds,
                )
            )
            # Each occurrence once: only ways that began behind it go on.
            over = self._start[k] < self._stop[k]
            over[0] = False
            over[ends[k]] = True
            self._score[k, over] = -np.inf
        return found
