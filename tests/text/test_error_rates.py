from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechq.text.error_rates import ErrorCounts, character_errors, count_errors, phone_errors, word_errors

WORDS = st.lists(st.sampled_from(["a", "b", "cc", "d"]), max_size=8)


def slow_distance(a, b):
    """Edit distance by the plain table."""
    table = [[i + j if i * j == 0 else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i, x in enumerate(a, 1):
        for j, y in enumerate(b, 1):
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (x != y))
    return table[-1][-1]


@given(WORDS, WORDS)
def test_counts_are_a_smallest_alignment(reference, hypothesis):
    counts = count_errors(reference, hypothesis)
    assert counts.errors == slow_distance(reference, hypothesis)
    assert counts.reference == len(reference)
    assert counts.insertions - counts.deletions == len(hypothesis) - len(reference)
    assert counts.substitutions + counts.deletions <= len(reference)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "counts"),
    [
        ("THE CAT SAT", "THE CAT SAT", (0, 0, 0, 3)),
        ("THE CAT SAT", "THE BAT SAT", (1, 0, 0, 3)),
        ("THE CAT SAT", "THE SAT", (0, 1, 0, 3)),
        ("THE CAT", "THE BIG  CAT", (0, 0, 1, 2)),
        ("THE CAT", "", (0, 2, 0, 2)),
        ("", "THE", (0, 0, 1, 0)),
    ],
)
def test_word_errors(reference, hypothesis, counts):
    assert word_errors(reference, hypothesis) == ErrorCounts(*counts)


def test_characters_count_spaces():
    assert character_errors("AB CD", "ABCD") == ErrorCounts(0, 1, 0, 5)
    assert character_errors(" AB  CD ", "AB CD") == ErrorCounts(0, 0, 0, 5)


def test_phones_are_folded_on_both_sides():
    assert phone_errors("h# ao q pcl p h#", "pau aa pcl p sil") == ErrorCounts(0, 0, 0, 5)
    assert phone_errors("h# ao zh", "h# aa sh", 48) == ErrorCounts(2, 0, 0, 3)
    assert phone_errors("h# ao", "pau ao", None) == ErrorCounts(1, 0, 0, 2)
    assert phone_errors("kcl h#", "h#") == ErrorCounts(0, 1, 0, 2)
    assert phone_errors("kcl h#", "h#", collapse_silence=True) == ErrorCounts(0, 0, 0, 1)


def test_rates_pool_by_adding_counts():
    total = sum([word_errors("A B C", "A X C"), word_errors("A", "")], ErrorCounts())
    assert total == ErrorCounts(1, 1, 0, 4)
    assert total.rate == 0.5
    assert ErrorCounts().rate == 0.0
    assert ErrorCounts(insertions=1).rate == math.inf
