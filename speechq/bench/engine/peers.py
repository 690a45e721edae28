"""What else can run such networks on a CPU, on the same shapes. Peers are loaded only when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from speechq.bench.engine.loop import Contender
from speechq.bench.engine.synthetic import Shape
from speechq.errors import ConfigError

ONNX, TORCH, SRU = "onnxruntime", "torch", "sru"
NO_QRNN = "no maintained program runs a QRNN on the CPU: there is no peer to compare with"


def peer_contenders(shape: Shape, blocks: Sequence[int], threads: int) -> list[Contender]:
    """All peers for a shape, one contender per block size; none for a cell that no peer has.

    Raises ConfigError, naming the package, where one is not installed.
    """
    if shape.cell == "lstm":
        with _installed():
            from speechq.bench.engine.peers_onnx import onnx_contenders
            from speechq.bench.engine.peers_torch import torch_contenders

            return [
                *onnx_contenders(shape, blocks, threads),
                *torch_contenders(shape, blocks, threads),
            ]
    if shape.cell == "sru":
        with _installed():
            from speechq.bench.engine.peers_sru import sru_contenders

            return sru_contenders(shape, blocks, threads)
    return []


@contextmanager
def _installed() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "speechq":
            raise
        raise ConfigError(
            f"the peers need the package {error.name}: pip install 'speechq[train,bench]'"
        ) from error
