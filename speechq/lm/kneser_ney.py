"""Interpolated modified Kneser-Ney smoothing, number for number that of KenLM's ``lmplz``.

Chen and Goodman, "An empirical study of smoothing techniques for language modeling", 1998; Heafield,
Pouzyrevsky, Clark and Koehn, "Scalable modified Kneser-Ney language model estimation", ACL 2013.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speechq.errors import ConfigError, DataError
from speechq.lm.corpus import BOS, EOS, UNK, Corpus, read_blocks, split_words
from speechq.lm.counts import Grams, count_ngrams
from speechq.progress import say

MAX_ORDER = 6  # what KenLM is built for, see cmake/build_kenlm.cmake
FALLBACK = (0.5, 1.0, 1.5)
_Floats = NDArray[np.float64]
_Mask = NDArray[np.bool_]
_LEAST = 1e-99  # where nothing is left for shorter contexts; log10 stays finite


@dataclass(frozen=True)
class Table:
    """The n-grams of one order that the model holds, sorted by their words' numbers.

    ``context`` numbers the n-gram without its last word in the table of the order below; ``prob`` and
    ``backoff`` are log10 (no backoff in the highest order).
    """

    context: NDArray[np.int64]
    word: NDArray[np.uint32]
    prob: _Floats
    backoff: _Floats | None


@dataclass(frozen=True)
class Ngrams:
    """A back-off model: ``tables[k]`` holds the n-grams of order k + 1, whose words index ``words``.

    Bytes of a word that are not UTF-8 are kept as surrogates (Python's ``surrogateescape``).
    """

    words: list[str]
    tables: list[Table]


def estimate(
    corpus: Corpus,
    order: int,
    prune: Sequence[int] = (),
    vocabulary: Path | None = None,
    discount_fallback: bool = False,
) -> Ngrams:
    """Estimate a model of ``order`` 2 to 6.

    ``prune``: n-grams that occur at most that often are left out, one number per order, never decreasing, the
    last one standing for all higher orders. ``vocabulary``: a file of words; n-grams with any other word are
    left out. Where discounts cannot be estimated, as for small texts, ``discount_fallback`` takes 0.5, 1 and
    1.5, without it ``DataError`` is raised. ``ConfigError``: a bad order or threshold.
    """
    if not 2 <= order <= MAX_ORDER:
        raise ConfigError(f"order {order}: an n-gram model has an order of 2 to {MAX_ORDER}")
    thresholds = _thresholds(prune, order)
    allowed = _allowed(corpus, vocabulary)
    orders = count_ngrams(corpus, order)
    keeps: list[_Mask] = []
    probs: list[_Floats] = []
    gammas: list[_Floats] = []
    within = np.ones(1, dtype=bool)  # all words are allowed
    for length, grams in enumerate(orders, 1):
        within = within[grams.context] & allowed[grams.word]
        keep = within & (grams.count > thresholds[length - 1])
        if length == 1:
            keep[[UNK, BOS, EOS]] = True
            # Uniform over everything that can follow: all words and <unk>, but not <s>.
            lower = np.array([1 / (np.count_nonzero(keep) - 1)])
        discount = _discount(grams, length, discount_fallback)
        prob, gamma = _interpolate(grams, keep, discount, lower)
        if length == 1:
            prob[BOS] = 1.0
        say(_summary(length, keep, discount))
        keeps.append(keep)
        probs.append(prob)
        gammas.append(gamma)
        lower = prob
    words = [word.decode("utf-8", "surrogateescape") for word in corpus.words]
    return Ngrams(words, _tables(orders, keeps, probs, gammas))


def _interpolate(grams: Grams, keep: _Mask, discount: _Floats, lower: _Floats) -> tuple[_Floats, _Floats]:
    """Probabilities of one order's n-grams, and the weight of the order below for each of its contexts.

    ``lower`` holds the probabilities of the order below. An n-gram that is left out gives its whole count to
    the order below; where nothing follows a context, its weight is 1.
    """
    counts = grams.adjusted
    taken = discount[np.minimum(counts, 3)]
    total = np.bincount(grams.context, counts, minlength=len(lower))
    freed = np.bincount(grams.context, np.where(keep, taken, counts), minlength=len(lower))
    gamma = np.divide(freed, total, out=np.ones(len(lower)), where=total > 0)
    return (counts - taken) / total[grams.context] + gamma[grams.context] * lower[grams.suffix], gamma


def _tables(
    orders: list[Grams], keeps: list[_Mask], probs: list[_Floats], gammas: list[_Floats]
) -> list[Table]:
    tables = []
    number = np.zeros(1, dtype=np.int64)
    for index, (grams, keep) in enumerate(zip(orders, keeps, strict=True)):
        prob = np.minimum(np.log10(probs[index][keep]), 0.0)
        backoff = None
        if index + 1 < len(orders):
            backoff = np.log10(np.maximum(gammas[index + 1][keep], _LEAST))
        tables.append(Table(number[grams.context[keep]], grams.word[keep], prob, backoff))
        number = np.cumsum(keep) - 1
    return tables


def _discount(grams: Grams, length: int, fallback: bool) -> _Floats:
    """What to take off the adjusted counts 0, 1, 2, and 3 or more: Chen and Goodman, equation 26."""
    counts = grams.adjusted
    n = np.bincount(np.minimum(counts, 5), minlength=6).astype(float)
    if grams.last is not None:
        # lmplz enters the last n-gram with its occurrences instead of its adjusted count. In a small text one
        # n-gram is enough to move all probabilities.
        n[min(counts[grams.last], 5)] -= 1
        n[min(grams.count[grams.last], 5)] += 1
    if np.all(n[1:4] > 0):
        j = np.arange(1, 4)
        y = n[1] / (n[1] + 2 * n[2])
        discount = j - (j + 1) * y * n[2:5] / n[1:4]
        if np.all((discount >= 0) & (discount <= j)):
            return np.array([0.0, *discount])
    if fallback:
        return np.array([0.0, *FALLBACK])
    seen = ", ".join(f"{n[j]:.0f}" for j in range(1, 5))
    raise DataError(
        f"the text is too small or too repetitive to estimate the discounts of the {length}-grams: {seen} of "
        "them have the adjusted counts 1, 2, 3, 4; use more text, without repeated lines, or pass "
        "--discount-fallback"
    )


def _thresholds(prune: Sequence[int], order: int) -> list[int]:
    if len(prune) > order:
        raise ConfigError(f"--prune has {len(prune)} thresholds; expected at most {order}, one per order")
    if any(threshold < 0 for threshold in prune) or list(prune) != sorted(prune):
        raise ConfigError(
            f"--prune {' '.join(map(str, prune))}: thresholds are 0 or more and must not decrease; "
            "otherwise an n-gram would stay whose ending is gone"
        )
    given = list(prune) or [0]
    return given + given[-1:] * (order - len(given))


def _allowed(corpus: Corpus, vocabulary: Path | None) -> _Mask:
    """Which words n-grams may contain; the special ones always."""
    if vocabulary is None:
        return np.ones(len(corpus.words), dtype=bool)
    listed = {word for block in read_blocks([vocabulary], "reading vocabulary") for word in _words(block)}
    allowed = np.fromiter((word in listed for word in corpus.words), dtype=bool, count=len(corpus.words))
    if not allowed.any():
        raise DataError(f"{vocabulary}: none of its words occurs in the text")
    allowed[[UNK, BOS, EOS]] = True
    return allowed


def _words(block: bytes) -> Iterator[bytes]:
    return split_words(block.replace(b"\n", b" "))


def _summary(length: int, keep: _Mask, discount: _Floats) -> str:
    kept = np.count_nonzero(keep)
    share = f" of {len(keep):,}" if kept < len(keep) else ""
    amounts = ", ".join(f"{amount:.4f}" for amount in discount[1:])
    return f"{kept:,}{share} {length}-grams, discounts {amounts}"
