"""Best-path decoding: the most likely symbol of every frame, repeats merged, blanks dropped."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from speechq.errors import DataError
from speechq.runtime.greedy_stream import GreedyStream, best_path
from speechq.text.units import Units


class Decoder(Protocol):
    """Anything that turns log-probabilities into text."""

    def decode(self, log_probs: NDArray[np.float32]) -> str:
        """The text of ``log_probs`` float32 [frames, symbols], natural log, symbol 0 the blank."""
        ...


def collapse(path: NDArray[np.integer]) -> list[int]:
    """Symbols of a frame-wise path ``[frames]``: repeats merged first, then blanks (0) dropped."""
    if path.size == 0:
        return []
    starts = np.concatenate([[True], path[1:] != path[:-1]])
    merged = path[starts]
    return [int(symbol) for symbol in merged[merged != 0]]


class GreedyDecoder:
    """A :class:`Decoder` without beam and language model."""

    def __init__(self, units: Units) -> None:
        self.units = units

    def stream(self) -> GreedyStream:
        """A stream of its own."""
        return GreedyStream(self.units)

    def decode(self, log_probs: NDArray[np.float32]) -> str:
        """The text of the best path of ``[frames, len(units)]``; DataError for another width."""
        if log_probs.ndim != 2 or log_probs.shape[1] != len(self.units):
            shape = list(log_probs.shape)
            raise DataError(f"log-probabilities of shape {shape}: expected [frames, {len(self.units)}]")
        text = self.units.decode(collapse(best_path(log_probs)))
        return " ".join(text.split())  # a boundary before the first word, or twice in a row, is no word
