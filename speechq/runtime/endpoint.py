"""Where a segment ends: rules over trailing silence and length, checked at every frame (decoders/endpoint.h).

What counts as silence is what the network says: frames whose most likely symbol is the blank or a word
separator. The rules have the form of Kaldi's online endpointing (Povey et al., online2/online-endpoint.h).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from speechq import _native
from speechq.errors import ConfigError
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


RULES = tuple(EndpointRule(*rule) for rule in _native.endpoint_rules())


class Endpointer:
    """Finds the ends of segments in the log-probabilities of a stream, frame by frame.

    ``frame_seconds`` is the time from one frame to the next; the times of a rule are rounded to frames, but
    not to none.
    """

    def __init__(self, rules: Sequence[EndpointRule], units: Units, frame_seconds: float) -> None:
        asked = [astuple(rule) for rule in rules]
        self._native = _native.Endpointer(asked, len(units), units.separator, frame_seconds)

    def ends(self, log_probs: NDArray[np.float32]) -> list[int]:
        """Numbers of frames of ``log_probs`` [frames, units] behind which a segment ends, in order."""
        found: list[int] = self._native.ends(log_probs)
        return found
