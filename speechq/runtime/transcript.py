"""What a recognizer says: texts with words in seconds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Word:
    """A word from second ``start`` to second ``end`` of the stream; the probability that it is right."""

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class Transcript:
    """The text of a segment, or of a whole recording.

    ``stable_text``, a beginning of ``text``, never changes again. ``start`` and ``end`` are the seconds of
    the stream that the segment covers; ``final``: nothing follows, all of it is stable.
    """

    text: str
    words: tuple[Word, ...]
    stable_text: str
    start: float
    end: float
    final: bool

    @property
    def partial(self) -> str:
        """What follows ``stable_text`` and may change."""
        return self.text[len(self.stable_text) :]

    def to_json(self) -> dict[str, Any]:
        """A value for JSON; times are rounded to milliseconds, confidences to four digits."""
        words = [
            asdict(word)
            | {"start": round(word.start, 3), "end": round(word.end, 3)}
            | {"confidence": round(word.confidence, 4)}
            for word in self.words
        ]
        times = {"start": round(self.start, 3), "end": round(self.end, 3)}
        return {"text": self.text} | times | {"words": words}


def join(segments: Iterable[Transcript], end: float) -> Transcript:
    """Finished segments as one text of a recording of ``end`` seconds."""
    parts = list(segments)
    text = " ".join(part.text for part in parts if part.text)
    words = tuple(word for part in parts for word in part.words)
    return Transcript(text, words, text, 0.0, end, True)
