"""Batch normalization over valid frames, and its folding into the matrix in front of it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class MaskedBatchNorm(nn.Module):
    """Normalizes ``[T, B, features]`` over the valid frames of all rows.

    Stands only behind a matrix or convolution. ``frozen`` uses the running statistics in training as well: in
    fixed-point retraining and with several processes.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, features: int, momentum: float = 0.05, eps: float = 1e-5) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(features))
        self.shift = nn.Parameter(torch.zeros(features))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("variance", torch.ones(features))
        self.momentum = momentum
        self.eps = eps
        self.frozen = False

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Normalized values, same shape; padded frames hold no meaning and are left to the caller."""
        if self.training and not self.frozen:
            index = torch.arange(values.shape[0], device=values.device)
            mask = (index[:, None] < lengths[None, :]).unsqueeze(-1).to(values.dtype)
            output, mean, variance = _Normalize.apply(values, self.gain, self.shift, mask, self.eps)  # type: ignore[no-untyped-call]
            with torch.no_grad():
                self.mean.lerp_(mean, self.momentum)
                self.variance.lerp_(variance, self.momentum)
            return output  # type: ignore[no-any-return]
        factor = self.gain * torch.rsqrt(self.variance + self.eps)
        return torch.addcmul(self.shift - self.mean * factor, values, factor)

    @torch.no_grad()
    def folded(self) -> tuple[Tensor, Tensor]:
        """``(factor, shift)`` so that ``norm(x) = factor * x + shift``, from the running statistics."""
        factor = self.gain * torch.rsqrt(self.variance + self.eps)
        return factor, self.shift - self.mean * factor


class _Normalize(torch.autograd.Function):
    """Normalization by the statistics of the batch in few passes over memory (Ioffe and Szegedy, 1502.03167).

    The sums run over ``[T, B]``; ``mask`` [T, B, 1] is 1 for valid frames.
    """

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, gain: Tensor, shift: Tensor, mask: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        count = mask.sum().clamp(min=1.0)
        centred = values * mask
        mean = centred.sum((0, 1)) / count
        centred.sub_(mean).mul_(mask)
        variance = centred.square().sum((0, 1)) / count
        inverse = torch.rsqrt(variance + eps)
        ctx.save_for_backward(centred, mask, gain, inverse, count)
        ctx.mark_non_differentiable(mean, variance)
        return torch.addcmul(shift, centred, gain * inverse), mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _mean: Tensor, _variance: Tensor) -> tuple[Tensor | None, ...]:
        centred, mask, gain, inverse, count = ctx.saved_tensors
        grad = grad * mask
        grad_shift = grad.sum((0, 1))
        along = (grad * centred).sum((0, 1)) * inverse
        # d/dx of gain * (x - mean) / deviation, mean and deviation depending on all valid x
        grad.addcmul_(centred, along * inverse / -count).sub_(grad_shift / count).mul_(gain * inverse)
        return grad.mul_(mask), along, grad_shift, None, None
