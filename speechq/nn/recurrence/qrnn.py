"""QRNN pooling (1611.01576) and the ifo form that i-SRU shares, with optional fixed-point cell and gates."""

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


def qrnn(
    u: Tensor,
    bias: Tensor,
    c0: Tensor,
    lengths: Tensor,
    *,
    x_skip: Tensor | None = None,
    keep_mask: Tensor | None = None,
    tanh_in: bool = True,
    tanh_out: bool = False,
    cell: Grid | None = None,
    gate_qmax: int = 0,
    reference: bool = False,
) -> tuple[Tensor, Tensor]:
    """Run the pooling over all frames; returns ``h`` [T, B, H] and the last cell [B, H].

    ::

        z = tanh(u0 + b0), or u0 + b0 without tanh_in    f = sig(u1 + b1)    o = sig(u2 + b2)
        G = 3 (fo):  i = 1 - f                           G = 4 (ifo): i = sig(u3 + b3)
        c = f c' + i z
        h = o g(c) [+ (1 - o) x_skip]                    g: tanh with tanh_out, else the identity

    ``u`` [T, B, G, H]; ``bias`` [G, H]; ``c0`` [B, H]; ``lengths`` [B] the valid frames of each row;
    ``x_skip`` and ``keep_mask`` [T, B, H]. ``f`` keeps the old value, as in the paper. ``keep_mask`` m makes
    f ``1 - m (1 - f)`` and i ``m i``, so that 0 keeps the state (zoneout); it gets no gradient. With
    ``gate_qmax`` the outputs of sigmoid and tanh are rounded to multiples of ``1 / gate_qmax``; with ``cell``
    c is rounded before it is used and carried. A row's state stops at its length: ``h`` and gradients are 0
    beyond it.
    """
    if u.dim() != 4 or u.shape[2] not in (3, 4):
        raise ModelError(f"u must have the shape (frames, batch, 3 or 4, hidden), not {tuple(u.shape)}")
    frames, batch, gates, hidden = u.shape
    check_shape("bias", bias, (gates, hidden))
    check_shape("c0", c0, (batch, hidden))
    for name, optional in (("x_skip", x_skip), ("keep_mask", keep_mask)):
        if optional is not None:
            check_shape(name, optional, (frames, batch, hidden))
    counts = row_lengths(lengths, batch)
    if use_native(u, reference):
        step = step_tensor(cell, u)
        mask = None if keep_mask is None else ready(keep_mask.to(u.dtype))
        options = (tanh_in, tanh_out, native_grid(cell, step), gate_qmax)
        h, c_last = _Qrnn.apply(u, bias, c0, x_skip, step, mask, counts, options)  # type: ignore[no-untyped-call]
        return h, c_last
    c, outputs = c0, []
    for t in range(frames):
        valid = (t < counts.to(u.device))[:, None]
        inputs = (u[t] + bias).unbind(1)
        z = quantized_gate(torch.tanh(inputs[0]), gate_qmax) if tanh_in else inputs[0]
        f, o = (quantized_gate(torch.sigmoid(gate), gate_qmax) for gate in inputs[1:3])
        if keep_mask is not None:
            f = 1 - keep_mask[t] * (1 - f)
        i = 1 - f
        if gates == 4:
            i = quantized_gate(torch.sigmoid(inputs[3]), gate_qmax)
            i = i if keep_mask is None else i * keep_mask[t]
        now = quantized_signal(f * c + i * z, cell)
        h = o * (quantized_gate(torch.tanh(now), gate_qmax) if tanh_out else now)
        if x_skip is not None:
            h = h + (1 - o) * x_skip[t]
        c = torch.where(valid, now, c)
        outputs.append(torch.where(valid, h, torch.zeros_like(h)))
    return torch.stack(outputs), c


class _Qrnn(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        u: Tensor,
        bias: Tensor,
        c0: Tensor,
        x_skip: Tensor | None,
        step: Tensor,
        mask: Tensor | None,
        lengths: Tensor,
        options: tuple[Any, ...],
    ) -> tuple[Tensor, Tensor]:
        from speechq import _native

        u, bias, c0 = ready(u), ready(bias), ready(c0)
        skip = None if x_skip is None else ready(x_skip)
        h = u.new_empty(u.shape[0], u.shape[1], u.shape[3])
        c, c_last = torch.empty_like(h), torch.empty_like(c0)
        inputs = (u, bias, c0, skip, mask, lengths)
        arguments: list[Any] = [*inputs, *options, h, c, c_last, torch.get_num_threads()]
        _native.qrnn_forward(*arguments)
        ctx.save_for_backward(*inputs, c)
        ctx.options = options
        return h, c_last

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_h: Tensor, grad_c_last: Tensor) -> tuple[Tensor | None, ...]:
        from speechq import _native

        *inputs, c = ctx.saved_tensors
        u, bias, c0, skip = inputs[:4]
        grad_u, grad_bias, grad_c0 = torch.empty_like(u), torch.empty_like(bias), torch.empty_like(c0)
        grad_skip = None if skip is None else torch.empty_like(skip)
        grad_step = u.new_empty(1)
        grads = (grad_u, grad_bias, grad_c0, grad_skip, grad_step)
        given = ready(grad_h), ready(grad_c_last)
        arguments: list[Any] = [*inputs, *ctx.options, c, *given, *grads, torch.get_num_threads()]
        _native.qrnn_backward(*arguments)
        return (*grads, None, None, None)
