"""SRU with an independent input gate behind a depthwise convolution (Park et al., NeurIPS 2018)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from speechq.errors import ModelError
from speechq.nn.layer import QuantizedLayer, State, product, valid_frames
from speechq.nn.norm import MaskedBatchNorm
from speechq.nn.qrnn import with_past
from speechq.nn.recurrence import qrnn


class ISRU(QuantizedLayer):
    """One i-SRU layer, ``[T, B, inputs]`` to ``[T, B, hidden]``.

    ``v_t = sum_k w[k] * x_(t+k)``, k from -left to right, per feature; then ``u = W v`` and
    ``c = f*c' + i*u``, ``h = o*tanh(c) + (1-o)*x`` (the highway only where widths agree).
    State: past (and, between chunks, waiting) inputs, and the cell. With look-ahead, ``final=False``
    holds back the last ``taps_right`` frames of a chunk until the next one; at the end of an utterance
    the look-ahead sees zeros.
    """

    kind = "isru"
    weight_roles = ("conv", "in")
    signal_roles = ("conv", "h", "gate", "cell")

    def __init__(
        self, inputs: int, hidden: int, *, taps_left: int = 7, taps_right: int = 0, batch_norm: bool = False
    ) -> None:
        super().__init__()
        self.inputs, self.hidden = inputs, hidden
        self.taps_left, self.taps_right = taps_left, taps_right
        taps = taps_left + 1 + taps_right
        weight = torch.empty(inputs, taps).uniform_(-1.0, 1.0) * (0.5 / math.sqrt(taps))
        weight[:, taps_left] += 1.0  # starts near the identity
        self.weight_conv = nn.Parameter(weight)
        bound = math.sqrt(3.0 / inputs)
        self.weight_in = nn.Parameter(torch.empty(4 * hidden, inputs).uniform_(-bound, bound))
        bias = torch.zeros(4, hidden)
        bias[1] = 1.0
        self.bias = nn.Parameter(bias)
        if batch_norm:
            self.norms["conv"] = MaskedBatchNorm(inputs)
            self.norms["in"] = MaskedBatchNorm(4 * hidden)

    def width(self, role: str) -> int:
        return self.inputs if role == "conv" else self.hidden

    def initial_state(self, rows: int) -> State:
        zeros = self.weight_in.new_zeros
        return (zeros(self.taps_left, rows, self.inputs), zeros(rows, self.hidden))

    def forward(self, x: Tensor, state: State, lengths: Tensor, final: bool = True) -> tuple[Tensor, State]:
        """``(h [T, B, hidden], new state)``; with ``final=False`` h is at first shorter by the look-ahead."""
        waiting = state[0].shape[0] - self.taps_left
        if not final and int(lengths.min()) != x.shape[0]:
            raise ModelError(
                "rows of a chunk must have as many frames as the chunk: only the last one may be padded"
            )
        if waiting:
            x = torch.cat([state[0][self.taps_left :], x])
            lengths = lengths + waiting
        joined, past = with_past(x, state[0][: self.taps_left], lengths)
        frames = x.shape[0] if final else max(0, x.shape[0] - self.taps_right)
        if final:
            joined = functional.pad(joined, (0, 0, 0, 0, 0, self.taps_right))
        else:
            past = joined[frames:]
            lengths = torch.clamp(lengths - self.taps_right, min=0)
        if frames == 0:
            return x.new_zeros(0, x.shape[1], self.hidden), (past, state[1])
        h, cell = self._step(joined, x[:frames], state[1], lengths)
        return h, (past, cell)

    def _step(self, joined: Tensor, x: Tensor, cell: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        frames, rows, _ = x.shape
        taps = self.weight("conv")
        # One image, T + taps - 1 high and B wide, its D channels last in memory: nothing is transposed.
        image = joined[: frames + taps.shape[1] - 1].permute(2, 0, 1).unsqueeze(0)
        v = functional.conv2d(image, taps[:, None, :, None], groups=self.inputs)[0].permute(1, 2, 0)
        v = v.to(taps.dtype)
        v = self.normalize("conv", v, lengths) * valid_frames(lengths, frames).to(v.dtype)
        v = self.quantize_signal("conv", v.contiguous())
        u = self.normalize("in", product(v, self.weight("in")), lengths).view(frames, rows, 4, self.hidden)
        h, last = qrnn(
            u,
            self.bias,
            cell,
            lengths,
            tanh_in=False,
            tanh_out=True,
            x_skip=x if self.inputs == self.hidden else None,
            cell=self.grid("cell"),
            gate_qmax=self.gate_qmax(),
        )
        return self.quantize_signal("h", h), last

    def options(self) -> dict[str, Any]:
        return {"taps_left": self.taps_left, "taps_right": self.taps_right}

    def vectors(self) -> Mapping[str, Tensor]:
        return {"conv_bias": torch.zeros(self.inputs), "bias": self.bias.reshape(-1)}
