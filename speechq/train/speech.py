"""Training an acoustic network: batches of utterances, CTC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speechq.config import AugmentConfig, TrainConfig
from speechq.data.batches import Batch, Dataset, plan_batches, training_batch
from speechq.errors import TrainingError
from speechq.nn.ctc import ctc_loss, least_frames
from speechq.progress import say
from speechq.train.job import DevScore, Job
from speechq.train.score import score


@dataclass(kw_only=True)
class SpeechJob(Job[Batch]):
    """Learns to transcribe the utterances of ``train``."""

    config: TrainConfig
    train: Dataset
    train_ids: list[str]
    dev: Dataset
    dev_references: list[str]
    augment: AugmentConfig

    loss_name: ClassVar[str] = "the CTC loss"

    @property
    def streams(self) -> int:
        return self.config.max_rows

    @cached_property
    def least(self) -> list[int]:
        """Frames that the CTC lattice of each training utterance needs."""
        return [least_frames(labels) for labels in self.train.labels]

    @cached_property
    def items(self) -> list[int]:
        """The training utterances that are long enough."""
        usable = [item for item in range(len(self.train)) if self.least[item] <= self.train.frames(item)]
        if not usable:
            raise TrainingError(f"{self.name}: every training utterance is too short for its transcript")
        return usable

    def skipped(self) -> list[str]:
        return [self.train_ids[item] for item in sorted(set(range(len(self.train))) - set(self.items))]

    def announce(self) -> None:
        skipped = self.skipped()
        if skipped:
            names = ", ".join(skipped[:5]) + (", ..." if len(skipped) > 5 else "")
            say(f"{self.name}: {len(skipped)} utterances are too short for their transcript: {names}")
        dev = self.dev
        if not any(least_frames(labels) <= dev.frames(item) for item, labels in enumerate(dev.labels)):
            say(f"{self.name}: every dev utterance is too short for its transcript; the dev loss stays 0")

    def plan(self, epoch: int) -> Sequence[list[int]]:
        config = self.config
        frames = [self.train.frames(item) for item in self.items]
        rng = np.random.default_rng([config.seed, epoch])
        plan = plan_batches(frames, config.batch_seconds, config.max_rows, self.train.features, rng)
        return [[self.items[k] for k in batch] for batch in plan]

    def batch(self, planned: list[int], seed: tuple[int, ...]) -> Batch:
        return training_batch(self.train, planned, self.augment, self.least, seed)

    def rows(self, batch: Batch) -> int:
        return len(batch.items)

    def fresh(self, batch: Batch, seed: tuple[int, ...]) -> NDArray[np.bool_]:
        share = self.config.fresh_share if self.config.carry_state else 1.0
        return np.random.default_rng([*seed, 1]).random(len(batch.items)) < share

    def inputs(self, batch: Batch, rows: list[int]) -> tuple[Tensor, Tensor]:
        return batch.x[:, rows], batch.lengths[rows]

    def labels(self, batch: Batch) -> int:
        return sum(len(labels) for labels in batch.labels)

    def loss(self, logits: Tensor, batch: Batch, rows: list[int], lengths: Tensor) -> Tensor:
        return ctc_loss(logits, [batch.labels[row] for row in rows], lengths) / self.labels(batch)

    def score(self, device: torch.device) -> DevScore:
        result = score(self.model, self.dev, self.dev_references, self.info.units, device)
        figures = {"dev_loss": result.loss, "dev_wer": result.wer, "dev_cer": result.cer}
        text = f"WER {100 * result.wer:.1f} %  CER {100 * result.cer:.1f} %"
        return DevScore(result.loss, result.cer, figures, text)
