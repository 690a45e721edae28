"""Fake quantization for training: modules that hold the step of one weight or signal group.

Weights and signals use the one rounding rule of ``rounding.py``; gradients pass straight through,
unmasked as in Hwang & Sung (SiPS 2014), or masked with a learned step (LSQ, Esser et al. 2019).
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn

from speechq.quant.fake_quantize import fake_quantize
from speechq.quant.rounding import optimal_step, optimal_steps, qmax_of
from speechq.quant.sparse import largest_of_groups

StepRule = Literal["fixed", "adaptive", "lsq"]


class _ScaleGradient(torch.autograd.Function):
    """The value itself, its gradient times a factor."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return value.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad * ctx.factor, None


class Quantizer(nn.Module):
    """What weights and signals share: bits, a positive step, and a rule by which the step moves.

    ``fixed`` keeps the first step; ``adaptive`` takes one Lloyd step on the current weights before every
    update (paper 2, 1702.08171); ``lsq`` learns the step by gradient. ``freeze`` ends all movement.
    """

    step: Tensor
    frozen: Tensor

    def __init__(self, bits: int, count: int, rule: StepRule) -> None:
        super().__init__()
        self.bits = bits
        self.qmax = qmax_of(bits)
        self.rule = rule
        if rule == "lsq":
            self.step = nn.Parameter(torch.ones(count))
        else:
            self.register_buffer("step", torch.ones(count))
        self.register_buffer("frozen", torch.tensor(False))

    @property
    def learned(self) -> bool:
        """Whether the step gets a gradient."""
        return self.rule == "lsq" and not bool(self.frozen)

    def freeze(self) -> None:
        """Keep the step from now on."""
        self.frozen.fill_(True)
        if isinstance(self.step, nn.Parameter):
            self.step.requires_grad_(False)
            # Optimizers pass over what has no gradient; with one of zeros their momentum still moves it.
            self.step.grad = None

    def thaw_as_saved(self) -> None:
        """After loading a checkpoint: let the parameter's flag follow ``frozen``."""
        if isinstance(self.step, nn.Parameter):
            self.step.requires_grad_(not bool(self.frozen))

    @torch.no_grad()
    def keep_positive(self) -> None:
        """A learned step must not reach zero."""
        if self.learned:
            self.step.clamp_(min=1e-6)


class WeightQuantizer(Quantizer):
    """A weight matrix ``[rows, columns]`` on a grid, one step per row or one per matrix.

    ``sparsity`` (n, k): of every n neighbours of a row all but the k largest are zero. ``normalized``: steps
    of rows adapt together, as one share of each row's standard deviation. Both are for training only; what is
    saved has the zeros in its master weights.
    """

    def __init__(self, bits: int, rows: int, columns: int, *, per_row: bool, rule: StepRule) -> None:
        super().__init__(bits, rows if per_row else 1, rule)
        share = columns if per_row else rows * columns
        self.grad_scale = 1.0 / math.sqrt(share * self.qmax)
        self.sparsity: tuple[int, int] | None = None
        self.normalized = False

    def mask(self, weight: Tensor) -> Tensor:
        """1 where ``weight`` may have a code other than zero."""
        return torch.ones_like(weight) if self.sparsity is None else largest_of_groups(weight, *self.sparsity)

    @torch.no_grad()
    def initialize(self, weight: Tensor) -> None:
        """Set the L2-optimal steps of ``weight`` (papers.md 0.1); weights left out have no say."""
        weight = weight if self.sparsity is None else weight * self.mask(weight)
        steps = optimal_steps(weight.detach().cpu().numpy(), self.bits, per_row=len(self.step) > 1)
        self.step.copy_(torch.from_numpy(steps))

    @torch.no_grad()
    def adapt(self, weight: Tensor) -> None:
        """One Lloyd step ``sum(w z) / sum(z z)`` on the current weights; rows of zero codes keep theirs."""
        if self.rule != "adaptive" or bool(self.frozen):
            return
        step = self.step[:, None] if len(self.step) > 1 else self.step
        z = torch.clamp(torch.floor(weight.abs() / step + 0.5), max=self.qmax)
        if self.sparsity is not None:
            z = z * self.mask(weight)
        dims = (1,) if len(self.step) > 1 else (0, 1)
        if self.normalized:
            spread = weight.std(1, correction=0).clamp(min=1e-12)
            power = (z * z).sum()
            new = (weight.abs() / spread[:, None] * z).sum() / power.clamp(min=1.0) * spread
        else:
            power = (z * z).sum(dims)
            new = (weight.abs() * z).sum(dims) / power.clamp(min=1.0)
        self.step.copy_(torch.where(power > 0, new.reshape(-1), self.step))

    def forward(self, weight: Tensor) -> Tensor:
        """``step * code(weight)`` with a straight-through gradient; same shape as ``weight``."""
        if self.sparsity is not None:  # the weights left out learn too
            weight = weight + (weight * self.mask(weight) - weight).detach()
        return fake_quantize(weight, self.step, self.qmax, learned=self.learned, grad_scale=self.grad_scale)


class SignalQuantizer(Quantizer):
    """A signal on a grid. ``features`` (values per frame) scales the gradient of a learned step."""

    def __init__(self, bits: int, features: int, *, rule: StepRule, step: float = 0.0) -> None:
        super().__init__(bits, 1, rule)
        self.grad_scale = 1.0 / math.sqrt(features * self.qmax)
        self.step.data.fill_(step if step > 0 else 1.0)

    @torch.no_grad()
    def initialize(self, samples: Tensor) -> None:
        """Set the L2-optimal step of samples of the signal."""
        self.step.fill_(float(optimal_step(samples.detach().cpu().numpy(), self.bits)))

    def grid(self) -> tuple[Tensor, int, bool]:
        """(step, qmax, learned) for a recurrence that quantizes the signal itself."""
        if not self.learned:
            return self.step, self.qmax, False
        step = _ScaleGradient.apply(self.step, self.grad_scale)  # type: ignore[no-untyped-call]
        return step, self.qmax, True

    def forward(self, signal: Tensor) -> Tensor:
        """``step * code(signal)``, same shape."""
        return fake_quantize(signal, self.step, self.qmax, learned=self.learned, grad_scale=self.grad_scale)
