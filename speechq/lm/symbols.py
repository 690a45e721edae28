"""Text as the symbols of a character language model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speechq.errors import DataError
from speechq.lm.corpus import read_blocks
from speechq.text.normalize import normalize_text
from speechq.text.units import Units

Symbols = NDArray[np.int32]

END_SYMBOL = 0  # the end of a sentence, in the place of the blank


class MissingCharacter(DataError):
    """A text has a character that is not in the alphabet."""


@dataclass(frozen=True)
class Text:
    """Sentences one behind the other as ``symbols`` (int32), the end symbol behind each; ``words`` in all."""

    symbols: Symbols
    words: int

    def ends(self) -> NDArray[np.int64]:
        """The place behind each sentence's end symbol."""
        return np.flatnonzero(self.symbols == END_SYMBOL) + 1

    def shuffled(self, rng: np.random.Generator) -> Symbols:
        """The symbols with the sentences in another order."""
        ends = self.ends()
        starts = np.concatenate([[0], ends[:-1]])
        order = rng.permutation(len(ends))
        return np.concatenate([self.symbols[starts[k] : ends[k]] for k in order])


def encode_text(text: str, units: Units) -> Text:
    """The symbols of a text, one sentence a line, normalized to the units' alphabet.

    Empty lines are left out. Raises MissingCharacter naming the sentence with a character that has no place
    in the alphabet.
    """
    alphabet = "".join(units.symbols[1:])
    lines = [line for line in (normalize_text(raw, alphabet) for raw in text.split("\n")) if line]
    if not lines:
        return Text(np.zeros(0, np.int32), 0)
    joined = "\n".join(lines) + "\n"
    points = np.frombuffer(joined.encode("utf-32-le"), "<u4")
    known = np.array([ord("\n"), *map(ord, alphabet)], np.uint32)
    order = np.argsort(known)
    place = np.searchsorted(known[order], points)
    symbols = order[np.minimum(place, len(known) - 1)].astype(np.int32)
    if (known[symbols] != points).any():
        try:
            for line in lines:
                units.encode(line)  # names what is missing
        except DataError as error:
            raise MissingCharacter(str(error)) from error
    return Text(symbols, sum(line.count(" ") + 1 for line in lines))


def read_text(paths: Sequence[Path], units: Units) -> Text:
    """The sentences of plain or gzip files, as ``encode_text`` has them.

    Raises DataError for a file that is missing, damaged or not UTF-8, for characters outside the alphabet,
    and if there is no sentence at all.
    """
    parts = []
    for path in paths:
        try:
            parts += [encode_text(block.decode("utf-8"), units) for block in read_blocks([path], path.name)]
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: not UTF-8 text ({error})") from error
        except MissingCharacter as error:
            raise DataError(f"{path}: {error}") from error
    words = sum(part.words for part in parts)
    if words == 0:
        raise DataError(f"{', '.join(map(str, paths))}: no words; one sentence a line is expected")
    return Text(np.concatenate([part.symbols for part in parts]), words)
