"""The fixed-point reference behind the interface of speechq.runtime.engine.Engine: slow, the same results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from speechq.quant.products import FloatArray
from speechq.quant.reference import Reference
from speechq.runtime.graph import Model
from speechq.runtime.info import describe


class Engine:
    def __init__(self, model: Model, *, mode: str = "hybrid", threads: int = 1, block: int = 16) -> None:
        assert mode == "hybrid"
        self._reference = Reference(model)
        self.threads, self.block = threads, block
        self.weight_bytes = sum(
            row["bytes"] for row in describe(model)["matrices"] if row["part"] != "vectors"
        )

    def initial_state(self) -> list[Any]:
        return [self._reference.initial_state(1)]

    def run(
        self, features: Sequence[FloatArray], states: Sequence[list[Any]], *, finish: bool = False
    ) -> list[FloatArray]:
        found = []
        for frames, state in zip(features, states, strict=True):
            (scores,), state[0] = self._reference.run([frames], state[0], finish=finish)
            found.append(scores)
        return found

    def profile(self, features: FloatArray, state: list[Any]) -> dict[str, float]:
        self.run([features], [state])
        return {"products": 0.9, "elementwise": 0.1}
