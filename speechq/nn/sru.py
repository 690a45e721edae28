"""Simple recurrent unit (Lei et al., 1709.02755): all matrix products see only the layer's input."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from speechq.nn.layer import FloatArray, QuantizedLayer, State, product
from speechq.nn.norm import MaskedBatchNorm
from speechq.nn.recurrence import sru


class SRU(QuantizedLayer):
    """One SRU layer, ``[T, B, inputs]`` to ``[T, B, hidden]``; state: the cell ``[B, hidden]``.

    Variant 1: gates see only the input (first arXiv version). Variant 2: gates also see the previous cell
    through the vectors v (EMNLP 2018). ``h = r * g(c) + (1 - r) * (scale_x * x)``; where widths differ, a
    fourth matrix makes the skip input.
    """

    kind = "sru"
    weight_roles = ("in", "skip")
    signal_roles = ("h", "gate", "cell")

    def __init__(
        self,
        inputs: int,
        hidden: int,
        *,
        variant: int = 2,
        tanh: bool = False,
        highway_bias: float = 0.0,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        self.hidden, self.variant, self.tanh = hidden, variant, tanh
        # Keeps the variance of h near that of x at the start, whatever the bias of the output gate; as in the
        # authors' code not where a matrix makes the skip input.
        self.scale_x = math.sqrt(1.0 + 2.0 * math.exp(highway_bias)) if inputs == hidden else 1.0
        bound = math.sqrt(3.0 / inputs)
        gate_scale = math.sqrt(0.5)
        weight = torch.empty(3, hidden, inputs).uniform_(-bound, bound)
        weight[1:] *= gate_scale
        self.weight_in = nn.Parameter(weight.reshape(3 * hidden, inputs))
        self.weight_skip = (
            nn.Parameter(torch.empty(hidden, inputs).uniform_(-bound, bound)) if inputs != hidden else None
        )
        self.bias = nn.Parameter(torch.tensor([[0.0], [highway_bias]]).repeat(1, hidden))
        if variant == 2:
            self.v = nn.Parameter(
                torch.empty(2, hidden).uniform_(-math.sqrt(3.0), math.sqrt(3.0)) * gate_scale
            )
        else:
            self.register_buffer("v", torch.zeros(2, hidden), persistent=False)
        if batch_norm:
            self.norms["in"] = MaskedBatchNorm(3 * hidden)

    def width(self, role: str) -> int:
        return self.hidden

    def initial_state(self, rows: int) -> State:
        return (self.weight_in.new_zeros(rows, self.hidden),)

    def forward(self, x: Tensor, state: State, lengths: Tensor, final: bool = True) -> tuple[Tensor, State]:
        """``(h [T, B, hidden], new state)``."""
        frames, rows, _ = x.shape
        u = self.normalize("in", product(x, self.weight("in")), lengths).view(frames, rows, 3, self.hidden)
        skip = x if self.weight_skip is None else product(x, self.weight("skip"))
        h, cell = sru(
            u,
            skip,
            self.v,
            self.bias,
            state[0],
            lengths,
            variant=self.variant,
            tanh=self.tanh,
            scale_x=self.scale_x,
            cell=self.grid("cell"),
            gate_qmax=self.gate_qmax(),
        )
        return self.quantize_signal("h", h), (cell,)

    def options(self) -> dict[str, Any]:
        return {"variant": self.variant, "tanh": self.tanh, "scale_x": self.scale_x}

    def vectors(self) -> Mapping[str, Tensor]:
        return {"bias": self.bias} | ({"v": self.v} if self.variant == 2 else {})

    def fold_shift(self, role: str, shift: FloatArray, vectors: dict[str, FloatArray]) -> None:
        """The gates have biases to take the shift; the candidate gets one of its own."""
        parts = shift.reshape(3, self.hidden)
        vectors["candidate_bias"] = parts[0]
        vectors["bias"] = vectors["bias"] + parts[1:]
