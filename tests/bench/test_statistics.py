"""The bootstrap against a slow loop, and on simulated data whose true rate is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechq.bench import statistics
from speechq.bench.statistics import paired_intervals, rate_interval, resampled_sums


def loop_sums(counts: np.ndarray, draws: int, seed: int) -> list[list[int]]:
    """Sums of resampled rows, one replicate and one utterance at a time."""
    generator = np.random.default_rng(seed)
    result = []
    for _ in range(draws):
        total = [0] * counts.shape[1]
        for index in generator.integers(len(counts), size=len(counts)):
            for column in range(counts.shape[1]):
                total[column] += int(counts[index, column])
        result.append(total)
    return result


def test_sums_equal_a_loop() -> None:
    counts = np.random.default_rng(1).integers(0, 9, size=(17, 3))
    np.testing.assert_array_equal(resampled_sums(counts, 50, seed=5), loop_sums(counts, 50, seed=5))


def test_sums_do_not_depend_on_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = np.random.default_rng(2).integers(0, 9, size=(13, 2))
    whole = resampled_sums(counts, 40)
    monkeypatch.setattr(statistics, "_CELLS", 3 * 13)
    np.testing.assert_array_equal(resampled_sums(counts, 40), whole)


def test_intervals_equal_a_loop() -> None:
    generator = np.random.default_rng(3)
    lengths = generator.integers(1, 12, 30)
    errors, other = generator.binomial(lengths, 0.3), generator.binomial(lengths, 0.2)
    sums = loop_sums(np.stack([errors, other, lengths], axis=1), 400, seed=9)
    rates = sorted(e / n for e, _, n in sums)
    differences = sorted(e / n - o / n for e, o, n in sums)
    relative = sorted((e / n - o / n) / (o / n) for e, o, n in sums)

    def quantile(values: list[float], share: float) -> float:
        place = share * (len(values) - 1)
        low = int(place)
        return values[low] + (place - low) * (values[min(low + 1, len(values) - 1)] - values[low])

    single = rate_interval(errors, lengths, draws=400, seed=9)
    assert single.value == errors.sum() / lengths.sum()
    assert single.low == pytest.approx(quantile(rates, 0.025), rel=1e-12)
    assert single.high == pytest.approx(quantile(rates, 0.975), rel=1e-12)
    absolute, ratio = paired_intervals(errors, other, lengths, draws=400, seed=9)
    assert absolute.low == pytest.approx(quantile(differences, 0.025), rel=1e-12)
    assert absolute.high == pytest.approx(quantile(differences, 0.975), rel=1e-12)
    assert ratio.low == pytest.approx(quantile(relative, 0.025), rel=1e-12)
    assert ratio.high == pytest.approx(quantile(relative, 0.975), rel=1e-12)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20)), min_size=2, max_size=40), st.integers(0, 99)
)
def test_identical_systems_differ_by_exactly_zero(pairs: list[tuple[int, int]], seed: int) -> None:
    errors, lengths = np.array(pairs).T
    absolute, _ = paired_intervals(errors, errors.copy(), lengths, draws=200, seed=seed)
    assert (absolute.value, absolute.low, absolute.high) == (0.0, 0.0, 0.0)


def simulated(generator: np.random.Generator, utterances: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lengths and errors of two systems that share each utterance's difficulty; true rates 0.20 and 0.16."""
    lengths = generator.integers(2, 20, utterances)
    difficulty = generator.beta(2, 8, utterances)  # mean 0.2
    return lengths, generator.binomial(lengths, difficulty), generator.binomial(lengths, 0.8 * difficulty)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    generator = np.random.default_rng(11)
    trials = 300
    single = paired = 0
    for trial in range(trials):
        lengths, first, second = simulated(generator, 120)
        interval = rate_interval(first, lengths, draws=400, seed=trial)
        single += interval.low <= 0.20 <= interval.high
        absolute, _ = paired_intervals(first, second, lengths, draws=400, seed=trial)
        paired += absolute.low <= 0.04 <= absolute.high
    # 0.95 +- 3 standard errors of 300 trials, wider below: the percentile interval is slightly narrow.
    assert 0.90 <= single / trials <= 0.985
    assert 0.90 <= paired / trials <= 0.985


def test_pairing_narrows_the_interval() -> None:
    lengths, first, second = simulated(np.random.default_rng(4), 400)
    absolute, _ = paired_intervals(first, second, lengths, draws=2000)
    shuffled = np.random.default_rng(5).permutation(400)
    one = resampled_sums(np.stack([first, lengths], axis=1), 2000, seed=1)
    two = resampled_sums(np.stack([second[shuffled], lengths[shuffled]], axis=1), 2000, seed=2)
    unpaired = np.quantile(one[:, 0] / one[:, 1] - two[:, 0] / two[:, 1], [0.025, 0.975])
    assert absolute.high - absolute.low < 0.9 * (unpaired[1] - unpaired[0])


def test_one_utterance_has_no_interval() -> None:
    interval = rate_interval(np.array([2]), np.array([8]))
    assert (interval.value, interval.low, interval.high) == (0.25, None, None)


def test_samples_without_a_word_are_left_out() -> None:
    interval = rate_interval(np.array([1, 0]), np.array([4, 0]), draws=200)
    assert (interval.low, interval.high) == (0.25, 0.25)


def test_nothing_to_resample() -> None:
    with pytest.raises(ValueError, match="no utterances"):
        resampled_sums(np.zeros((0, 2), np.int64))
