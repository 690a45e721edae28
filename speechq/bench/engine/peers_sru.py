"""The ``sru`` package's SRU on the CPU, float32."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from speechq.bench.engine.loop import Contender
from speechq.bench.engine.peers import SRU
from speechq.bench.engine.peers_torch import stream_contenders
from speechq.bench.engine.synthetic import FLOAT_BITS, Shape
from speechq.errors import ConfigError


def sru_contenders(shape: Shape, blocks: Sequence[int], threads: int) -> list[Contender]:
    """A contender per block size; the state goes from step to step.

    Raises ConfigError where the package cannot compile its operator, which it does when it is imported.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about CUDA
            import sru
    except (RuntimeError, OSError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise ConfigError(
            f"the package sru compiles itself when it is imported, with ninja and a C++ compiler: {reason}"
        ) from error
    module = sru.SRU(shape.inputs, shape.hidden, num_layers=shape.layers).eval()
    return stream_contenders(SRU, module, FLOAT_BITS, shape, blocks, threads)
