"""A packed character language model for the beam search: scores of the next unit, states that can fork."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speechq.errors import ModelError
from speechq.runtime.decoder import CharLm
from speechq.runtime.engine import Engine, EngineState
from speechq.runtime.model_file import read_model
from speechq.text.units import Units

END_OF_SENTENCE = 0


class EngineCharLm:
    """The network of a language model's file in the engine, all hypotheses of a frame as one block."""

    def __init__(self, path: Path) -> None:
        self._engine = Engine(path, block=1)

    def start(self) -> tuple[EngineState, NDArray[np.float32]]:
        """The state behind the end of a sentence, and the scores [units] of the unit that begins the next."""
        states, scores = self.advance([self._engine.initial_state()], [END_OF_SENTENCE])
        return states[0], scores[0]

    def advance(
        self, states: list[EngineState], units: list[int]
    ) -> tuple[Sequence[EngineState], NDArray[np.float32]]:
        """The state when each unit follows each state, and the scores [len(states), units] of the next."""
        forks = [state.copy() for state in states]
        scores = self._engine.run([np.array([unit], np.int32) for unit in units], forks)
        return forks, np.concatenate(scores)


def open_char_lm(path: str | Path, units: Units) -> CharLm:
    """The character model in ``path`` (.sqm) for hypotheses over ``units``.

    Raises ModelError, naming the file, if it cannot be read, is an acoustic model, or has other units.
    """
    path = Path(path)
    model = read_model(path)
    if model.features is not None:
        raise ModelError(f"{path}: an acoustic model; expected a language model, which takes symbols")
    if model.units.symbols[1:] != units.symbols[1:]:
        ours, theirs = (" ".join(map(repr, found.symbols[1:])) for found in (model.units, units))
        raise ModelError(f"{path}: has the units {ours}; the acoustic model has {theirs}")
    return EngineCharLm(path)
