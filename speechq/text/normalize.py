"""Bringing transcripts to the letters of an alphabet."""

from __future__ import annotations

import re
import unicodedata

ALPHABET = " 'ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_APOSTROPHES = "\u2018\u2019\u201b\u02bc\u2032\uff07`\u00b4"
_TO_APOSTROPHE = str.maketrans(dict.fromkeys(_APOSTROPHES, "'"))
_LONE_APOSTROPHE = re.compile(r"(?<![^\s'])'+(?![^\s'])")


def normalize_text(text: str, alphabet: str = ALPHABET) -> str:
    """Return ``text`` in the case of ``alphabet`` with everything unspoken removed.

    Letters become upper case (lower case where the alphabet has only small letters), accents and typographic
    variants become their plain letter, curly apostrophes straight. ``&`` becomes AND; dashes, slashes and
    underscores become spaces, other punctuation outside the alphabet vanishes, and runs of white space become
    one space. Letters and digits outside the alphabet stay: they are spoken, and dropping them in silence
    would make a wrong transcript, so that ``Units.encode`` or ``read_manifest`` can name them instead.
    Normalizing twice changes nothing.
    """
    upper = any(letter.isupper() for letter in alphabet) or not any(letter.islower() for letter in alphabet)
    text = _plain(text.translate(_TO_APOSTROPHE))
    text = _plain(text.upper() if upper else text.lower())
    if "&" not in alphabet:
        text = text.replace("&", " AND " if upper else " and ")
    kept = text
    if not set(text).issubset(alphabet):
        kept = "".join(_spoken(character, alphabet) for character in text)
    kept = _LONE_APOSTROPHE.sub(" ", kept) if "'" in alphabet else kept
    return " ".join(kept.split())


def _plain(text: str) -> str:
    """Compatibility decomposition without the combining marks: letters with accents become plain letters."""
    if text.isascii():
        return text
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def _spoken(character: str, alphabet: str) -> str:
    """What one character contributes: itself, a space between words, or nothing."""
    if character in alphabet or character.isalnum():
        return character
    if character.isspace() or character in "/_~|" or unicodedata.category(character) == "Pd":
        return " "
    return ""
