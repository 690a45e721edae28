"""The SRU recurrence (1709.02755) with optional fixed-point cell and gates."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from speechq.errors import ModelError
from speechq.nn.recurrence.shapes import check_shape, row_lengths
from speechq.quant.signal import (
    Grid,
    native_grid,
    quantized_gate,
    quantized_signal,
    ready,
    step_tensor,
    use_native,
)


def sru(
    u: Tensor,
    x_skip: Tensor,
    v: Tensor,
    bias: Tensor,
    c0: Tensor,
    lengths: Tensor,
    *,
    variant: int = 2,
    tanh: bool = False,
    scale_x: float = 1.0,
    cell: Grid | None = None,
    gate_qmax: int = 0,
    reference: bool = False,
) -> tuple[Tensor, Tensor]:
    """Run the recurrence over all frames; returns ``h`` [T, B, H] and the last cell [B, H].

    ::

        f = sig(u1 + v_f c' + b_f)    r = sig(u2 + v_r c' + b_r)    c = f c' + (1 - f) u0
        h = r g(c) + (1 - r) scale_x x_skip

    ``u`` [T, B, 3, H] holds W x, W_f x, W_r x; ``x_skip`` [T, B, H] the layer's input or a fourth product;
    ``v`` and ``bias`` [2, H] the vectors of f and r; ``c0`` [B, H]; ``lengths`` [B] the valid frames of each
    row. ``variant`` 1 has no ``v``. With ``gate_qmax`` the outputs of sigmoid and tanh are rounded to
    multiples of ``1 / gate_qmax``; with ``cell`` c is rounded before it is used and carried. A row's state
    stops at its length: ``h`` and gradients are 0 beyond it.
    """
    if u.dim() != 4 or u.shape[2] != 3:
        raise ModelError(f"u must have the shape (frames, batch, 3, hidden), not {tuple(u.shape)}")
    if variant not in (1, 2):
        raise ModelError(f"the SRU variant is 1 or 2, not {variant!r}")
    frames, batch, _, hidden = u.shape
    check_shape("x_skip", x_skip, (frames, batch, hidden))
    check_shape("bias", bias, (2, hidden))
    check_shape("c0", c0, (batch, hidden))
    if variant == 1:
        v = u.new_zeros(2, hidden)
    check_shape("v", v, (2, hidden))
    counts = row_lengths(lengths, batch)
    if use_native(u, reference):
        step = step_tensor(cell, u)
        options = (counts, tanh, float(scale_x), native_grid(cell, step), gate_qmax)
        h, c_last = _Sru.apply(u, x_skip, v, bias, c0, step, options)  # type: ignore[no-untyped-call]
        return h, c_last
    return _reference(u, x_skip, v, bias, c0, counts.to(u.device), tanh, scale_x, cell, gate_qmax)


def _reference(
    u: Tensor,
    x_skip: Tensor,
    v: Tensor,
    bias: Tensor,
    c0: Tensor,
    lengths: Tensor,
    tanh: bool,
    scale_x: float,
    cell: Grid | None,
    gate_qmax: int,
) -> tuple[Tensor, Tensor]:
    c = c0
    outputs = []
    for t in range(u.shape[0]):
        valid = (t < lengths)[:, None]
        u0, u1, u2 = u[t].unbind(1)
        f = quantized_gate(torch.sigmoid(u1 + v[0] * c + bias[0]), gate_qmax)
        r = quantized_gate(torch.sigmoid(u2 + v[1] * c + bias[1]), gate_qmax)
        now = quantized_signal(f * c + (1 - f) * u0, cell)
        g = quantized_gate(torch.tanh(now), gate_qmax) if tanh else now
        h = r * g + (1 - r) * (scale_x * x_skip[t])
        c = torch.where(valid, now, c)
        outputs.append(torch.where(valid, h, torch.zeros_like(h)))
    return torch.stack(outputs), c


class _Sru(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        u: Tensor,
        x_skip: Tensor,
        v: Tensor,
        bias: Tensor,
        c0: Tensor,
        step: Tensor,
        options: tuple[Any, ...],
    ) -> tuple[Tensor, Tensor]:
        from speechq import _native

        inputs = [ready(tensor) for tensor in (u, x_skip, v, bias, c0)]
        h = torch.empty_like(inputs[1])
        c, c_last = torch.empty_like(h), torch.empty_like(inputs[4])
        arguments: list[Any] = [*inputs, *options, h, c, c_last, torch.get_num_threads()]
        _native.sru_forward(*arguments)
        ctx.save_for_backward(*inputs, step, c)
        ctx.options = options
        return h, c_last

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_h: Tensor, grad_c_last: Tensor) -> tuple[Tensor | None, ...]:
        from speechq import _native

        *inputs, step, c = ctx.saved_tensors
        grads = tuple(torch.empty_like(tensor) for tensor in (*inputs, step))
        given = ready(grad_h), ready(grad_c_last)
        arguments: list[Any] = [*inputs, *ctx.options, c, *given, *grads, torch.get_num_threads()]
        _native.sru_backward(*arguments)
        return (*grads, None)
