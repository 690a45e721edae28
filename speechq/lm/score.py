"""How well a language model predicts a text."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from speechq import _native
from speechq.errors import DataError, ModelError
from speechq.lm.characters import CharacterModel
from speechq.lm.corpus import RESERVED, read_blocks
from speechq.lm.symbols import MissingCharacter
from speechq.lm.text_score import TextScore


class TextModel(Protocol):
    """A language model of any kind."""

    def score(self, text: bytes) -> TextScore:
        """Score whole lines, one sentence each."""


class WordModel:
    """A word n-gram: an ARPA file or a KenLM binary file."""

    def __init__(self, path: Path) -> None:
        try:
            self.ngram = _native.Ngram(str(path))
        except RuntimeError as error:
            raise ModelError(
                f"{path}: not a complete ARPA or KenLM binary file of order 2 to 6 with its words: {error}"
            ) from error

    def score(self, text: bytes) -> TextScore:
        """Score whole lines, one sentence each."""
        return TextScore(*self.ngram.score_text(text))


def open_model(path: Path) -> TextModel:
    """Open a language model of the kind that the file is; ``ModelError`` if it is none."""
    if not path.is_file():
        raise ModelError(
            f"{path}: there is no such file; expected an ARPA or KenLM binary file, or a packed model (*.sqm)"
        )
    return CharacterModel(path) if path.suffix == ".sqm" else WordModel(path)


def score_text(model: Path, text: Path) -> TextScore:
    """Score a plain or gzip text, one sentence a line.

    An empty line is an empty sentence to a word n-gram; a character model passes over it.

    Raises ``ModelError`` and ``DataError`` for files that are missing, damaged or empty.
    """
    scorer = open_model(model)
    total = TextScore()
    for block in read_blocks([text], "scoring", refuse=RESERVED):
        try:
            total += scorer.score(block)
        except UnicodeDecodeError as error:
            raise DataError(f"{text}: not UTF-8 text ({error})") from error
        except MissingCharacter as error:
            raise DataError(f"{text}: {error}") from error
    if total.sentences == 0:
        raise DataError(f"{text}: empty; one sentence a line is expected")
    return total
