"""Penalties with a learned coefficient: onto the grid, and to zero for the smallest weights (1809.00095)."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor

from speechq.methods import GridPenaltyConfig, PenaltyConfig, PruningConfig
from speechq.nn.stack import Network
from speechq.quant.quantizers import WeightQuantizer
from speechq.train.technique import Technique


class Penalty(Technique):
    """``C = E + lam * R - a * log(lam)`` with ``lam = exp(om)`` learned.

    It settles at ``a / R`` and so grows as ``R`` falls. ``om`` takes plain gradient steps, ``dC/d om = lam *
    R - a``, from a small part of that value.
    """

    def __init__(self, config: PenaltyConfig) -> None:
        self.config = config
        self._log = torch.tensor(math.nan)
        self._value = torch.tensor(0.0)

    def measure(self) -> Tensor:
        """``R`` of the present weights."""
        raise AssertionError(f"{type(self).__name__} does not say what it measures")

    def penalty(self) -> Tensor | None:
        value = self.measure()
        self._value = value.detach().cpu()
        if torch.isnan(self._log):
            start = self.config.initial * self.config.strength / max(float(self._value), 1e-12)
            self._log = torch.tensor(math.log(min(start, self.config.largest)))
        return float(torch.exp(self._log)) * value

    def after_step(self) -> None:
        slope = torch.exp(self._log) * self._value - self.config.strength
        self._log = torch.clamp(self._log - self.config.rate * slope, max=math.log(self.config.largest))

    def figures(self) -> dict[str, float]:
        return {f"{self.name}_value": float(self._value), f"{self.name}_weight": float(torch.exp(self._log))}

    def state(self) -> dict[str, Tensor]:
        return {"log": self._log}

    def restore(self, state: dict[str, Tensor]) -> None:
        self._log = state["log"].clone()


class GridPenalty(Penalty):
    """MSQE: ``R = 1/N * sum (w - Q(w))^2`` over all quantized weights; also moves learned steps."""

    name = "msqe"

    def __init__(self, config: GridPenaltyConfig) -> None:
        super().__init__(config)

    def measure(self) -> Tensor:
        total, count = torch.zeros((), device=self.device), 0
        for master, quantizer in quantized_matrices(self.model):
            step = quantizer.step if quantizer.learned else quantizer.step.detach()
            step = step[:, None] if len(quantizer.step) > 1 else step
            with torch.no_grad():
                code = torch.clamp(torch.floor(master.abs() / step + 0.5), max=quantizer.qmax)
                code = torch.copysign(code, master)
            total = total + (master - step * code).square().sum()
            count += master.numel()
        return total / max(count, 1)


class Pruning(Penalty):
    """Partial L2: ``R = 1/n * sum w^2`` over the given share of smallest weights of each matrix.

    After the last update they are set to zero, so that their code is 0 at any word length.
    """

    name = "prune"
    whole = True

    def __init__(self, config: PruningConfig) -> None:
        super().__init__(config)
        self.share = config.share

    def small(self, weight: Tensor) -> Tensor:
        """Which weights are at most the quantile ``share`` of their magnitudes."""
        size = weight.detach().abs()
        rank = max(int(self.share * size.numel()), 1)
        return size <= size.flatten().kthvalue(rank).values

    def measure(self) -> Tensor:
        total, count = torch.zeros((), device=self.device), 0
        for master, _ in quantized_matrices(self.model):
            chosen = self.small(master)
            total = total + (master.square() * chosen).sum()
            count += int(chosen.sum())
        return total / max(count, 1)

    @torch.no_grad()
    def end(self) -> None:
        for master, _ in quantized_matrices(self.model):
            master.masked_fill_(self.small(master), 0.0)


def quantized_matrices(model: Network) -> list[tuple[torch.nn.Parameter, WeightQuantizer]]:
    """The master weights that have a quantizer, and it."""
    return [
        (layer.matrix(role), cast(WeightQuantizer, quantizer))
        for layer in [*model.recurrent_layers(), model.out]
        for role, quantizer in layer.weight_quantizers.items()
    ]
