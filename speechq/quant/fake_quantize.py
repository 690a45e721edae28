"""Elementwise fake quantization in one pass over memory, straight-through or with a learned step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from speechq.errors import ModelError
from speechq.quant.signal import on_grid, ready, use_native


def fake_quantize(
    x: Tensor,
    step: Tensor,
    qmax: int,
    *,
    rows_first: bool = True,
    learned: bool = False,
    grad_scale: float = 1.0,
    reference: bool = False,
) -> Tensor:
    """``x`` rounded to multiples of ``step``: ``step * sgn(x) * min(floor(|x| / step + 0.5), qmax)``.

    ``step`` has one element for the whole tensor, or one per row (``x.shape[0]``), or with
    ``rows_first=False`` one per column (``x.shape[-1]``). Elements whose step is zero or less stay as they
    are, and NaN stays NaN.

    The gradient of ``x`` passes unchanged (the original retraining, papers.md 0.1), or with ``learned`` it is
    0 where the rounded code is beyond ``qmax`` and ``step`` gets the LSQ gradient (1902.08153) times
    ``grad_scale``.
    """
    if step.numel() == 1:
        steps, shape = step.reshape(1), (1, 1, x.numel())
    else:
        rows = x.shape[0 if rows_first else -1] if x.dim() else 1
        if step.numel() != rows:
            raise ModelError(
                f"step must have 1 or {rows} elements for x of shape {tuple(x.shape)}, not {step.numel()}"
            )
        inner = x.numel() // max(rows, 1)
        steps, shape = step.reshape(rows), (1, rows, inner) if rows_first else (inner, rows, 1)
    steps = steps.to(device=x.device, dtype=x.dtype)
    if not learned:
        steps = steps.detach()
    if use_native(x, reference):
        result: Tensor = _FakeQuantize.apply(x, steps, qmax, shape, learned, grad_scale)  # type: ignore[no-untyped-call]
        return result
    if learned and grad_scale != 1.0:
        steps = steps * grad_scale + (steps - steps * grad_scale).detach()
    return on_grid(x.reshape(shape), steps[:, None], qmax, learned).reshape(x.shape)


class _FakeQuantize(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        steps: Tensor,
        qmax: int,
        shape: tuple[int, int, int],
        learned: bool,
        grad_scale: float,
    ) -> Tensor:
        from speechq import _native

        values, grid_steps = ready(x), ready(steps)
        out = torch.empty_like(values)
        _native.fake_quantize(values.view(shape), grid_steps, qmax, out.view(shape), torch.get_num_threads())
        ctx.options = qmax, shape, learned, grad_scale
        if learned:
            ctx.save_for_backward(values, grid_steps)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        from speechq import _native

        qmax, shape, learned, grad_scale = ctx.options
        if not learned:
            return grad, None, None, None, None, None
        x, steps = ctx.saved_tensors
        grad_x, grad_steps = torch.empty_like(x), torch.empty_like(steps)
        _native.fake_quantize_backward(
            x.view(shape),
            steps,
            qmax,
            grad.contiguous().view(shape),
            grad_x.view(shape),
            grad_steps,
            torch.get_num_threads(),
        )
        return grad_x, grad_steps * grad_scale, None, None, None, None
