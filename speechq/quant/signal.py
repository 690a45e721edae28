"""A grid that a tensor is rounded to in training: its plain PyTorch form, and when the C++ form runs instead.

One rounding rule everywhere: ``code = sgn(x) * min(floor(|x| / step + 0.5), qmax)``, ``value = step * code``,
in the tensor's own precision with a true division. Backward is straight-through: the gradient passes
unchanged, or, for a learned step (LSQ, 1902.08153), it is 0 where the rounded code is beyond ``qmax``, and
the step's gradient is ``sum g * (code - x / step)``, with ``+-qmax`` where saturated.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

Grid = tuple[Tensor | float, int, bool]
"""(step, qmax, learned). A step of zero or less, like None in place of the grid, means not quantized."""

NativeGrid = tuple[float, int, bool]


def step_tensor(grid: Grid | None, like: Tensor) -> Tensor:
    """The grid's step as a tensor of one element like ``like``, 0 for none; keeps its gradient if learned."""
    if grid is None:
        return like.new_zeros(1)
    step, _, learned = grid
    if not isinstance(step, Tensor):
        return like.new_full((1,), float(step))
    step = step if learned else step.detach()
    return step.to(device=like.device, dtype=like.dtype).reshape(1)


def native_grid(grid: Grid | None, step: Tensor) -> NativeGrid | None:
    """The grid as the C++ side takes it, with the value of ``step`` (from step_tensor)."""
    return None if grid is None else (float(step.detach()), int(grid[1]), bool(grid[2]))


def on_grid(x: Tensor, step: Tensor, qmax: int, learned: bool) -> Tensor:
    """Plain PyTorch form of the rounding, straight-through gradients; ``step`` broadcasts against ``x``."""
    on = step > 0
    safe = torch.where(on, step, torch.ones_like(step))
    ratio = x / safe
    with torch.no_grad():
        rounded = torch.floor(ratio.abs() + 0.5)
        code = torch.sign(x) * torch.clamp(rounded, max=float(qmax))
        value = safe * code  # what comes out, exactly; the rest is about gradients
    if learned:
        # The difference is a constant for autograd, so d/dstep is code - x / step and d/dx is 1.
        slope = torch.where(rounded > qmax, safe * code, safe * (ratio + (code - ratio).detach()))
    else:
        slope = x
    return torch.where(on, _Replace.apply(slope, value), x)  # type: ignore[no-untyped-call]


class _Replace(torch.autograd.Function):
    """The second tensor, with the gradient going to the first; exact, unlike a + (b - a).detach()."""

    @staticmethod
    def forward(ctx: Any, graph: Tensor, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad, None


def quantized_signal(x: Tensor, grid: Grid | None) -> Tensor:
    """``x`` rounded to ``grid``, in plain PyTorch."""
    return x if grid is None else on_grid(x, step_tensor(grid, x), grid[1], grid[2])


def quantized_gate(x: Tensor, gate_qmax: int) -> Tensor:
    """The output of a sigmoid or tanh rounded to multiples of ``1 / gate_qmax``; as it is if that is 0."""
    return x if gate_qmax <= 0 else on_grid(x, 1.0 / x.new_full((1,), float(gate_qmax)), gate_qmax, False)


def use_native(x: Tensor, reference: bool) -> bool:
    """Whether the C++ form runs: CPU tensors of float32 or float64, unless the plain form is asked for."""
    return not reference and x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)


def ready(x: Tensor) -> Tensor:
    """``x`` as the C++ side can read it: contiguous, without autograd."""
    return x.detach().contiguous()
