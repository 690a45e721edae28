"""The LSTM recurrence with peepholes and fixed-point signals; with a projection, residual (1701.03360)."""

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


def lstm(
    u: Tensor,
    w_rec: Tensor,
    peepholes: Tensor | None,
    c0: Tensor,
    h0: Tensor,
    lengths: Tensor,
    *,
    hidden: Grid | None = None,
    cell: Grid | None = None,
    gate_qmax: int = 0,
    projection: Tensor | None = None,
    shortcut: Tensor | None = None,
    reference: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """Run the recurrence over all frames; returns ``h`` [T, B, H], the last h and cell [B, H].

    ::

        i = sig(u_i + W_i h' + w_i c')    f = sig(u_f + W_f h' + w_f c')    g = tanh(u_g + W_g h')
        c = f c' + i g                    o = sig(u_o + W_o h' + w_o c)     r = tanh(c)
        h = o r,  or with a projection (residual LSTM):  h = o (projection r + shortcut)

    ``u`` [T, B, 4H] in the order i, f, g, o, biases included; ``w_rec`` [4H, H]; ``peepholes`` [3, H] for i,
    f, o; ``c0``, ``h0`` [B, H]; ``lengths`` [B] the valid frames of each row; ``projection`` [H, H] and
    ``shortcut`` [T, B, H] go together. With ``gate_qmax`` i, f, g, o and r are rounded to multiples of ``1 /
    gate_qmax``; with ``cell`` and ``hidden`` c and h are rounded before they are used and carried. A row's
    state stops at its length: ``h`` and gradients are 0 beyond it.
    """
    if u.dim() != 3 or u.shape[2] % 4:
        raise ModelError(f"u must have the shape (frames, batch, 4 * hidden), not {tuple(u.shape)}")
    frames, batch, units = u.shape[0], u.shape[1], u.shape[2] // 4
    check_shape("w_rec", w_rec, (4 * units, units))
    check_shape("c0", c0, (batch, units))
    check_shape("h0", h0, (batch, units))
    if peepholes is None:
        peepholes = u.new_zeros(3, units)
    check_shape("peepholes", peepholes, (3, units))
    if (projection is None) != (shortcut is None):
        raise ModelError("projection and shortcut of the residual LSTM must be given together")
    if projection is not None and shortcut is not None:
        check_shape("projection", projection, (units, units))
        check_shape("shortcut", shortcut, (frames, batch, units))
    counts = row_lengths(lengths, batch)
    if use_native(u, reference):
        cell_step, hidden_step = step_tensor(cell, u), step_tensor(hidden, u)
        grids = (native_grid(cell, cell_step), native_grid(hidden, hidden_step))
        h, h_last, c_last = _Lstm.apply(  # type: ignore[no-untyped-call]
            u,
            w_rec,
            peepholes,
            c0,
            h0,
            projection,
            shortcut,
            cell_step,
            hidden_step,
            counts,
            (gate_qmax, *grids),
        )
        return h, h_last, c_last
    c, h, outputs = c0, h0, []
    for t in range(frames):
        valid = (t < counts.to(u.device))[:, None]
        inputs = (u[t] + h @ w_rec.t()).view(batch, 4, units).unbind(1)
        i = quantized_gate(torch.sigmoid(inputs[0] + peepholes[0] * c), gate_qmax)
        f = quantized_gate(torch.sigmoid(inputs[1] + peepholes[1] * c), gate_qmax)
        g = quantized_gate(torch.tanh(inputs[2]), gate_qmax)
        now = quantized_signal(f * c + i * g, cell)
        o = quantized_gate(torch.sigmoid(inputs[3] + peepholes[2] * now), gate_qmax)
        r = quantized_gate(torch.tanh(now), gate_qmax)
        if projection is not None and shortcut is not None:
            r = r @ projection.t() + shortcut[t]
        out = quantized_signal(o * r, hidden)
        c, h = torch.where(valid, now, c), torch.where(valid, out, h)
        outputs.append(torch.where(valid, out, torch.zeros_like(out)))
    return torch.stack(outputs), h, c


class _Lstm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        u: Tensor,
        w_rec: Tensor,
        peepholes: Tensor,
        c0: Tensor,
        h0: Tensor,
        projection: Tensor | None,
        shortcut: Tensor | None,
        cell_step: Tensor,
        hidden_step: Tensor,
        lengths: Tensor,
        options: tuple[Any, ...],
    ) -> tuple[Tensor, Tensor, Tensor]:
        from speechq import _native

        given = (u.reshape(*u.shape[:2], 4, -1), w_rec, peepholes, c0, h0, projection, shortcut)
        inputs = [None if tensor is None else ready(tensor) for tensor in given]
        gates = u.new_empty(*u.shape[:2], 4, u.shape[2] // 4)
        h = u.new_empty(*u.shape[:2], u.shape[2] // 4)
        c = torch.empty_like(h)
        r, total = (None, None) if projection is None else (torch.empty_like(h), torch.empty_like(h))
        h_last, c_last = torch.empty_like(h[0]), torch.empty_like(h[0])
        trace = (gates, c, r, total)
        arguments: list[Any] = [
            *inputs,
            lengths,
            *options,
            *trace,
            h,
            h_last,
            c_last,
            torch.get_num_threads(),
        ]
        _native.lstm_forward(*arguments)
        ctx.save_for_backward(*inputs, lengths, *trace, h)
        ctx.options = options
        return h, h_last, c_last

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, grad_h: Tensor, grad_h_last: Tensor, grad_c_last: Tensor
    ) -> tuple[Tensor | None, ...]:
        from speechq import _native

        *inputs, gates, c, r, total, h = ctx.saved_tensors
        u, _, peepholes, c0, h0, projection, shortcut, _ = inputs
        grad_u, grad_peepholes = torch.empty_like(u), torch.empty_like(peepholes)
        grad_c0, grad_h0 = torch.empty_like(c0), torch.empty_like(h0)
        grad_shortcut = None if shortcut is None else torch.empty_like(shortcut)
        grad_steps = u.new_empty(2)
        given = ready(grad_h), ready(grad_h_last), ready(grad_c_last)
        grads = (grad_u, grad_peepholes, grad_c0, grad_h0, grad_shortcut, grad_steps)
        trace = (gates, c, r, total)
        arguments: list[Any] = [*inputs, *ctx.options, *trace, *given, *grads, torch.get_num_threads()]
        _native.lstm_backward(*arguments)
        # The matrices' gradients are products over all frames; padded frames are 0 in both factors.
        frames, batch, _, units = u.shape
        flat = grad_u.view(frames, batch, 4 * units)
        grad_w = flat[0].t() @ h0
        if frames > 1:
            grad_w.addmm_(flat[1:].reshape(-1, 4 * units).t(), h[:-1].reshape(-1, units))
        grad_projection = None
        if projection is not None and grad_shortcut is not None:
            grad_projection = grad_shortcut.view(-1, units).t() @ r.view(-1, units)
        matrices_and_states = (grad_w, grad_peepholes, grad_c0, grad_h0, grad_projection, grad_shortcut)
        return (flat, *matrices_and_states, *grad_steps.split(1), None, None)
