"""Where a segment ends: rules over trailing silence and length, checked at every frame.

What counts as silence is what the network says: frames whose most likely symbol is the blank or a word
separator. The rules have the form of Kaldi's online endpointing (Povey et al., online2/online-endpoint.h).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speechq.errors import ConfigError
from speechq.runtime.greedy_stream import best_path
from speechq.text.units import Units


@dataclass(frozen=True)
class EndpointRule:
    """A segment ends at the first frame where everything that one rule asks for is true.

    ``trailing_silence``: seconds without a symbol. ``length``: seconds since the segment began.
    ``speech``: there was a symbol in the segment. ``between_words``: the last symbol was a word separator, so
    that no word is cut in two; for units without one, the frame is a blank.
    """

    trailing_silence: float = 0.0
    length: float = 0.0
    speech: bool = True
    between_words: bool = False

    def __post_init__(self) -> None:
        for name, value in (("trailing_silence", self.trailing_silence), ("length", self.length)):
            if not 0 <= value < float("inf"):
                raise ConfigError(f"endpoint rule: {name} is {value}: expected seconds, 0 or more")
        if self.trailing_silence == 0 and self.length == 0:
            raise ConfigError("endpoint rule: needs a trailing_silence or a length above 0 seconds")


RULES = (
    EndpointRule(trailing_silence=5.0, speech=False),
    EndpointRule(trailing_silence=0.8, length=0.5),
    EndpointRule(length=20.0, between_words=True),
)


class Endpointer:
    """Finds the ends of segments in the log-probabilities of a stream, frame by frame.

    ``frame_seconds`` is the time from one frame to the next; the times of a rule are rounded to frames.
    """

    def __init__(self, rules: Sequence[EndpointRule], units: Units, frame_seconds: float) -> None:
        self._rules = [
            (round(rule.trailing_silence / frame_seconds), round(rule.length / frame_seconds), rule)
            for rule in rules
        ]
        self._separator = units.separator
        self._begin()

    def _begin(self) -> None:
        self._frames = self._silent = 0
        self._speech = False
        self._between = False

    def ends(self, log_probs: NDArray[np.float32]) -> list[int]:
        """Numbers of frames of ``log_probs`` [frames, units] behind which a segment ends, in order."""
        found = []
        for frame, symbol in enumerate(best_path(log_probs)):
            self._frames += 1
            if symbol == 0 or symbol == self._separator:
                self._silent += 1
            else:
                self._silent = 0
                self._speech = True
            if symbol or not self._separator:
                self._between = symbol == self._separator
            if any(self._fires(*rule) for rule in self._rules):
                found.append(frame + 1)
                self._begin()
        return found

    def _fires(self, silent: int, frames: int, rule: EndpointRule) -> bool:
        return (
            self._silent >= silent
            and self._frames >= frames
            and (self._speech or not rule.speech)
            and (self._between or not rule.between_words)
        )
