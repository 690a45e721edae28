"""Structured sparse weights by gradual pruning (1707.03684)."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from speechq.errors import ConfigError
from speechq.methods import SparseConfig
from speechq.quant.quantizers import WeightQuantizer
from speechq.train.job import Job
from speechq.train.technique import Technique


class Sparse(Technique):
    """At most k of n neighbouring weights are not zero, k falling in stages of equal length.

    The forward pass sees only the k largest of a group; all float masters go on learning, so that a weight
    can come back, until the end, where those left out become zero. With ``normalize`` the steps of a matrix
    are one share of each row's standard deviation, so that rows spread alike over their levels (weight
    distribution normalization; the row's factor is in its step).
    """

    name = "sparse"
    whole = True

    def __init__(self, config: SparseConfig) -> None:
        self.config = config
        self._stage = -1

    def prepare(self, job: Job[Any], optimizer: torch.optim.Optimizer, device: torch.device) -> None:
        super().prepare(job, optimizer, device)
        if not self._quantizers():
            bits, scheme = self.config.bits, job.info.scheme
            raise ConfigError(
                f"retrain.sparse.bits: {bits}: the scheme {scheme} has no weights of so few bits"
            )
        if self.config.normalize and not job.info.per_row:
            raise ConfigError("retrain.sparse.normalize: true needs retrain.granularity: row")

    def _quantizers(self) -> list[tuple[torch.nn.Parameter, WeightQuantizer]]:
        """The matrices that become sparse: those of few bits."""
        return [
            (layer.matrix(role), cast(WeightQuantizer, quantizer))
            for layer in [*self.model.recurrent_layers(), self.model.out]
            for role, quantizer in layer.weight_quantizers.items()
            if cast(WeightQuantizer, quantizer).bits <= self.config.bits
        ]

    def stage(self, share: float) -> int:
        """Which of the stages it is when ``share`` of the training is done."""
        stages = self.config.stages
        return min(int(share / self.config.share * len(stages)), len(stages) - 1)

    def before_step(self, share: float) -> None:
        if (stage := self.stage(share)) != self._stage:
            self._enter(stage)
            for master, quantizer in self._quantizers():
                quantizer.initialize(master)

    def _enter(self, stage: int) -> None:
        self._stage = stage
        for _, quantizer in self._quantizers():
            quantizer.sparsity = self.config.group, self.config.stages[stage]
            quantizer.normalized = self.config.normalize

    @torch.no_grad()
    def end(self) -> None:
        for master, quantizer in self._quantizers():
            master.mul_(quantizer.mask(master))
            quantizer.sparsity = None
        self.job.info.groups = self.config.group, self.config.stages[-1]

    def state(self) -> dict[str, Tensor]:
        return {"stage": torch.tensor(self._stage)}

    def restore(self, state: dict[str, Tensor]) -> None:
        if (stage := int(state["stage"])) >= 0:
            self._enter(stage)
