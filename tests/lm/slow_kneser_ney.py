"""Modified Kneser-Ney over dictionaries, as it is written down; and reading ARPA text."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

Gram = tuple[str, ...]
Entries = dict[Gram, tuple[float, float]]


def slow_kneser_ney(
    sentences: Iterable[Sequence[str]], order: int, prune: Sequence[int], vocabulary: set[str] | None
) -> Entries:
    """log10 of probability and back-off of every n-gram, with fall-back discounts where they are needed."""
    texts = [list(sentence) for sentence in sentences]
    thresholds = [*prune, *([prune[-1] if prune else 0] * (order - len(prune)))]
    counts: list[Counter[Gram]] = [Counter() for _ in range(order + 1)]
    before: dict[Gram, set[str]] = defaultdict(set)
    windows: list[Gram] = []
    for text in texts:
        padded = ["<s>"] * (order - 1) + text + ["</s>"]
        windows += [tuple(padded[end - order : end]) for end in range(order, len(padded) + 1)]
    for window in windows:
        for length in range(1, order + 1):
            gram = window[-length:]
            if gram.count("<s>") == 0 or (gram.count("<s>") == 1 and gram[0] == "<s>"):
                counts[length][gram] += 1
                if length < order and gram[0] != "<s>":
                    before[gram].add(window[-length - 1])

    def adjusted(gram: Gram) -> int:
        known = len(gram) == order or gram[0] == "<s>"
        return counts[len(gram)][gram] if known else len(before[gram])

    def kept(gram: Gram) -> bool:
        if gram in {("<unk>",), ("<s>",), ("</s>",)}:
            return True
        allowed = vocabulary is None or {*gram} <= vocabulary | {"<s>", "</s>"}
        return allowed and counts[len(gram)][gram] > thresholds[len(gram) - 1]

    # lmplz enters the n-grams that come last in its order with their occurrences.
    words_in_order = dict.fromkeys(["<s>", "</s>", *(word for text in texts for word in text)])
    appearance = {word: rank for rank, word in enumerate(words_in_order)}
    last = max(windows, key=lambda window: [appearance[word] for word in reversed(window)])
    discounts = [[0.0, 0.0, 0.0, 0.0]]
    for length in range(1, order + 1):
        n = Counter(
            counts[length][gram] if length < order and gram == last[-length:] else adjusted(gram)
            for gram in counts[length]
        )
        discounts.append(_discounts(n))

    @_remember
    def gamma(context: Gram) -> float:
        following = [gram for gram in counts[len(context) + 1] if gram[:-1] == context]
        if not following:
            return 1.0
        discount = discounts[len(context) + 1]
        freed = sum(discount[min(adjusted(g), 3)] if kept(g) else adjusted(g) for g in following)
        return freed / sum(map(adjusted, following))

    @_remember
    def total(context: Gram) -> int:
        return sum(adjusted(gram) for gram in counts[len(context) + 1] if gram[:-1] == context)

    words = [gram for gram in counts[1] if kept(gram)]
    uniform = 1 / (len(words) + 1)  # and <unk>

    def prob(gram: Gram) -> float:
        if not gram:
            return uniform
        own = adjusted(gram) - discounts[len(gram)][min(adjusted(gram), 3)]
        return own / total(gram[:-1]) + gamma(gram[:-1]) * prob(gram[1:])

    def logs(gram: Gram, p: float) -> tuple[float, float]:
        return math.log10(p), math.log10(max(gamma(gram), 1e-99)) if len(gram) < order else 0.0

    entries = {("<unk>",): (math.log10(gamma(()) * uniform), 0.0), ("<s>",): logs(("<s>",), 1.0)}
    for length in range(1, order + 1):
        entries |= {gram: logs(gram, prob(gram)) for gram in counts[length] if kept(gram)}
    return entries


def _remember(function):  # type: ignore[no-untyped-def]
    known: dict[Gram, float] = {}
    return lambda gram: known[gram] if gram in known else known.setdefault(gram, function(gram))


def _discounts(n: Counter[int]) -> list[float]:
    if n[1] and n[2] and n[3]:
        y = n[1] / (n[1] + 2 * n[2])
        found = [j - (j + 1) * y * n[j + 1] / n[j] for j in (1, 2, 3)]
        if all(0 <= amount <= j for j, amount in enumerate(found, 1)):
            return [0.0, *found]
    return [0.0, 0.5, 1.0, 1.5]


def parse_arpa(text: str) -> Entries:
    """All n-grams of an ARPA file; 0 where a back-off is not given."""
    entries = {}
    for line in text.split("\n"):
        fields = line.split("\t")
        if len(fields) > 1:
            entries[tuple(fields[1].split(" "))] = (float(fields[0]), float(fields[2]) if fields[2:] else 0.0)
    return entries


def read_arpa(path: Path) -> Entries:
    """The same from a file."""
    return parse_arpa(path.read_text(encoding="utf-8"))


def largest_difference(a: Entries, b: Entries) -> float:
    """Over all n-grams, which must be the same ones. A discount of the whole count leaves nothing, or what
    rounding leaves of it: below 1e-12 all is alike.
    """
    assert a.keys() == b.keys()
    pairs = ((x, y) for gram in a for x, y in zip(a[gram], b[gram], strict=True))
    return max(abs(max(x, -12.0) - max(y, -12.0)) for x, y in pairs)
