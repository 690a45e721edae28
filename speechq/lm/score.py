"""How well a language model predicts a text."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from speechq import _native
from speechq.errors import DataError, ModelError
from speechq.lm.corpus import RESERVED, read_blocks


@dataclass(frozen=True)
class TextScore:
    """Sums over a text; ``log10`` includes ``</s>`` of every sentence, ``log10_unknown`` only unknown words.

    ``characters`` counts code points, a space between two words and one for the end of each sentence.
    """

    sentences: int = 0
    words: int = 0
    unknown: int = 0
    characters: int = 0
    log10: float = 0.0
    log10_unknown: float = 0.0

    @property
    def perplexity(self) -> float:
        """Per word, ``</s>`` counted as a word, unknown words with the probability of ``<unk>``."""
        return _perplexity(self.log10, self.words + self.sentences)

    @property
    def perplexity_known(self) -> float:
        """The same without the unknown words."""
        return _perplexity(self.log10 - self.log10_unknown, self.words + self.sentences - self.unknown)

    @property
    def unknown_rate(self) -> float:
        """Share of the words that the model does not know."""
        return self.unknown / self.words if self.words else 0.0

    @property
    def bits_per_character(self) -> float:
        """Where words are unknown this is no code length: all unknown words share one probability."""
        return -self.log10 * math.log2(10) / self.characters

    def __add__(self, other: TextScore) -> TextScore:
        return TextScore(
            self.sentences + other.sentences,
            self.words + other.words,
            self.unknown + other.unknown,
            self.characters + other.characters,
            self.log10 + other.log10,
            self.log10_unknown + other.log10_unknown,
        )


class TextModel(Protocol):
    """A language model of any kind."""

    def score(self, text: bytes) -> TextScore:
        """Score whole lines, one sentence each."""


class WordModel:
    """A word n-gram: an ARPA file or a KenLM binary file."""

    def __init__(self, path: Path) -> None:
        try:
            self.ngram = _native.Ngram(str(path))
        except RuntimeError as error:
            raise ModelError(
                f"{path}: not a complete ARPA or KenLM binary file of order 2 to 6 with its words: {error}"
            ) from error

    def score(self, text: bytes) -> TextScore:
        """Score whole lines, one sentence each."""
        return TextScore(*self.ngram.score_text(text))


def open_model(path: Path) -> TextModel:
    """Open a language model of the kind that the file is; ``ModelError`` if it is none."""
    if not path.is_file():
        raise ModelError(f"{path}: there is no such file; expected an ARPA or KenLM binary file")
    return WordModel(path)


def score_text(model: Path, text: Path) -> TextScore:
    """Score a plain or gzip text, one sentence a line, an empty line being an empty sentence.

    Raises ``ModelError`` and ``DataError`` for files that are missing, damaged or empty.
    """
    scorer = open_model(model)
    total = TextScore()
    for block in read_blocks([text], "scoring", refuse=RESERVED):
        total += scorer.score(block)
    if total.sentences == 0:
        raise DataError(f"{text}: empty; one sentence a line is expected")
    return total


def _perplexity(log10: float, words: int) -> float:
    return 10 ** (-log10 / words) if words else 1.0
