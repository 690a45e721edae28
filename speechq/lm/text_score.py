"""The figures of a language model on a text."""

from __future__ import annotations

import math
from dataclasses import dataclass


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
    def word_perplexity(self) -> float:
        """``2^(bits per character * characters / words)``, as papers.md 9 has it: ends are no words."""
        return _perplexity(self.log10, self.words)

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


def _perplexity(log10: float, words: int) -> float:
    return 10 ** (-log10 / words) if words else 1.0
