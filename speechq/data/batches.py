"""Batches by duration for training and scoring, the same for the same seed, epoch and position."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from speechq.config import AugmentConfig, FeatureConfig
from speechq.data.augment import channel_offset, spec_augment
from speechq.data.features import FRAME_SECONDS, network_frames, stack_frames
from speechq.data.shards import FeatureStore, FloatArray

# Frames and rows of a batch come in multiples of this: oneDNN compiles a kernel for every new product of the
# two, and keeps it, which costs more time than the padding, and gigabytes over a long run.
_MULTIPLE = 8


@dataclass(frozen=True)
class Batch:
    """``x`` [T, B, dim] normalized network frames, ``lengths`` [B]; ``labels`` and ``items`` per row."""

    x: Tensor
    lengths: Tensor
    labels: list[list[int]]
    items: list[int]


@dataclass(frozen=True)
class Dataset:
    """Features, labels and normalization of a split; ``stores[1:]`` are augmented versions of the first."""

    stores: Sequence[FeatureStore]
    labels: Sequence[Sequence[int]]
    features: FeatureConfig
    mean: FloatArray
    scale: FloatArray

    def __len__(self) -> int:
        return len(self.labels)

    def frames(self, item: int, version: int = 0) -> int:
        """Network frames of an utterance."""
        return network_frames(self.stores[version].frames[item], self.features)

    def seconds(self) -> float:
        """Length of the split."""
        return sum(self.stores[0].frames) * FRAME_SECONDS

    def normalized(self, item: int, version: int = 0) -> FloatArray:
        """10 ms frames, normalized."""
        return (self.stores[version][item] - self.mean) * self.scale


def plan_batches(
    frames: Sequence[int],
    seconds: float,
    max_rows: int,
    config: FeatureConfig,
    rng: np.random.Generator | None,
) -> list[list[int]]:
    """Group utterances of like length: at most ``seconds`` of audio with padding, and ``max_rows`` rows.

    An utterance longer than ``seconds`` is a batch of its own. With ``rng`` lengths are blurred by up to
    10 %, and batches and rows are shuffled; without, longest first.
    """
    length = np.asarray(frames, np.float64)
    if rng is not None:
        length = length * rng.uniform(0.9, 1.1, len(length))
    order = np.argsort(-length, kind="stable")
    limit = seconds / (FRAME_SECONDS * config.stride)
    batches: list[list[int]] = []
    current: list[int] = []
    longest = 0
    for item in order.tolist():
        longest_with = max(longest, frames[item])
        if current and (longest_with * (len(current) + 1) > limit or len(current) >= max_rows):
            full = len(current) // _MULTIPLE * _MULTIPLE or len(current)
            batches.append(current[:full])
            current = current[full:]
            longest_with = max(frames[k] for k in (*current, item))
        current.append(item)
        longest = longest_with
    if current:
        batches.append(current)
    if rng is not None:
        batches = [batches[k] for k in rng.permutation(len(batches))]
        batches = [[batch[k] for k in rng.permutation(len(batch))] for batch in batches]
    return batches


def collate(dataset: Dataset, items: Sequence[int], frames: Sequence[FloatArray]) -> Batch:
    """Pad stacked network frames ``[n, dim]`` to one batch."""
    lengths = [len(f) for f in frames]
    longest = -(-max(lengths) // _MULTIPLE) * _MULTIPLE
    x = np.zeros((longest, len(items), dataset.features.dim), np.float32)
    for row, values in enumerate(frames):
        x[: len(values), row] = values
    labels = [list(dataset.labels[item]) for item in items]
    return Batch(torch.from_numpy(x), torch.tensor(lengths), labels, list(items))


def plain_batches(dataset: Dataset, seconds: float, max_rows: int = 64) -> Iterator[Batch]:
    """All utterances once, unchanged, longest first: for scoring."""
    frames = [dataset.frames(item) for item in range(len(dataset))]
    for items in plan_batches(frames, seconds, max_rows, dataset.features, None):
        yield collate(dataset, items, [stack_frames(dataset.normalized(i), dataset.features) for i in items])


def training_batch(
    dataset: Dataset,
    items: Sequence[int],
    augment: AugmentConfig,
    least: Sequence[int],
    seed: tuple[int, ...],
) -> Batch:
    """One augmented batch; ``seed`` (seed, epoch, position) alone decides what is drawn.

    ``least[item]`` frames are needed by the CTC lattice: a faster version that is too short is not used.
    """
    rng = np.random.default_rng(seed)
    frames = []
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(rng.integers(2**62)))
        for item in items:
            version = int(rng.integers(len(dataset.stores)))
            offset = int(rng.integers(dataset.features.stride)) if augment.shift else 0
            if dataset.frames(item, version) <= least[item]:
                version, offset = 0, 0
            values = torch.from_numpy(dataset.normalized(item, version))
            if augment.gain_db or augment.tilt_db:
                values = values + torch.from_numpy(channel_offset(augment, dataset.features) * dataset.scale)
            if augment.time_masks or augment.frequency_masks:
                values = spec_augment(values, augment, 3 if dataset.features.deltas else 1)
            frames.append(stack_frames(values.contiguous().numpy(), dataset.features, offset))
    return collate(dataset, items, frames)
