"""PyTorch's LSTM, float32 and dynamically quantized to 8-bit weights."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from speechq.bench.engine.loop import Contender
from speechq.bench.engine.peers import TORCH
from speechq.bench.engine.synthetic import FLOAT_BITS, Shape, synthetic_frames


class _Stream:
    """One stream through a module ``x [T, 1, D], state -> y, state``."""

    def __init__(self, module: nn.Module, frames: Tensor) -> None:
        self._module, self._frames = module, frames
        self._state: object = None

    def step(self) -> None:
        with torch.inference_mode():
            _, self._state = self._module(self._frames, self._state)


def stream_contenders(
    name: str, module: nn.Module, bits: int, shape: Shape, blocks: Sequence[int], threads: int
) -> list[Contender]:
    """A contender per block size for a module that takes and gives a state."""
    return [
        Contender(
            engine=name,
            shape=shape,
            bits=bits,
            block=block,
            threads=threads,
            weight_bytes=shape.weights * bits // 8,
            macs=shape.weights,
            step=_Stream(module, torch.from_numpy(synthetic_frames(shape, block))[:, None]).step,
            prepare=partial(torch.set_num_threads, threads),
        )
        for block in blocks
    ]


def torch_contenders(shape: Shape, blocks: Sequence[int], threads: int) -> list[Contender]:
    """A float and an int8 contender per block size; the state goes from step to step."""
    module = nn.LSTM(shape.inputs, shape.hidden, num_layers=shape.layers).eval()
    quantize: Any = torch.ao.quantization.quantize_dynamic
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the successor that is announced has no LSTM
        quantized = quantize(nn.Sequential(module), {nn.LSTM}, dtype=torch.qint8)[0]
    return [
        *stream_contenders(TORCH, module, FLOAT_BITS, shape, blocks, threads),
        *stream_contenders(TORCH, quantized, 8, shape, blocks, threads),
    ]
