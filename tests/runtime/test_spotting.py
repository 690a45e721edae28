"""Keyword scores against all paths through the frames, and keywords in speech."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from decoder_reference import random_log_probs
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tiny_speech import RATE, tones

from speechq import Recognizer
from speechq.errors import DataError
from speechq.runtime.greedy import collapse
from speechq.runtime.spotting import Detection, KeywordSpotter
from speechq.text.units import Units

UNITS = Units.characters(" AB")
FRAME = 0.1  # two frames of waiting


def peaks(path: list[int]) -> NDArray[np.float32]:
    """Log-probabilities that say ``path`` clearly."""
    log_probs = np.full((len(path), len(UNITS)), np.log(0.01), np.float32)
    log_probs[np.arange(len(path)), path] = np.log(0.97)
    return log_probs


def spot(keywords: list[str], log_probs: NDArray[np.float32], threshold: float = 0.5) -> list[Detection]:
    return KeywordSpotter(UNITS, keywords, FRAME, threshold).accept(log_probs)


def slow_end_score(log_probs: NDArray[np.float32], keyword: str) -> float:
    """The best path of all frames that ends in the keyword, with a blank or separator behind it."""
    relative = log_probs - log_probs.max(axis=1, keepdims=True)
    labels, best = UNITS.encode(keyword), -np.inf
    for begin in range(len(log_probs)):  # the boundary is heard in the frame before, or nothing but blanks
        for path in itertools.product(range(len(UNITS)), repeat=len(log_probs) - begin):
            free = path.index(labels[0]) if labels[0] in path else len(path)
            if any(path[:free]) or path[-1] not in (0, UNITS.separator):
                continue
            rest = list(path[free:])
            while rest and rest[-1] in (0, UNITS.separator):
                rest.pop()
            if collapse(np.array(rest, np.int64)) != labels:
                continue
            score = sum(relative[begin + k, symbol] for k, symbol in enumerate(path))
            if begin > 0:
                score += relative[begin - 1, UNITS.separator]
            best = max(best, score)
    return float(best)


@given(seed=st.integers(0, 999), frames=st.integers(2, 6), keyword=st.sampled_from(["A", "AB", "AA", "BAB"]))
def test_the_score_is_that_of_the_best_path(seed: int, frames: int, keyword: str) -> None:
    log_probs = random_log_probs(np.random.default_rng(seed), frames, len(UNITS))
    spotter = KeywordSpotter(UNITS, [keyword], FRAME, threshold=2.0)  # never fires
    spotter.accept(log_probs)
    np.testing.assert_allclose(
        spotter._score[0, 2 * len(keyword)], slow_end_score(log_probs, keyword), atol=1e-5
    )


def test_a_keyword_is_found_where_it_is_said_as_a_word() -> None:
    a, b = 2, 3
    text = [0, a, 0, b, 0, 1, b, 0, a, 0, 0, 0, 0, 1, 0, a, b, 1, 0]  # "AB BA AB"
    found = spot(["AB", "BA"], peaks(text))
    assert [(d.keyword, round(d.start / FRAME), round(d.end / FRAME)) for d in found] == [
        ("AB", 1, 4),
        ("BA", 6, 9),
        ("AB", 15, 17),
    ]
    assert all(d.score > 0.99 for d in found)
    assert [round(d.heard / FRAME) for d in found] == [6, 12, 18]  # at the separator, else after the wait


def test_not_within_other_words() -> None:
    a, b = 2, 3
    assert spot(["A"], peaks([0, b, 0, a, 0, 0, 0, 1])) == []  # at the end of a word
    assert spot(["B"], peaks([0, b, 0, a, 0, 0, 0, 1])) == []  # at its beginning
    assert [d.keyword for d in spot(["B A"], peaks([b, 0, 1, 0, a, 0, 0, 0]))] == ["B A"]  # a phrase


@given(seed=st.integers(0, 99), cut=st.integers(0, 60))
def test_the_cutting_does_not_matter(seed: int, cut: int) -> None:
    log_probs = random_log_probs(np.random.default_rng(seed), 60, len(UNITS))
    words = ["A", "AB", "B A"]
    spotter = KeywordSpotter(UNITS, words, FRAME, 0.2)
    pieces = [spotter.accept(part) for part in (log_probs[:cut], log_probs[cut:]) if len(part)]
    assert [d for part in pieces for d in part] == spot(words, log_probs, 0.2)


def test_a_higher_threshold_finds_less() -> None:
    log_probs = random_log_probs(np.random.default_rng(1), 3000, len(UNITS))
    counts = [len(spot(["AB"], log_probs, threshold)) for threshold in (0.05, 0.3, 0.6, 0.9)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1]


def test_keywords_change_while_the_stream_runs(tones_model) -> None:
    recognizer = Recognizer.load(tones_model)
    stream = recognizer.create_stream()
    rng = np.random.default_rng(3)
    found = []
    stream.set_keywords(["ACE", "D FAB"])
    for text in ("ACE BED", "CAB D FAB", "ACE"):
        stream.accept_waveform(tones(text, rng, 0.4, 0.4), RATE)
        recognizer.decode([stream])
        found.append([d.keyword for d in stream.detections()])
        if text == "CAB D FAB":
            stream.set_keywords(["BED"])
    assert found == [["ACE"], ["D FAB"], []]
    stream.reset()
    stream.accept_waveform(tones("ACE BED B", rng, 0.4, 1.0), RATE)
    recognizer.decode([stream])
    (detection,) = stream.detections()
    assert detection.keyword == "BED"
    assert abs(detection.start - (0.4 + 4 * 0.155)) < 0.2
    assert detection.start < detection.end < detection.heard
    with pytest.raises(DataError, match="keyword 'ÄTZ': 'T' 'Z' 'Ä' in"):
        stream.set_keywords(["ÄTZ"])
    with pytest.raises(DataError, match="a keyword is empty"):
        stream.set_keywords([" "])
