"""Counting n-grams: tables of every order with occurrences and adjusted counts.

An n-gram is numbered within its order. Its key is the pair (number of its context, last word), so that every
order is one sort of 64-bit integers, however long the n-grams and however large the vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speechq.lm.corpus import BOS, Corpus

_Numbers = NDArray[np.uint32]
_Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Grams:
    """The n-grams of one order, sorted by their words' numbers; all arrays have one entry per n-gram.

    ``context`` and ``suffix`` number the n-gram without its last and without its first word in the table of
    the order below (zeros for order 1). ``count`` is the number of occurrences; ``<unk>`` and ``<s>`` have
    none. ``adjusted`` is the count that Kneser-Ney smoothing uses: occurrences in the highest order and where
    the n-gram begins with ``<s>``, otherwise the number of different words before the n-gram. ``last`` is the
    n-gram that comes last in KenLM's order of sorting, or None.
    """

    context: _Numbers
    word: _Numbers
    suffix: _Numbers
    count: _Counts
    adjusted: _Counts
    last: int | None

    def __len__(self) -> int:
        return len(self.word)


def count_ngrams(corpus: Corpus, order: int) -> list[Grams]:
    """Count all n-grams of the orders 1 to ``order`` (at least 2) that contain ``<s>`` at most as first word.

    Heafield, Pouzyrevsky, Clark and Koehn, "Scalable modified Kneser-Ney language model estimation", ACL
    2013, sections 3.1 and 3.2.
    """
    tokens = corpus.tokens
    last = _last_ends(corpus, order)
    at = tokens  # at[i]: number of the n-gram of the current order that ends at token i
    ends = np.arange(len(tokens))  # where the n-grams of the current order end
    size = len(corpus.words)
    word = np.arange(size, dtype=np.uint32)
    count = np.bincount(tokens, minlength=size)
    count[BOS] = 0
    context = suffix = np.zeros(size, dtype=np.uint32)
    from_start = word == BOS
    tables = []
    for length in range(1, order):
        final = int(at[last[length - 1]]) if length <= len(last) else None
        ends = ends[:-1] + 1
        ends = ends[tokens[ends] != BOS]
        keys = at[ends - 1].astype(np.uint64) << np.uint64(32) | tokens[ends]
        keys, first, numbers, next_count = np.unique(
            keys, return_index=True, return_inverse=True, return_counts=True
        )
        next_suffix = at[ends[first]]
        before = np.bincount(next_suffix, minlength=size)
        tables.append(Grams(context, word, suffix, count, np.where(from_start, count, before), final))

        at = np.zeros_like(tokens)
        at[ends] = numbers
        size = len(keys)
        context, word = (keys >> np.uint64(32)).astype(np.uint32), keys.astype(np.uint32)
        suffix, count, from_start = next_suffix, next_count, from_start[context]
    tables.append(Grams(context, word, suffix, count, count, None))
    return tables


def _last_ends(corpus: Corpus, order: int) -> list[int]:
    """Where the last n-grams of the orders 1, 2, ... below ``order`` end.

    KenLM sorts by the last word, then the one before, and so on, words by first appearance. The last n-grams
    are the endings of one n-gram, up to the one that begins with ``<s>``.
    """
    tokens, seen = corpus.tokens, corpus.seen
    ends = np.arange(len(tokens))
    found: list[int] = []
    for length in range(1, order):
        rank = seen[tokens[ends - (length - 1)]]
        ends = ends[rank == rank.max()]
        found.append(int(ends[0]))
        if rank.max() == seen[BOS]:
            break
    return found
