"""Endpoint rules against a slow reading of their definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from speechq.errors import ConfigError
from speechq.runtime.endpoint import RULES, Endpointer, EndpointRule
from speechq.text.units import Units

CHARACTERS = Units.characters(" AB")
PHONES = Units.phones(["AH", "B", "K"])
FRAME = 0.03


def frames_of(path: list[int]) -> NDArray[np.float32]:
    log_probs = np.full((len(path), 4), -5.0, np.float32)
    log_probs[np.arange(len(path)), path] = -0.1
    return log_probs


def slow_ends(rules: list[EndpointRule], units: Units, path: list[int]) -> list[int]:
    """The definition, looking at the whole segment at every frame."""
    found, begin = [], 0
    quiet = {0, units.separator}
    for end in range(1, len(path) + 1):
        segment = path[begin:end]
        spoken = [k for k, symbol in enumerate(segment) if symbol not in quiet]
        silent = len(segment) - 1 - spoken[-1] if spoken else len(segment)
        said = [symbol for symbol in segment if symbol]
        between = said[-1:] == [units.separator] if units.separator else segment[-1] == 0
        for rule in rules:
            if (
                silent >= round(rule.trailing_silence / FRAME)
                and len(segment) >= round(rule.length / FRAME)
                and (spoken or not rule.speech)
                and (between or not rule.between_words)
            ):
                found.append(end)
                begin = end
                break
    return found


times = st.integers(0, 10).map(lambda frames: frames * FRAME)
rules = st.builds(EndpointRule, times, times.map(lambda t: t + FRAME), st.booleans(), st.booleans())


@given(
    rules=st.lists(rules, min_size=1, max_size=3),
    path=st.lists(st.sampled_from([0, 0, 0, 1, 2, 3]), max_size=60),
    cut=st.integers(0, 60),
    units=st.sampled_from([CHARACTERS, PHONES]),
)
def test_segments_end_where_a_rule_says_so(
    rules: list[EndpointRule], path: list[int], cut: int, units: Units
) -> None:
    endpointer = Endpointer(rules, units, FRAME)
    first = endpointer.ends(frames_of(path[:cut])) if path[:cut] else []
    rest = endpointer.ends(frames_of(path[cut:])) if path[cut:] else []
    assert first + [min(cut, len(path)) + end for end in rest] == slow_ends(rules, units, path)


def test_the_rules_that_are_there_unless_others_are_asked_for() -> None:
    def ends(path: list[int]) -> list[int]:
        return Endpointer(RULES, CHARACTERS, FRAME).ends(frames_of(path))

    assert ends([0] * 200) == [167]  # 5 s without a word
    assert ends([2] * 20 + [0] * 100) == [47]  # 0.8 s behind one
    assert ends([2] * 5 + [0] * 26) == []  # too short yet
    assert ends(([2, 0] * 10 + [1]) * 100)[0] == 672  # 20 s, and then the next space
    assert ends([2, 0] * 2000) == [2000, 4000]  # 60 s without any space


def test_a_time_is_never_rounded_to_nothing() -> None:
    """That would end a segment at every frame."""
    assert Endpointer([EndpointRule(0.001)], CHARACTERS, FRAME).ends(frames_of([2, 2, 0, 0, 2])) == [3]


def test_a_rule_that_would_always_fire_is_refused() -> None:
    with pytest.raises(ConfigError, match="above 0 seconds"):
        EndpointRule()
    with pytest.raises(ConfigError, match="length is -1"):
        EndpointRule(length=-1)
