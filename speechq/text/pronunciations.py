"""Pronouncing dictionaries: words and the phones that they are made of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from speechq.errors import DataError

Pronunciations = Mapping[str, tuple[str, ...]]

_VARIANT = re.compile(r"\(\d+\)$")
_STRESS = re.compile(r"(?<=[A-Z])[0-9]$")


def read_pronunciations(path: Path) -> dict[str, tuple[str, ...]]:
    """Each word's pronunciations, phones with spaces between, the first of a word first.

    A line is ``WORD PHONES``. What the CMU dictionary and its copies add is understood: numbers of variants
    (``WORD(2) PHONES`` or ``WORD 2 PHONES``), comments behind ``;;;``; stress marks (``AH0``) are taken off.
    Raises DataError, naming the line, for a word without phones or a file that cannot be read.
    """
    try:
        lines = path.read_text(encoding="latin-1").splitlines()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); expected lines 'WORD PHONES'") from None
    found: dict[str, dict[str, None]] = {}
    for number, line in enumerate(lines, 1):
        word, *phones = line.partition(";;;")[0].split() or [""]
        if not word:
            continue
        if phones and phones[0].isdigit():
            del phones[0]
        if not phones:
            raise DataError(f"{path}:{number}: {line!r} has no phones; expected 'WORD PHONES'")
        spelled = " ".join(_STRESS.sub("", phone) for phone in phones)
        found.setdefault(_VARIANT.sub("", word), {})[spelled] = None
    if not found:
        raise DataError(f"{path}: has no words; expected lines 'WORD PHONES'")
    return {word: tuple(spellings) for word, spellings in found.items()}


def pronounce(text: str, pronunciations: Pronunciations) -> str | None:
    """The phones of a text by the first pronunciation of every word; None if one has none."""
    if any(word not in pronunciations for word in text.split()):
        return None
    return " ".join(pronunciations[word][0] for word in text.split())
