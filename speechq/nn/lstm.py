"""LSTM with optional peepholes, and the residual LSTM (Kim et al., 1701.03360)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from speechq.nn.layer import QuantizedLayer, State, product
from speechq.nn.norm import MaskedBatchNorm
from speechq.nn.recurrence import lstm


class LSTM(QuantizedLayer):
    """One LSTM layer, ``[T, B, inputs]`` to ``[T, B, hidden]``; state: ``h`` and ``c``, each ``[B, hidden]``.

    Gates in the order i, f, g, o. With peepholes i and f see the previous cell, o the new one (diagonal).
    The output is quantized once; the same value goes up and back.
    """

    kind = "lstm"
    weight_roles: tuple[str, ...] = ("in", "rec")
    signal_roles = ("h", "gate", "cell")

    def __init__(
        self, inputs: int, hidden: int, *, peepholes: bool = False, batch_norm: bool = False
    ) -> None:
        super().__init__()
        self.inputs, self.hidden = inputs, hidden
        bound = 1.0 / math.sqrt(hidden)
        self.weight_in = nn.Parameter(torch.empty(4 * hidden, inputs).uniform_(-bound, bound))
        self.weight_rec = nn.Parameter(torch.empty(4 * hidden, hidden).uniform_(-bound, bound))
        bias = torch.zeros(4 * hidden)
        bias[hidden : 2 * hidden] = 1.0  # an open forget gate lets gradients through from the first step on
        self.bias = nn.Parameter(bias)
        self.peepholes = nn.Parameter(torch.zeros(3, hidden)) if peepholes else None
        if batch_norm:
            self.norms["in"] = MaskedBatchNorm(4 * hidden)

    def width(self, role: str) -> int:
        return self.hidden

    def initial_state(self, rows: int) -> State:
        zero = self.weight_in.new_zeros(rows, self.hidden)
        return (zero, zero.clone())

    def forward(self, x: Tensor, state: State, lengths: Tensor, final: bool = True) -> tuple[Tensor, State]:
        """``(h [T, B, hidden], new state)``."""
        projection, shortcut = self._shortcut(x)
        h, last, cell = lstm(
            self._preactivations(x, lengths),
            self.weight("rec"),
            self.peepholes,
            state[1],
            state[0],
            lengths,
            hidden=self.grid("h"),
            cell=self.grid("cell"),
            gate_qmax=self.gate_qmax(),
            projection=projection,
            shortcut=shortcut,
        )
        return h, (last, cell)

    def _shortcut(self, x: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Projection and shortcut of the residual LSTM."""
        return None, None

    def _preactivations(self, x: Tensor, lengths: Tensor) -> Tensor:
        return self.normalize("in", product(x, self.weight("in")), lengths) + self.bias

    def vectors(self) -> Mapping[str, Tensor]:
        return {"bias": self.bias} | ({} if self.peepholes is None else {"peepholes": self.peepholes})


class ResidualLSTM(LSTM):
    """LSTM whose output gate also passes a shortcut from the layer below: ``h = o * (W_p tanh(c) + x)``.

    Where widths differ a matrix brings x to the size of the output. The projection has the size of the cell.
    """

    kind = "residual_lstm"
    weight_roles = ("in", "rec", "proj", "skip")

    def __init__(self, inputs: int, hidden: int, *, peepholes: bool = True, batch_norm: bool = False) -> None:
        super().__init__(inputs, hidden, peepholes=peepholes, batch_norm=batch_norm)
        bound = 1.0 / math.sqrt(hidden)
        self.weight_proj = nn.Parameter(torch.empty(hidden, hidden).uniform_(-bound, bound))
        self.weight_skip = (
            nn.Parameter(torch.empty(hidden, inputs).uniform_(-bound, bound)) if inputs != hidden else None
        )

    def _shortcut(self, x: Tensor) -> tuple[Tensor | None, Tensor | None]:
        skip = x if self.weight_skip is None else product(x, self.weight("skip"))
        return self.weight("proj"), skip
