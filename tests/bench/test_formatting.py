"""Numbers as text."""

from __future__ import annotations

import pytest

from speechq.bench import formatting

MINUS = "\N{MINUS SIGN}"


@pytest.mark.parametrize(
    ("value", "sign", "text"),
    [(0.1234, False, "12.3"), (-0.002, True, f"{MINUS}0.2"), (0.002, True, "+0.2"), (-0.0001, True, "0.0")],
)
def test_percent(value: float, sign: bool, text: str) -> None:
    assert formatting.percent(value, sign=sign) == text


def test_missing_values_are_dashes() -> None:
    assert formatting.percent(None) == "\N{EN DASH}"
    assert formatting.rate_with_interval(0.5, None, None) == "50.0"
    assert formatting.change_with_interval(0.003, -0.002, 0.008) == f"+0.3 ({MINUS}0.2 to +0.8)"


@pytest.mark.parametrize(
    ("count", "text"), [(999, "999 B"), (1000, "1.00 kB"), (561_000, "561 kB"), (4_213_000, "4.21 MB")]
)
def test_size(count: int, text: str) -> None:
    assert formatting.size(count) == text


@pytest.mark.parametrize(("seconds", "text"), [(4.2, "4.2 s"), (200, "3 min 20 s"), (4320, "1 h 12 min")])
def test_duration(seconds: float, text: str) -> None:
    assert formatting.duration(seconds) == text


@pytest.mark.parametrize(
    ("factor", "text"), [(0.2134, "0.213"), (0.000314, "0.00031"), (0.0100, "0.010"), (0.0, "0.000")]
)
def test_real_time(factor: float, text: str) -> None:
    assert formatting.real_time(factor) == text
