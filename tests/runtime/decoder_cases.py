"""What the tests of the decoder share: units, a decoder that prunes nothing, and outputs of known paths."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from decoder_reference import MARKER, Scored
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from speechq.runtime.decoder import Hypothesis

EXACT: dict[str, Any] = {
    "beam": 100_000,
    "beam_threshold": math.inf,
    "depth": 1000,
    "symbol_threshold": -math.inf,
}
LETTERS = ["<blank>", " ", "a", "b"]
PHONES = ["<blank>", "K", "AE", "T"]
PIECES = ["<blank>", MARKER + "a", "b", MARKER + "b", MARKER]
WORDS = ["a", "b", "ab", "ba", "aa"]
quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
seeds = st.integers(0, 2**32 - 1)
signed = st.floats(-3, 3, width=32)


def spelled(text: str, units: list[str], frames: int = 2, blank: int = 2, peak: float = 0.98) -> np.ndarray:
    """Each unit `frames` frames long, `blank` blanks before each and at the end."""
    path: list[int] = []
    for character in text:
        path += [0] * blank + [units.index(character)] * frames
    return log_of_path(path + [0] * blank, len(units), peak)


def log_of_path(path: list[int], symbols: int, peak: float) -> np.ndarray:
    probs = np.full((len(path), symbols), (1 - peak) / (symbols - 1))
    probs[np.arange(len(path)), path] = peak
    return np.log(probs).astype(np.float32)


def agrees(found: list[Hypothesis], expected: list[Scored]) -> None:
    """The same texts with the same scores."""
    scores = {h.text: (h.score, h.acoustic, h.char_lm, h.known_char_lm, h.ngram) for h in found}
    assert set(scores) == {text for text, *_ in expected}
    for text, *values in expected:
        np.testing.assert_allclose(scores[text], values, rtol=1e-6, atol=1e-5, err_msg=text)
    ordered = [h.score for h in found]
    assert ordered == sorted(ordered, reverse=True)


def every_cut(rng: np.random.Generator, log_probs: np.ndarray) -> list[np.ndarray]:
    """The same frames in pieces of any length."""
    count = int(rng.integers(0, len(log_probs) + 1))
    return np.split(log_probs, sorted(rng.integers(0, len(log_probs) + 1, size=count)))
