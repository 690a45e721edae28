"""Packed character language models for the decoder, in the engine and without Python."""

from __future__ import annotations

import os
from pathlib import Path

from speechq import _native
from speechq.errors import ModelError
from speechq.runtime.engine import Mode
from speechq.runtime.graph import Model
from speechq.runtime.model_file import model_bytes, read_model
from speechq.text.units import Units


class CharModel:
    """A packed character language model in memory, to be shared by several decoders.

    ``model`` is the path of a ``.sqm`` file or a model; ``mode`` the arithmetic (docs/fixed-point.md). Raises
    ModelError, naming the file, for one that cannot be read, that the mode cannot run, or that is an acoustic
    model.
    """

    def __init__(self, model: str | os.PathLike[str] | Model, *, mode: Mode = "hybrid") -> None:
        if isinstance(model, Model):
            self.name = "the character model"
        else:
            self.name = os.fspath(model)
            model = read_model(Path(model))
        if model.features is not None:
            raise ModelError(
                f"{self.name}: an acoustic model; expected a language model, which takes symbols"
            )
        self.units = model.units
        self.native = _native.NetworkLm(_native.Network(model_bytes(model), self.name, mode))

    def check(self, units: Units) -> None:
        """Raise ModelError unless the model has just the ``units`` of an acoustic model, in their order."""
        ours, theirs = self.units.symbols[1:], units.symbols[1:]
        if (self.units.kind, ours) == (units.kind, theirs):
            return
        if self.units.kind != units.kind:
            problem = f"its units are {self.units.kind}, those of the acoustic model {units.kind}"
        elif lacking := [repr(symbol) for symbol in theirs if symbol not in ours]:
            problem = f"it lacks the acoustic model's {' '.join(lacking[:10])}"
        elif extra := [repr(symbol) for symbol in ours if symbol not in theirs]:
            problem = f"the acoustic model lacks its {' '.join(extra[:10])}"
        else:
            problem = "its units are in another order than those of the acoustic model"
        raise ModelError(f"{self.name}: {problem}; expected a language model with the acoustic model's units")
