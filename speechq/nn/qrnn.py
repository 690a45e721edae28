"""Quasi-recurrent network (Bradbury et al., 1611.01576): a causal convolution over time, then pooling."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from speechq.errors import ModelError
from speechq.nn.layer import QuantizedLayer, State, product
from speechq.nn.norm import MaskedBatchNorm
from speechq.nn.recurrence import qrnn


def with_past(x: Tensor, past: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """``past [k, B, D]`` and ``x [T, B, D]`` joined; the last k valid frames of each row: the next past."""
    joined = torch.cat([past, x])
    count = past.shape[0]
    index = lengths[None, :] + torch.arange(count, device=x.device)[:, None]
    return joined, joined.gather(0, index.unsqueeze(-1).expand(-1, -1, x.shape[2]))


class QRNN(QuantizedLayer):
    """One QRNN layer, ``[T, B, D]`` to ``[T, B, hidden]``; state: past inputs ``[window-1, B, D]``, cell.

    The paper's convention: the forget gate keeps the old value, ``c = f*c' + (1-f)*z`` (fo) or
    ``f*c' + i*z`` (ifo), ``h = o*c``. Rows of the matrix in the order z, f, o, i; columns oldest frame first.
    """

    kind = "qrnn"
    weight_roles = ("in",)
    signal_roles = ("h", "gate", "cell")

    def __init__(
        self,
        inputs: int,
        hidden: int,
        *,
        window: int = 2,
        pooling: str = "fo",
        zoneout: float = 0.0,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        self.inputs, self.hidden, self.window, self.zoneout = inputs, hidden, window, zoneout
        self.gates = 4 if pooling == "ifo" else 3
        bound = 1.0 / math.sqrt(inputs * window)
        self.weight_in = nn.Parameter(
            torch.empty(self.gates * hidden, inputs * window).uniform_(-bound, bound)
        )
        bias = torch.zeros(self.gates, hidden)
        bias[1] = 1.0
        self.bias = nn.Parameter(bias)
        if batch_norm:
            self.norms["in"] = MaskedBatchNorm(self.gates * hidden)

    def width(self, role: str) -> int:
        return self.hidden

    def initial_state(self, rows: int) -> State:
        zeros = self.weight_in.new_zeros
        return (zeros(self.window - 1, rows, self.inputs), zeros(rows, self.hidden))

    def forward(self, x: Tensor, state: State, lengths: Tensor, final: bool = True) -> tuple[Tensor, State]:
        """``(h [T, B, hidden], new state)``."""
        frames, rows, _ = x.shape
        joined, past = with_past(x, state[0], lengths)
        windows = torch.cat([joined[k : k + frames] for k in range(self.window)], dim=2)
        u = self.normalize("in", product(windows, self.weight("in")), lengths)
        keep = None
        if self.training and self.zoneout > 0:
            keep = (torch.rand(frames, rows, self.hidden, device=x.device) >= self.zoneout).to(x.dtype)
        h, cell = qrnn(
            u.view(frames, rows, self.gates, self.hidden),
            self.bias,
            state[1],
            lengths,
            keep_mask=keep,
            cell=self.grid("cell"),
            gate_qmax=self.gate_qmax(),
        )
        return self.quantize_signal("h", h), (past, cell)

    @torch.no_grad()
    def load_opposite_forget(self, weight: Tensor, bias: Tensor) -> None:
        """Take weights in the form of Salesforce's pytorch-qrnn: rows z, f, o; columns newest frame first.

        There f admits the new value, ``c = f*z + (1-f)*c'``. ``1 - sig(a) = sig(-a)``, so rows of f
        change sign.
        """
        if self.gates != 3:
            raise ModelError(
                "weights with the opposite forget gate have three parts; this layer pools with four"
            )
        frames = weight.view(3, self.hidden, self.window, self.inputs).flip(2)
        sign = weight.new_tensor([1.0, -1.0, 1.0])
        self.weight_in.copy_((frames * sign[:, None, None, None]).reshape(self.weight_in.shape))
        self.bias.copy_(bias.view(3, self.hidden) * sign[:, None])

    def options(self) -> dict[str, Any]:
        return {"window": self.window}

    def vectors(self) -> Mapping[str, Tensor]:
        return {"bias": self.bias.reshape(-1)}
