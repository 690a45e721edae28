"""A packed character language model on a text, in the engine."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from speechq.errors import ModelError
from speechq.lm.symbols import END_SYMBOL, encode_text
from speechq.lm.text_score import TextScore
from speechq.runtime.engine import Engine
from speechq.runtime.model_file import read_model

_BLOCK = 64  # symbols per weight read
_PIECE = 1 << 16  # symbols whose log-probabilities are held at a time


class CharacterModel:
    """A character language model, read from a ``.sqm`` file: one stream whose state is never reset.

    Raises ModelError, naming the file, for one that cannot be read or that is an acoustic model.
    """

    def __init__(self, path: Path) -> None:
        model = read_model(path)
        if model.features is not None:
            raise ModelError(f"{path}: an acoustic model; expected a language model, which takes symbols")
        self.units = model.units
        self._engine = Engine(path, block=_BLOCK)
        self._state = self._engine.initial_state()
        self._last = END_SYMBOL  # the symbol before the next one, not yet given to the network

    def score(self, text: bytes) -> TextScore:
        """Score the next whole lines of a text, one sentence each; empty lines are left out.

        Raises MissingCharacter naming the sentence with a character that the model does not have.
        """
        found = encode_text(text.decode("utf-8"), self.units)
        symbols = found.symbols
        inputs = np.concatenate([[self._last], symbols[:-1]]).astype(np.int32)
        total = 0.0
        for first in range(0, len(symbols), _PIECE):
            part = slice(first, first + _PIECE)
            (log_probs,) = self._engine.run([inputs[part]], [self._state])
            total += float(np.take_along_axis(log_probs, symbols[part, None], axis=1).sum(dtype=np.float64))
        if len(symbols):
            self._last = int(symbols[-1])
        return TextScore(
            sentences=len(found.ends()),
            words=found.words,
            characters=len(symbols),
            log10=total / math.log(10),
        )
