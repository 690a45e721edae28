"""The streaming best path against the one over the whole."""

from __future__ import annotations

import numpy as np
import pytest
from decoder_reference import random_log_probs
from hypothesis import given
from hypothesis import strategies as st

from speechq.errors import DataError
from speechq.runtime.greedy import GreedyDecoder, best_path
from speechq.text.units import Units

CHARACTERS = Units.characters(" AB")
PIECES = Units("pieces", ("<blank>", "\u2581A", "B", "\u2581", "\u2581B"))
PHONES = Units.phones(["AH", "B", "K"])
kinds = st.sampled_from([CHARACTERS, PIECES, PHONES])


@given(
    units=kinds,
    frames=st.integers(0, 40),
    cuts=st.lists(st.integers(0, 40), max_size=4),
    seed=st.integers(0, 999),
)
def test_any_cut_gives_the_text_of_the_whole(units: Units, frames: int, cuts: list[int], seed: int) -> None:
    log_probs = random_log_probs(np.random.default_rng(seed), frames, len(units))
    stream, shown = GreedyDecoder(units).stream(), ""
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), frames], strict=True):
        stream.accept(log_probs[begin : max(begin, end)])
        if end <= frames:
            assert stream.stable_text.startswith(shown)
            shown = stream.stable_text
    once = GreedyDecoder(units).stream()
    once.accept(log_probs)
    expected = once.finish()[0]
    if max(cuts, default=0) <= frames:
        assert stream.finish()[0] == expected
    assert expected.text == GreedyDecoder(units).decode(log_probs)
    assert " ".join(word.text for word in expected.words) == expected.text
    assert expected.score == pytest.approx(float(log_probs.max(axis=1).astype(np.float64).sum()), abs=1e-9)


def test_words_have_the_times_of_their_peaks_and_the_product_of_their_probabilities() -> None:
    path = [0, 2, 2, 3, 0, 1, 1, 0, 3, 3, 0]
    best = [0.9, 0.5, 0.8, 0.6, 0.9, 0.9, 0.9, 0.9, 0.7, 0.6, 0.9]
    log_probs = np.full((len(path), 4), 0.01)
    log_probs[np.arange(len(path)), path] = best
    stream = GreedyDecoder(CHARACTERS).stream()
    stream.accept(np.log(log_probs).astype(np.float32))
    found = stream.finish()[0]
    assert found.text == "AB B"
    assert [(word.start, word.end) for word in found.words] == [(2, 4), (8, 9)]
    np.testing.assert_allclose([word.confidence for word in found.words], [0.48, 0.7], rtol=1e-5)
    assert found.alignment == ((2, 2), (3, 3), (1, 5), (3, 8))


@given(units=kinds, frames=st.integers(1, 40), end=st.integers(0, 40), seed=st.integers(0, 999))
def test_a_label_that_sounds_on_is_said_once(units: Units, frames: int, end: int, seed: int) -> None:
    log_probs = random_log_probs(np.random.default_rng(seed), frames, len(units))
    whole, cut = GreedyDecoder(units).stream(), GreedyDecoder(units).stream()
    whole.accept(log_probs)
    cut.accept(log_probs[:end])
    first = cut.finish()[0]
    cut.accept(log_probs[end:])
    symbols = [unit for unit, _ in first.alignment + cut.finish()[0].alignment]
    assert symbols == [unit for unit, _ in whole.finish()[0].alignment]
    assert cut.frames == frames


def test_what_does_not_fit_is_refused() -> None:
    stream = GreedyDecoder(CHARACTERS).stream()
    with pytest.raises(DataError, match="expected \\[frames, 4\\]"):
        stream.accept(np.zeros((2, 5), np.float32))
    with pytest.raises(DataError, match="not numbers"):
        stream.accept(np.full((2, 4), np.nan, np.float32))
    assert stream.frames == 0
    assert best_path(np.zeros((1, 4), np.float32))[0] == 0
