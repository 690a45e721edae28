"""What a text is worth, computed for itself and not by a search: the objective that decoders share."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from speechq.bench.decoder.contender import Weights
from speechq.bench.decoder.inputs import FloatArray, separator_of
from speechq.lm.score import WordModel
from speechq.text.units import Units

Scores = NDArray[np.float64]


def objective(text: str, log_probs: FloatArray, units: Units, ngram: WordModel, weights: Weights) -> float:
    """Acoustic score, weighted score of all words and the sentence's end, and the bonus of the words."""
    words = math.log(10) * ngram.score(f"{text}\n".encode()).log10
    return acoustic(text, log_probs, units) + weights.ngram * words + weights.word_bonus * len(text.split())


def acoustic(text: str, log_probs: FloatArray, units: Units) -> float:
    """ln P of a text, the sum over all alignments (Graves et al. 2006, equations 5 to 8).

    Separators in a row are one, and those before and behind the text belong to none, as docs/decoder.md has
    it; -inf where the text has more symbols than there are frames.
    """
    separator = separator_of(units)
    said = np.array([0, *units.encode(text), separator])  # 0: before the first symbol
    separates = said == separator
    repeats = np.concatenate([[False], said[1:] == said[:-1]])
    label, blank = np.full(len(said), -np.inf), np.full(len(said), -np.inf)
    blank[0] = 0.0
    for row in log_probs.astype(np.float64):
        total = np.logaddexp(label, blank)
        before = np.concatenate([[-np.inf], np.where(repeats[1:], blank[:-1], total[:-1])])
        held = np.where(separates, total, label)
        waiting = np.full(len(said), row[0])
        waiting[0] = np.logaddexp(row[0], row[separator])
        label, blank = row[said] + np.logaddexp(held, before), waiting + total
        label[0] = -np.inf
    ends = slice(-2, None) if text else slice(0, 1)  # without and with a separator behind
    return float(np.logaddexp.reduce(np.concatenate([label[ends], blank[ends]])))
