"""The sentence at the top follows from the rows, and from them alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from speechq.bench.headline import headline, main_rows
from speechq.bench.wer import wer_table

Row = dict[str, Any]


def row(method: str, scheme: str, wer: float, delta: float | None, low: float, high: float, size: int) -> Row:
    """What the headline reads of a row of the table."""
    return {
        "model": f"{scheme}-{method}-s1" if method != "float+" else "float+-s1",
        "scheme": scheme,
        "method": method,
        "corpus": "all",
        "split": "test",
        "mode": "utterance",
        "decoder": "greedy",
        "unit": "word",
        "seed": 1,
        "seeds": [1],
        "size_bytes": size,
        "wer": wer,
        "wer_low": wer / 2,
        "wer_high": wer * 2,
        "delta_vs_float": delta,
        "delta_low": low,
        "delta_high": high,
        "reference": None if delta is None else "float+",
        "reference_seeds": [1],
    }


BASE = row("float+", "float", 0.120, 0.0, 0.0, 0.0, 8_000_000)
FOUR = row("sgd", "w4a8", 0.123, 0.003, -0.002, 0.008, 1_000_000)
TWO = row("sgd", "w2a8", 0.150, 0.030, 0.02, 0.04, 500_000)
DIRECT = row("direct", "w4a8", 0.171, 0.051, 0.04, 0.06, 1_000_000)


def test_four_bits() -> None:
    assert headline([BASE, FOUR]) == (
        "At 4 bits the retrained network is 8.0 times smaller than float and loses 0.3 points of WER "
        "(95 % interval \N{MINUS SIGN}0.2 to 0.8): 12.3 % against 12.0 %."
    )


def test_direct_rounding_and_fewest_bits_follow() -> None:
    text = headline([BASE, FOUR, TWO, DIRECT])
    assert "Rounded without retraining it loses 5.1 points of WER (95 % interval 4.0 to 6.0)." in text
    assert text.endswith(
        "At 2 bits the retrained network is 16.0 times smaller than float and loses 3.0 points of WER "
        "(95 % interval 2.0 to 4.0): 15.0 % against 12.0 %."
    )


@pytest.mark.parametrize(
    ("delta", "words"),
    [
        (-0.011, "has a WER lower by 1.1 points (95 % interval of the change"),
        (0.0001, "keeps its WER within 0.05 points"),
    ],
)
def test_gains_and_ties(delta: float, words: str) -> None:
    assert words in headline([BASE, {**FOUR, "delta_vs_float": delta}])


def test_without_float_or_without_quantized_networks() -> None:
    assert (
        headline([row("sgd", "w4a8", 0.2, None, 0, 0, 9)])
        == "At 4 bits the retrained network has a WER of 20.0 %."
    )
    assert headline([BASE]) == "The network float+-s1 has a WER of 12.0 % (95 % interval 6.0 to 24.0)."
    assert "directly rounded network" in headline([BASE, DIRECT])


def test_of_a_work_folder(work_dir: Path) -> None:
    rows = wer_table(work_dir, pooled=True, draws=100)
    main = main_rows(rows)
    assert len(main) == 8 and {row["corpus"] for row in main} == {"all"}
    assert headline(rows).startswith("At 4 bits the retrained network is 8.0 times smaller than float and ")
