"""The words of a closed vocabulary and how they are spelled in units."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from speechq.errors import DataError

Spellings = str | Sequence[str]
Lexicon = str | os.PathLike[str] | Iterable[str] | Mapping[str, Spellings]


def read_lexicon(path: str | os.PathLike[str]) -> list[tuple[str, str]]:
    """(word, spelling) pairs of a text file with a word per line, its spelling behind it or not.

    A word may stand on several lines. Raises DataError if the file cannot be read or has no words.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text (byte {error.start}); expected a word per line") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); expected a word per line") from None
    parts = [line.split(maxsplit=1) for line in lines]
    entries = [(part[0], part[-1]) for part in parts if part]
    if not entries:
        raise DataError(f"{path}: has no words; expected a word per line")
    return entries


def lexicon_entries(lexicon: Lexicon) -> list[tuple[str, str]]:
    """(word, spelling) pairs of whatever gives the words; a word without a spelling is spelled as itself."""
    if isinstance(lexicon, str | os.PathLike):
        return read_lexicon(lexicon)
    if not isinstance(lexicon, Mapping):
        return [(word, word) for word in lexicon]
    return [
        (word, spelling)
        for word, spellings in lexicon.items()
        for spelling in ([spellings] if isinstance(spellings, str) else spellings)
    ]
