"""Codebooks of weights, Huffman lengths, and universal quantization with dither."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechq.quant.codebooks import (
    Codebook,
    ecsq,
    fixed_bits,
    huffman_bits,
    huffman_lengths,
    ratio,
    uniform_ecsq,
    weighted_error,
    weighted_kmeans,
)
from speechq.quant.dither import dithered, uniform


def weights(count: int = 3000, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    rng = np.random.default_rng(seed)
    return rng.laplace(0, 0.1, count), rng.exponential(1.0, count) + 1e-3


def cost(weight: np.ndarray, importance: np.ndarray, book: Codebook, price: float) -> float:  # type: ignore[type-arg]
    shares = book.counts() / weight.size
    bits = -sum(math.log2(shares[k]) for k in book.index)
    return weighted_error(weight, importance, book) + price * bits


def test_kmeans_stands_at_a_point_that_neither_step_improves() -> None:
    weight, importance = weights()
    book = weighted_kmeans(weight, importance, 7)
    for k in range(7):
        mine = book.index == k
        assert book.centres[k] == pytest.approx(np.average(weight[mine], weights=importance[mine]))
    nearest = np.abs(weight[:, None] - book.centres).argmin(1)
    np.testing.assert_array_equal(nearest, book.index)
    plain = weighted_kmeans(weight, np.ones_like(weight), 7)
    assert weighted_error(weight, importance, book) < weighted_error(weight, importance, plain)
    assert weighted_error(weight, np.ones_like(weight), plain) < weighted_error(
        weight, np.ones_like(weight), book
    )


def test_few_weights_are_clustered_as_well_as_can_be() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        weight = np.sort(np.concatenate([rng.normal(c, 0.02, 4) for c in (-1.0, 0.1, 0.9)]))
        importance = rng.uniform(0.5, 2.0, 12)
        book = weighted_kmeans(weight, importance, 3)
        best = math.inf
        for a, b in itertools.combinations(range(1, 12), 2):  # clusters of a line are intervals
            total = 0.0
            for part in (slice(0, a), slice(a, b), slice(b, 12)):
                centre = np.average(weight[part], weights=importance[part])
                total += float((importance[part] * (weight[part] - centre) ** 2).sum())
            best = min(best, total)
        assert weighted_error(weight, importance, book) == pytest.approx(best)


def test_a_price_on_bits_trades_error_for_entropy() -> None:
    weight, importance = weights()
    free = ecsq(weight, importance, 16, 0.0)
    np.testing.assert_array_equal(free.index, weighted_kmeans(weight, importance, 16).index)
    dear = ecsq(weight, importance, 16, 0.002)
    assert len(dear.centres) <= 16
    assert huffman_bits(dear) < huffman_bits(free)
    assert weighted_error(weight, importance, dear) > weighted_error(weight, importance, free)
    assert cost(weight, importance, dear, 0.002) < cost(weight, importance, free, 0.002)
    assert (dear.counts() > 0).all()
    # no weight would rather be elsewhere
    bits = -np.log2(dear.counts() / weight.size)
    chosen = importance * (weight - dear.values()) ** 2 + 0.002 * bits[dear.index]
    for k, centre in enumerate(dear.centres):
        assert (chosen <= importance * (weight - centre) ** 2 + 0.002 * bits[k] + 1e-9).all()


def test_uniform_bins_are_reconstructed_by_their_weighted_means() -> None:
    weight, importance = weights(500)
    book = uniform_ecsq(weight, importance, 0.07)
    for value, h, found in zip(weight, importance, book.values(), strict=True):
        assert h > 0
        same = np.floor(weight / 0.07 + 0.5) == math.floor(value / 0.07 + 0.5)
        assert found == pytest.approx(np.average(weight[same], weights=importance[same]))


@given(st.lists(st.integers(0, 50), min_size=1, max_size=9))
def test_huffman_codes_are_prefix_codes_of_the_least_length(counts: list[int]) -> None:
    lengths = huffman_lengths(np.array(counts)).tolist()
    used = [n for n, c in zip(lengths, counts, strict=True) if c]
    assert [n > 0 for n in lengths] == [c > 0 for c in counts]
    if len(used) > 1:
        assert sum(2.0**-n for n in used) == 1.0  # Kraft, with equality
    total, present = sum(counts), [c for c in counts if c]
    mean = sum(n * c for n, c in zip(lengths, counts, strict=True))
    entropy = -sum(c * math.log2(c / total) for c in present)
    assert entropy - 1e-9 <= mean <= entropy + total
    # the sum of all inner nodes, merged two by two, is the least total length
    least, queue = 0, sorted(present)
    while len(queue) > 1:
        least += queue[0] + queue[1]
        queue = sorted([*queue[2:], queue[0] + queue[1]])
    assert mean == (least if len(present) > 1 else total if present else 0)


def test_ratios_count_their_tables() -> None:
    book = Codebook(np.array([-1.0, 0.0, 1.0]), np.array([1] * 90 + [0] * 5 + [2] * 5))
    assert fixed_bits(book) == 100 * 2 + 3 * 32
    assert huffman_bits(book) == 90 + 10 * 2 + 3 * 40
    assert ratio(100, 320) == 10.0


def test_the_generator_of_the_dither_is_splitmix64() -> None:
    state, expected = 1234567, []
    for _ in range(5):
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        z = state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        expected.append(z ^ (z >> 31))
    # the published first outputs for this seed
    assert expected[:3] == [6457827717110365317, 3203168211198807973, 9817491932198370423]
    np.testing.assert_array_equal(uniform(1234567, 5), [(z >> 11) / 2**53 - 0.5 for z in expected])


@pytest.mark.parametrize("width", [0.02, 0.5, 3.0])
def test_the_error_is_uniform_and_independent_of_the_weights(width: float) -> None:
    weight = np.random.default_rng(2).laplace(0, 0.1, (100, 200))
    weight[::7] = 0.0
    found = dithered(weight, width, seed=5)
    values = found.values()
    assert (values[::7] == 0).all()
    error = (values - weight)[weight != 0] / width
    assert np.abs(error).max() <= 0.5 + 1e-9
    assert np.histogram(error, 10, (-0.5, 0.5))[0] / error.size == pytest.approx(0.1, abs=0.01)
    assert abs(np.corrcoef(error, weight[weight != 0])[0, 1]) < 0.03
    assert found.bits() < 32 * weight.size
