"""How an idea of retraining joins the training loop: hooks, all of which do nothing by themselves."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speechq.config import LoopConfig
from speechq.errors import ConfigError
from speechq.nn.layer import State
from speechq.nn.stack import Network

if TYPE_CHECKING:
    from speechq.train.job import Job

Measure = Callable[[range], tuple[Tensor, list[Tensor]]]
"""Of some rows of the batch, over all processes: their part of the loss, and the gradients of
``Technique.parameters()`` at the present weights."""


@dataclass(frozen=True)
class Pass:
    """A forward pass of the network in training over some rows of a batch, as a loss term sees it.

    ``x`` [T, rows, ...], ``lengths`` [rows], ``fresh`` [rows of the batch] and ``state`` went in, ``logits``
    [T, rows, V] came out. ``seed`` (seed, epoch, position) decides what is drawn; a ``share`` of the training
    is done.
    """

    batch: Any
    rows: list[int]
    x: Tensor
    lengths: Tensor
    fresh: NDArray[np.bool_]
    state: list[State]
    logits: Tensor
    seed: tuple[int, ...]
    share: float


class Technique:
    """One idea of retraining. The loop calls the hooks of all techniques of a job, in their order.

    What a technique remembers from step to step it gives in ``state``, so that a resumed run has the same
    bits; what it draws depends on the seed of the step and is the same in all processes.
    """

    name = ""
    whole = False  # whether it must see the last update, and so a training that does not end before
    moves_weights = False  # whether ``gradients`` takes them elsewhere than at the present weights
    job: Job[Any]
    optimizer: torch.optim.Optimizer
    device: torch.device

    def prepare(self, job: Job[Any], optimizer: torch.optim.Optimizer, device: torch.device) -> None:
        """Before the first step, also of a resumed run, with the network on its device."""
        if self.whole and (job.config.schedule == "retry" or job.config.patience):
            raise ConfigError(
                f"retrain.methods: {self.name} needs the whole training; it goes with neither "
                "schedule: retry nor patience"
            )
        self.job, self.optimizer, self.device = job, optimizer, device

    @property
    def model(self) -> Network:
        """The network in training."""
        return self.job.model

    def parameters(self) -> list[torch.nn.Parameter]:
        """What is trained; a frozen step is not."""
        return [p for p in self.model.parameters() if p.requires_grad]

    def rate(self, rate: float, share: float) -> float:
        """The learning rate in place of ``rate`` when ``share`` (0 to 1) of the training is done."""
        return rate

    def before_step(self, share: float) -> None:
        """Before each update."""

    def loss(self, loss: Tensor, seen: Pass) -> Tensor:
        """The loss of a pass in place of ``loss``, which is per label of the whole batch."""
        return loss

    def gradients(self, measure: Measure, rows: int, seed: tuple[int, ...]) -> tuple[Tensor, list[Tensor]]:
        """Loss and gradients of a batch of ``rows`` rows, where ``moves_weights``."""
        return measure(range(rows))

    def penalty(self) -> Tensor | None:
        """A loss of the weights alone, the same in all processes."""
        return None

    def after_step(self) -> None:
        """After each update."""

    def end(self) -> None:
        """After the last update, before the network is scored and saved."""

    def figures(self) -> dict[str, float]:
        """For the log of the step."""
        return {}

    def state(self) -> dict[str, Tensor]:
        """What a resumed run needs; all processes call this."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Put back what ``state`` gave."""


def precision(config: LoopConfig, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """The arithmetic of matrix products outside the recurrence."""
    if config.precision == "bfloat16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()
