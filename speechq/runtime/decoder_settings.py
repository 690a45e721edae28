"""``decoder.json``: the tuned weights of a decoder, the correction of its word times, its calibration."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, ValidationError

from speechq.config import explain
from speechq.errors import ModelError
from speechq.files import write_json
from speechq.runtime.decoder import Word
from speechq.section import Section

VERSION: Literal[1] = 1
MOST_SURE = 1e-6  # a confidence this near to 0 or 1 counts as this


Number = Annotated[float, Field(allow_inf_nan=False)]


class DecoderOptions(Section):
    """Options of :class:`speechq.runtime.BeamDecoder`; what is None stays as it is there."""

    beam: int | None = Field(None, ge=1, le=1_000_000)
    beam_threshold: Number | None = Field(None, gt=0)
    depth: int | None = Field(None, ge=1, le=1_000_000)
    symbol_threshold: Number | None = Field(None, lt=0)
    ngram_weight: Number | None = Field(None, ge=0)
    char_lm_weight: Number | None = Field(None, ge=0)
    known_char_lm_weight: Number | None = Field(None, ge=0)
    word_bonus: Number | None = None
    char_bonus: Number | None = None
    oov_penalty: Number | None = None

    def given(self) -> dict[str, Any]:
        """The options that are set, as keyword arguments."""
        return self.model_dump(exclude_none=True)


class WordTimes(Section):
    """Seconds that are added to the decoder's times of a word's start and end."""

    start: Number = 0.0
    end: Number = 0.0


class Calibration(Section):
    """``sigmoid(scale * logit(confidence) + offset)`` is the share of such words that are right (Platt)."""

    scale: Number = Field(1.0, ge=0.0)
    offset: Number = 0.0

    def apply(self, confidence: ArrayLike) -> NDArray[np.float64]:
        """Calibrated probabilities of the decoder's confidences, in any shape."""
        logits = self.scale * logit(confidence) + self.offset
        return np.asarray(1.0 / (1.0 + np.exp(-logits)), np.float64)


def logit(confidence: ArrayLike) -> NDArray[np.float64]:
    """``ln(p / (1 - p))`` of probabilities, which are kept ``MOST_SURE`` from 0 and 1."""
    p = np.clip(np.asarray(confidence, np.float64), MOST_SURE, 1 - MOST_SURE)
    return np.asarray(np.log(p / (1 - p)), np.float64)


@dataclass(frozen=True)
class TimedWord:
    """A word from ``start`` to ``end`` in seconds, and the probability that it is right."""

    text: str
    start: float
    end: float
    confidence: float


class DecoderSettings(Section):
    """The content of ``decoder.json``. ``lexicon`` names a file in the same folder that closes the
    vocabulary; ``provenance`` tells how the values were found."""

    version: Literal[1] = VERSION
    options: DecoderOptions = DecoderOptions()
    lexicon: str | None = None
    times: WordTimes = WordTimes()
    calibration: Calibration = Calibration()
    provenance: dict[str, Any] = Field(default_factory=dict)

    def timed(self, words: Sequence[Word], frame_seconds: float) -> list[TimedWord]:
        """The decoder's words, whose frames take ``frame_seconds``, in seconds, corrected and calibrated."""
        sure = self.calibration.apply([word.confidence for word in words]).tolist()
        return [
            TimedWord(
                word.text,
                max(0.0, word.start * frame_seconds + self.times.start),
                max(0.0, word.end * frame_seconds + self.times.end),
                confidence,
            )
            for word, confidence in zip(words, sure, strict=True)
        ]


def read_settings(path: Path) -> DecoderSettings:
    """Read ``decoder.json``; ModelError naming the file and the key for whatever is wrong with it."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read as JSON ({error}); speechq tune writes this file") from None
    if not isinstance(value, dict):
        raise ModelError(f"{path}: expected an object with the keys version, options, ...")
    if value.get("version") != VERSION:
        raise ModelError(f"{path}: version is {value.get('version')!r}; this speechq reads version {VERSION}")
    try:
        return DecoderSettings.model_validate(value)
    except ValidationError as error:
        raise ModelError(explain(DecoderSettings, error, str(path))) from None


def write_settings(path: Path, settings: DecoderSettings) -> None:
    """Write ``decoder.json``; options that are None are left out."""
    write_json(path, settings.model_dump(mode="json", exclude_none=True))
