"""The C++ engine: runs packed models on one stream or several, several frames per weight read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from speechq import _native
from speechq.errors import ConfigError, DataError
from speechq.runtime.graph import Model
from speechq.runtime.model_file import model_bytes
from speechq.runtime.symbols import checked_symbols

FloatArray = NDArray[np.float32]
Mode = Literal["hybrid", "integer"]

MOST_FRAMES = 64

EngineState = _native.StreamState


class Engine:
    """A packed model, ready to run; threads may share it, a state belongs to one stream.

    ``model`` is the path or the bytes of a model file, or a model. ``block`` is how many frames of each
    stream share a weight read (1 to 64); ``mode`` the arithmetic (docs/fixed-point.md). The result depends
    on neither ``block`` nor ``threads``, nor on how frames are divided among calls and states among blocks,
    nor on the instruction set.

    Raises ModelError, naming the file, for one that cannot be read or that the mode cannot run.
    """

    def __init__(
        self, model: str | Path | bytes | Model, *, mode: Mode = "hybrid", threads: int = 1, block: int = 16
    ) -> None:
        if not 1 <= block <= MOST_FRAMES:
            raise ConfigError(f"block is {block}: expected 1 to {MOST_FRAMES} frames")
        if threads < 1:
            raise ConfigError(f"threads is {threads}: expected at least 1")
        self.mode = mode
        self.block = block
        self.threads = threads
        if isinstance(model, str | Path):
            self._network = _native.Network.load(str(model), mode)
        else:
            data = model if isinstance(model, bytes) else model_bytes(model)
            self._network = _native.Network(data, "model", mode)

    def initial_state(self) -> EngineState:
        """The state of a stream before its first frame."""
        return self._network.start()

    def run(
        self, features: Sequence[NDArray[Any]], states: Sequence[EngineState], *, finish: bool = False
    ) -> list[FloatArray]:
        """Log-probabilities ``[T', symbols]`` of each stream's next frames ``[T, features.dim]``.

        ``features`` are normalized and stacked; a language model takes symbols ``[T]`` instead, int, and
        gives those of the symbol behind each. All streams are stepped together. Without ``finish`` more
        frames may follow, and look-ahead holds back its last ones; with it they come out, and the states are
        of no further use. ``state.copy()`` goes on apart from its original.
        """
        if len(set(map(id, states))) < len(states):
            raise DataError("a state occurs twice: every stream of a block needs its own")
        network, streams = self._network, list(states)
        result: list[FloatArray]
        if network.takes_symbols:
            symbols = checked_symbols(features, network.inputs)
            result = network.run_symbols(streams, symbols, self.block, self.threads, finish)
        else:
            result = network.run(streams, self._frames(features), self.block, self.threads, finish)
        return result

    def _frames(self, features: Sequence[NDArray[Any]]) -> list[FloatArray]:
        width = self._network.inputs
        frames = [np.ascontiguousarray(rows, np.float32) for rows in features]
        for rows in frames:
            if rows.ndim != 2 or rows.shape[1] != width:
                raise DataError(f"frames of shape {list(rows.shape)}: expected [frames, {width}]")
        return frames

    def forward(self, features: Sequence[NDArray[Any]]) -> list[FloatArray]:
        """Log-probabilities of whole utterances ``[T, features.dim]``, each from a fresh state."""
        return self.run(features, [self.initial_state() for _ in features], finish=True)

    @property
    def weight_bytes(self) -> int:
        """Bytes of weights that a block reads once: packed codes and float weights."""
        return int(self._network.weight_bytes)

    @property
    def memory_bytes(self) -> int:
        """Bytes that the loaded network keeps: weights, vectors, tables, idle workspaces; no states."""
        return int(self._network.memory_bytes)

    def products_seconds(self, features: FloatArray) -> float:
        """Seconds that one thread spends in the products of a fresh stream's ``features``."""
        rows = np.ascontiguousarray(features, np.float32)
        return float(self._network.products_seconds(self.initial_state(), rows, self.block))
