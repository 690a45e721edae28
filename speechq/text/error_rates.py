"""Word, character and phone error rates: edits of a smallest alignment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rapidfuzz.distance import Levenshtein

from speechq.text.phones import fold


@dataclass(frozen=True)
class ErrorCounts:
    """Edits that turn the reference into the hypothesis; ``reference`` is the reference's length."""

    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    reference: int = 0

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions together."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors per reference symbol, a fraction that can exceed 1; infinite for insertions into nothing."""
        if self.reference == 0:
            return 0.0 if self.errors == 0 else math.inf
        return self.errors / self.reference

    def __add__(self, other: ErrorCounts) -> ErrorCounts:
        return ErrorCounts(
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
            self.reference + other.reference,
        )


def count_errors(reference: Sequence[str], hypothesis: Sequence[str]) -> ErrorCounts:
    """Count the edits of one smallest alignment.

    The total is unique; where several alignments are equally short, the split into the three kinds is
    rapidfuzz's choice, the same for the same input.
    """
    counts = {"replace": 0, "delete": 0, "insert": 0}
    for operation in Levenshtein.editops(reference, hypothesis):
        counts[operation.tag] += 1
    return ErrorCounts(counts["replace"], counts["delete"], counts["insert"], len(reference))


def matches(reference: Sequence[str], hypothesis: Sequence[str]) -> list[tuple[int, int]]:
    """Places ``(in the reference, in the hypothesis)`` of what is right in one smallest alignment."""
    blocks = Levenshtein.editops(reference, hypothesis).as_matching_blocks()
    return [(block.a + k, block.b + k) for block in blocks for k in range(block.size)]


def word_errors(reference: str, hypothesis: str) -> ErrorCounts:
    """Errors over words, which are split at white space."""
    return count_errors(reference.split(), hypothesis.split())


def character_errors(reference: str, hypothesis: str) -> ErrorCounts:
    """Errors over characters; a space between words counts as one character."""
    return count_errors(" ".join(reference.split()), " ".join(hypothesis.split()))


def phone_errors(
    reference: str,
    hypothesis: str,
    fold_to: Literal[48, 39] | None = 39,
    *,
    collapse_silence: bool = False,
) -> ErrorCounts:
    """Errors over space-separated TIMIT phones, both sides folded first (None: labels as they are)."""
    if fold_to is None:
        return count_errors(reference.split(), hypothesis.split())
    return count_errors(
        fold(reference.split(), fold_to, collapse_silence=collapse_silence),
        fold(hypothesis.split(), fold_to, collapse_silence=collapse_silence),
    )
