"""Batch normalization over valid frames, and its folding into the matrix in front of it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from speechq.nn.recurrence.shapes import row_lengths
from speechq.quant.signal import ready, use_native


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
            output, mean, variance = normalize(values, lengths, self.gain, self.shift, self.eps)
            with torch.no_grad():
                self.mean.lerp_(mean, self.momentum)
                self.variance.lerp_(variance, self.momentum)
            return output
        factor = self.gain * torch.rsqrt(self.variance + self.eps)
        return torch.addcmul(self.shift - self.mean * factor, values, factor)

    @torch.no_grad()
    def folded(self) -> tuple[Tensor, Tensor]:
        """``(factor, shift)`` so that ``norm(x) = factor * x + shift``, from the running statistics."""
        factor = self.gain * torch.rsqrt(self.variance + self.eps)
        return factor, self.shift - self.mean * factor


def normalize(
    values: Tensor, lengths: Tensor, gain: Tensor, shift: Tensor, eps: float, *, reference: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """``gain * (values - mean) / sqrt(variance + eps) + shift`` by the statistics of the valid frames, and
    those (Ioffe and Szegedy, 1502.03167).

    ``values`` [T, B, features]; ``lengths`` [B]; ``gain``, ``shift``, mean and variance [features]. Gradients
    do not flow into mean and variance. ``reference``: in plain PyTorch, as on a GPU.
    """
    if use_native(values, reference):
        counts = row_lengths(lengths, values.shape[1])
        return _Normalize.apply(values, gain, shift, counts, eps)  # type: ignore[no-untyped-call,no-any-return]
    index = torch.arange(values.shape[0], device=values.device)
    mask = (index[:, None] < lengths[None, :].to(values.device)).unsqueeze(-1).to(values.dtype)
    count = mask.sum().clamp(min=1.0)
    mean = (values * mask).sum((0, 1)) / count
    centred = (values - mean) * mask
    variance = centred.square().sum((0, 1)) / count
    output = torch.addcmul(shift, centred, gain * torch.rsqrt(variance + eps))
    return output, mean.detach(), variance.detach()


class _Normalize(torch.autograd.Function):
    """The same in C++, in few passes over memory."""

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, gain: Tensor, shift: Tensor, counts: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        from speechq import _native

        x, threads = ready(values), torch.get_num_threads()
        mean, variance = torch.empty_like(gain), torch.empty_like(gain)
        _native.norm_statistics(x, counts, mean, variance, threads)
        inverse = torch.rsqrt(variance + eps)
        out = torch.empty_like(x)
        _native.norm_apply(x, counts, mean, gain * inverse, ready(shift), out, threads)
        ctx.save_for_backward(x, counts, mean, inverse, gain)
        ctx.mark_non_differentiable(mean, variance)
        return out, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _mean: Tensor, _variance: Tensor) -> tuple[Tensor | None, ...]:
        from speechq import _native

        x, counts, mean, inverse, gain = ctx.saved_tensors
        grad, threads = ready(grad), torch.get_num_threads()
        grad_shift, along, grad_x = torch.empty_like(mean), torch.empty_like(mean), torch.empty_like(x)
        _native.norm_gradient_sums(x, counts, mean, grad, grad_shift, along, threads)
        # d/dx of gain * (x - mean) / deviation, mean and deviation depending on all valid x
        frames = counts.sum().clamp(min=1).to(mean.dtype)
        level, slope = grad_shift / frames, along * inverse.square() / frames
        _native.norm_gradient(x, counts, mean, gain * inverse, level, slope, grad, grad_x, threads)
        return grad_x, along * inverse, grad_shift, None, None
