"""Best-path decoding of a stream, with the times and the confidence of words."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speechq.errors import DataError
from speechq.runtime.decoder import Hypothesis, Word
from speechq.text.units import PIECE_SPACE, Units


def best_path(log_probs: NDArray[np.float32]) -> NDArray[np.intp]:
    """The most likely symbol of each frame of ``[frames, symbols]``; of equal ones the lowest."""
    if log_probs.ndim != 2 or log_probs.shape[1] < 2:
        raise DataError(f"log-probabilities of shape {list(log_probs.shape)}: expected [frames, symbols]")
    path: NDArray[np.intp] = np.argmax(log_probs, axis=1)
    return path


@dataclass
class _Label:
    """A symbol of the path and the frame of its run where it was most likely."""

    unit: int
    frame: int
    log_prob: float


@dataclass
class _Segment:
    labels: list[_Label] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)  # those that have closed
    text: str = ""  # of them
    open: int = 0  # the first label behind them
    score: float = 0.0


class GreedyStream:
    """The streaming face of ``GreedyDecoder``, with the methods of ``DecoderStream``: all text is stable.

    A word starts at the frame of its first unit's peak and ends one behind that of its last; its confidence
    is the product of the probabilities at the peaks of its units. Scores are those of the best path.
    """

    def __init__(self, units: Units) -> None:
        self._units = units
        self.reset()

    def reset(self) -> None:
        """Forget everything, as a new stream."""
        self.frames = 0
        self._sounding = 0
        self._segment = _Segment()

    def accept(self, log_probs: ArrayLike) -> None:
        """Take the next ``log_probs`` float32 [frames, len(units)]; none of them if it raises DataError."""
        rows = np.asarray(log_probs, np.float32)
        path = best_path(rows)
        if rows.shape[1] != len(self._units):
            shape = list(rows.shape)
            raise DataError(f"log-probabilities of shape {shape}: expected [frames, {len(self._units)}]")
        best = rows[np.arange(len(rows)), path]
        if np.isnan(best).any():
            raise DataError("log-probabilities that are not numbers")
        segment = self._segment
        for symbol, value in zip(path.tolist(), best.tolist(), strict=True):
            segment.score += value
            if symbol and symbol != self._sounding:
                self._say(symbol, value)
            elif symbol and segment.labels and value > segment.labels[-1].log_prob:
                segment.labels[-1] = _Label(symbol, self.frames, value)
            self._sounding = symbol
            self.frames += 1

    def _say(self, symbol: int, value: float) -> None:
        segment = self._segment
        if symbol == self._units.separator or self._begins_word(symbol):
            self._close()
        segment.labels.append(_Label(symbol, self.frames, value))
        if symbol == self._units.separator:
            segment.open = len(segment.labels)

    def _begins_word(self, symbol: int) -> bool:
        if self._units.kind == "phones":
            return True
        return self._units.kind == "pieces" and self._units.symbols[symbol].startswith(PIECE_SPACE)

    def _close(self) -> None:
        segment = self._segment
        word = self._open_word()
        if word is not None:
            segment.words.append(word)
            segment.text += (" " if segment.text else "") + word.text
        segment.open = len(segment.labels)

    def _open_word(self) -> Word | None:
        labels = self._segment.labels[self._segment.open :]
        text = self._units.decode([label.unit for label in labels])
        if not text:
            return None
        confidence = float(np.exp(sum(label.log_prob for label in labels)))
        return Word(text, labels[0].frame, labels[-1].frame + 1, confidence)

    @property
    def stable_text(self) -> str:
        """The text of the current segment."""
        word = self._open_word()
        text = self._segment.text
        return text if word is None else f"{text} {word.text}" if text else word.text

    @property
    def partial(self) -> str:
        """Nothing: no text is open to change."""
        return ""

    def best(self, n_best: int = 1) -> list[Hypothesis]:
        """The text of the current segment; always one, whatever ``n_best`` is."""
        segment = self._segment
        word = self._open_word()
        words = (*segment.words, word) if word is not None else tuple(segment.words)
        alignment = tuple((label.unit, label.frame) for label in segment.labels)
        return [Hypothesis(self.stable_text, words, segment.score, segment.score, 0.0, 0.0, 0.0, alignment)]

    def finish(self, n_best: int = 1) -> list[Hypothesis]:
        """End the segment and give its text; a label that sounds on is not said again in the next."""
        found = self.best()
        self._segment = _Segment()
        return found
