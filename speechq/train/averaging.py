"""Averages of networks met on the way: SWA of float masters, SQWA of quantized weights (2002.00343)."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from speechq.methods import AveragingConfig
from speechq.quant.quantizers import WeightQuantizer
from speechq.train.job import Job
from speechq.train.optimizers import forget_changes
from speechq.train.technique import Technique


class Averaging(Technique):
    """Cycles of a falling rate, a network captured at the end of each; then their mean, tuned.

    The first ``share`` of the training is divided into ``cycles``; in each the rate falls in a line from the
    recipe's to ``low_rate`` of it. The mean becomes the master weights, with L2-optimal steps and a fresh
    optimizer, and trains on at ``fine_rate``. SQWA captures the matrices as the forward pass sees them, on
    their grids: the mean of c ternary networks has 2c + 1 levels. SWA captures the float masters. Biases and
    other vectors are averaged as they are; learned steps of signals go on as they are.
    """

    whole = True

    def __init__(self, config: AveragingConfig, *, quantized: bool) -> None:
        self.config, self.quantized = config, quantized
        self.name = "sqwa" if quantized else "swa"
        self._captured = 0
        self._mean: list[Tensor] = []

    def prepare(self, job: Job[Any], optimizer: torch.optim.Optimizer, device: torch.device) -> None:
        super().prepare(job, optimizer, device)
        self._mean = [torch.zeros_like(weight) for weight in self._weights()]

    def rate(self, rate: float, share: float) -> float:
        highest, config = self.job.config.learning_rate, self.config
        if share >= config.share:
            return highest * config.fine_rate
        within = share / config.share * config.cycles % 1.0
        return highest * (1.0 - (1.0 - config.low_rate) * within)

    def before_step(self, share: float) -> None:
        # The end of a cycle is the beginning of the next one; none lies behind the last.
        cycle = min(int(share / self.config.share * self.config.cycles), self.config.cycles)
        if cycle > self._captured:
            self._capture()
            if self._captured == self.config.cycles:
                self._replace()

    def end(self) -> None:
        if self._captured < self.config.cycles:  # no step came behind the last cycle
            self._capture()
            self._replace()

    def _weights(self) -> list[torch.nn.Parameter]:
        """What is averaged: everything trained but the steps."""
        steps = {id(p) for q in self.model.quantizers() for p in q.parameters()}
        return [p for p in self.model.parameters() if id(p) not in steps]

    @torch.no_grad()
    def _capture(self) -> None:
        seen: dict[int, Tensor] = {}
        if self.quantized:
            for layer in [*self.model.recurrent_layers(), self.model.out]:
                seen |= {id(layer.matrix(role)): layer.weight(role) for role in layer.present_roles()}
        self._captured += 1
        for mean, weight in zip(self._mean, self._weights(), strict=True):
            mean.add_((seen.get(id(weight), weight) - mean) / self._captured)

    @torch.no_grad()
    def _replace(self) -> None:
        """The mean takes the place of the master weights."""
        for mean, weight in zip(self._mean, self._weights(), strict=True):
            weight.copy_(mean)
        for layer in [*self.model.recurrent_layers(), self.model.out]:
            for role, quantizer in layer.weight_quantizers.items():
                cast(WeightQuantizer, quantizer).initialize(layer.matrix(role))
        forget_changes(self.optimizer)

    def state(self) -> dict[str, Tensor]:
        means = {f"mean/{k}": mean for k, mean in enumerate(self._mean)}
        return {"captured": torch.tensor(self._captured), **means}

    def restore(self, state: dict[str, Tensor]) -> None:
        self._captured = int(state["captured"])
        for k, mean in enumerate(self._mean):
            mean.copy_(state[f"mean/{k}"])
