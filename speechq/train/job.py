"""A training run: network, settings and data. Its kinds know what is learned; ``loop.py`` does not."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speechq.config import LoopConfig
from speechq.nn.stack import Network
from speechq.train.checkpoint import NetworkInfo
from speechq.train.technique import Technique

B = TypeVar("B")


@dataclass(frozen=True)
class DevScore:
    """What a dev set says: ``loss`` per label, ``error`` (the best checkpoint has least of it), and for the
    log and for people the figures of this kind of network."""

    loss: float
    error: float
    figures: dict[str, float]
    text: str


@dataclass(kw_only=True)
class Job(ABC, Generic[B]):
    """One training run on batches of type ``B``.

    Everything random is drawn from the seed, the epoch and the position of the batch.
    """

    name: str
    folder: Path
    model: Network
    info: NetworkInfo
    config: LoopConfig
    techniques: Sequence[Technique] = ()
    keep_best: bool = True

    loss_name: ClassVar[str]

    @property
    @abstractmethod
    def streams(self) -> int:
        """Rows of a batch at most; each has a state that goes on from batch to batch."""

    @abstractmethod
    def skipped(self) -> list[str]:
        """Names of what cannot be trained on; TrainingError if that is everything."""

    @abstractmethod
    def announce(self) -> None:
        """Tell the person what is not used."""

    @abstractmethod
    def plan(self, epoch: int) -> Sequence[Any]:
        """The batches of an epoch (from 0), each as ``batch`` takes it."""

    @abstractmethod
    def batch(self, planned: Any, seed: tuple[int, ...]) -> B:
        """A planned batch; ``seed`` (seed, epoch, position) alone decides what is drawn."""

    @abstractmethod
    def rows(self, batch: B) -> int:
        """Rows of the batch, of which every process takes a share."""

    @abstractmethod
    def fresh(self, batch: B, seed: tuple[int, ...]) -> NDArray[np.bool_]:
        """Which rows start from a zero state instead of their stream's."""

    @abstractmethod
    def inputs(self, batch: B, rows: list[int]) -> tuple[Tensor, Tensor]:
        """The network's input ``[T, rows, ...]`` and lengths ``[rows]`` of some rows."""

    @abstractmethod
    def labels(self, batch: B) -> int:
        """Labels of the whole batch."""

    @abstractmethod
    def loss(self, logits: Tensor, batch: B, rows: list[int], lengths: Tensor) -> Tensor:
        """Of some rows: their part of the loss per label of the whole batch."""

    @abstractmethod
    def score(self, device: torch.device) -> DevScore:
        """The network on the dev set."""
