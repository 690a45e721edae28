from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_speech import NO_AUGMENT, SOME_AUGMENT, make_job

from speechq.config import AugmentConfig, FeatureConfig
from speechq.data.batches import Dataset, collate, plain_batches, plan_batches, training_batch
from speechq.data.features import stack_frames

CONFIG = FeatureConfig(mels=8)
LENGTHS = st.lists(st.integers(1, 400), min_size=1, max_size=60)


@given(
    frames=LENGTHS, seconds=st.floats(0.5, 60.0), rows=st.integers(1, 20), seed=st.integers(0, 5) | st.none()
)
def test_batches_keep_their_limits_and_hold_every_utterance_once(
    frames: list[int], seconds: float, rows: int, seed: int | None
) -> None:
    rng = None if seed is None else np.random.default_rng(seed)
    batches = plan_batches(frames, seconds, rows, CONFIG, rng)
    assert sorted(item for batch in batches for item in batch) == list(range(len(frames)))
    for batch in batches:
        padded = max(frames[item] for item in batch) * len(batch) * 0.03
        assert padded <= seconds + 1e-9 or len(batch) == 1
        assert len(batch) <= rows


def test_batches_are_full() -> None:
    # rows in multiples of eight, where there are as many
    assert [len(b) for b in plan_batches([100] * 25, 30.0, 99, CONFIG, None)] == [8, 8, 9]
    assert [len(b) for b in plan_batches([100] * 25, 18.0, 99, CONFIG, None)] == [6, 6, 6, 6, 1]
    assert [len(b) for b in plan_batches([100] * 25, 300.0, 8, CONFIG, None)] == [8, 8, 8, 1]


@given(frames=LENGTHS, seed=st.integers(0, 1000))
def test_the_same_seed_plans_the_same_batches(frames: list[int], seed: int) -> None:
    made = [plan_batches(frames, 20.0, 8, CONFIG, np.random.default_rng(seed)) for _ in range(2)]
    assert made[0] == made[1]


def test_epochs_differ_and_batches_hold_like_lengths() -> None:
    frames = list(range(50, 450))
    plans = [plan_batches(frames, 60.0, 16, CONFIG, np.random.default_rng([1, epoch])) for epoch in range(2)]
    assert plans[0] != plans[1]
    assert {frozenset(b) for b in plans[0]} != {frozenset(b) for b in plans[1]}
    for batch in plans[0]:
        lengths = [frames[item] for item in batch]
        assert min(lengths) > 0.6 * max(lengths)
    firsts = [frames[batch[0]] for batch in plans[0]]
    assert firsts != sorted(firsts)
    assert firsts != sorted(firsts, reverse=True)


def test_scoring_takes_the_longest_first(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    batches = list(plain_batches(job.train, 6.0))
    order = [item for batch in batches for item in batch.items]
    lengths = [job.train.frames(item) for item in order]
    assert lengths == sorted(lengths, reverse=True)
    for batch in batches:
        for row, item in enumerate(batch.items):
            n = int(batch.lengths[row])
            expected = stack_frames(job.train.normalized(item), job.train.features)
            assert np.array_equal(batch.x[:n, row].numpy(), expected)
            assert not batch.x[n:, row].any()
            assert batch.labels[row] == list(job.train.labels[item])


def same(a: Any, b: Any) -> bool:
    return torch.equal(a.x, b.x) and torch.equal(a.lengths, b.lengths) and a.items == b.items


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    augment = AugmentConfig(copies=2, speed=(0.8, 1.25))
    return make_job(tmp_path_factory.mktemp("batches"), augment=augment).train


def test_a_training_batch_depends_on_its_place_alone(dataset: Dataset) -> None:
    least = [0] * len(dataset)
    torch.manual_seed(1)
    one = training_batch(dataset, [0, 3, 5], SOME_AUGMENT, least, (1, 2, 3))
    state = torch.get_rng_state()
    torch.manual_seed(99)
    two = training_batch(dataset, [0, 3, 5], SOME_AUGMENT, least, (1, 2, 3))
    other = training_batch(dataset, [0, 3, 5], SOME_AUGMENT, least, (1, 2, 4))
    assert same(one, two)
    assert not same(one, other)
    torch.manual_seed(1)
    training_batch(dataset, [1], SOME_AUGMENT, least, (1, 2, 5))
    assert torch.equal(torch.get_rng_state(), state)  # the generator of the caller is left alone


def test_all_versions_and_offsets_are_drawn(dataset: Dataset) -> None:
    augment = NO_AUGMENT.model_copy(update={"shift": True})
    expected = {
        (version, offset): stack_frames(dataset.normalized(4, version), dataset.features, offset)
        for version in range(3)
        for offset in range(3)
    }
    seen = set()
    for position in range(80):
        batch = training_batch(dataset, [4], augment, [0] * len(dataset), (1, 0, position))
        x = batch.x[: int(batch.lengths[0]), 0].numpy()
        seen |= {key for key, value in expected.items() if np.array_equal(value, x)}
    assert seen == set(expected)


@pytest.mark.parametrize("spare", [0, 1])
def test_a_version_too_short_for_the_lattice_is_not_used(dataset: Dataset, spare: int) -> None:
    """With no frame to spare a version could become too short by the offset, so the plain one is taken."""
    augment = NO_AUGMENT.model_copy(update={"shift": True})
    item = next(k for k in range(len(dataset)) if dataset.frames(k, 1) < dataset.frames(k))  # a faster one
    least = [0] * len(dataset)
    least[item] = dataset.frames(item, 1) - spare
    seen = set()
    for position in range(60):
        batch = training_batch(dataset, [item], augment, least, (1, 0, position))
        n = int(batch.lengths[0])
        assert n >= least[item]
        for version, offset in itertools.product(range(2), range(3)):
            values = stack_frames(dataset.normalized(item, version), dataset.features, offset)
            if np.array_equal(batch.x[:n, 0].numpy(), values):
                seen.add((version, offset))
    assert (0, 0) in seen
    assert {offset for version, offset in seen if version == 1} == ({0, 1, 2} if spare else set())


def test_an_utterance_that_just_fits_is_taken_plain(dataset: Dataset) -> None:
    augment = NO_AUGMENT.model_copy(update={"shift": True})
    least = [max(dataset.frames(k, version) for version in range(3)) for k in range(len(dataset))]
    plain = stack_frames(dataset.normalized(2), dataset.features)
    for position in range(20):
        batch = training_batch(dataset, [2], augment, least, (1, 0, position))
        assert batch.lengths.tolist() == [len(plain)]
        assert np.array_equal(batch.x[: len(plain), 0].numpy(), plain)


def test_padding_is_zero(dataset: Dataset) -> None:
    frames = [np.ones((n, dataset.features.dim), np.float32) for n in (5, 2, 7)]
    batch = collate(dataset, [3, 1, 0], frames)
    assert batch.x.shape == (8, 3, dataset.features.dim)  # frames in multiples of eight
    assert batch.lengths.tolist() == [5, 2, 7]
    assert float(batch.x.sum()) == (5 + 2 + 7) * dataset.features.dim
    assert batch.labels == [list(dataset.labels[k]) for k in (3, 1, 0)]
