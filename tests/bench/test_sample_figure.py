"""Peaks of the CTC outputs and the rows of their labels."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from speechq.bench.sample_figure import label_rows, peaks


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1, max_size=20))
def test_peaks_spell_the_greedy_transcription(values: list[list[float]]) -> None:
    probabilities = np.array(values, np.float32)
    expected, last = [], None
    for symbol in probabilities.argmax(axis=1):
        if symbol != last and symbol != 0:
            expected.append(symbol)
        last = symbol
    found = peaks(probabilities)
    assert [symbol for _, symbol in found] == expected
    assert all(probabilities[frame].argmax() == symbol for frame, symbol in found)


def test_a_peak_is_the_most_certain_frame_of_its_run() -> None:
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.1, 0.9], [0.3, 0.7], [0.8, 0.2]], np.float32)
    assert peaks(probabilities) == [(2, 1)]


def test_labels_that_would_touch_go_up() -> None:
    assert label_rows([0.0, 1.0, 2.0], [1, 1, 1], per_point=0.01) == [0, 0, 0]
    assert label_rows([0.0, 0.01, 0.02, 1.0], [1, 1, 1, 1], per_point=0.01) == [0, 1, 2, 0]
    assert label_rows([0.0, 0.01, 0.02, 0.03], [1, 1, 1, 1], per_point=0.01)[3] == 0
