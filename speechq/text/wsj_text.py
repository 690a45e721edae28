"""Transcripts of the Wall Street Journal corpus: lines ``text (utterance)`` of ``*.dot`` files.

The rules follow the corpus's ``dot_spec.doc`` as Kaldi's WSJ recipe applies them.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator

from speechq.errors import DataError
from speechq.text.normalize import ALPHABET, normalize_text

NOISE = "<NOISE>"

_LINE = re.compile(r"^(?P<text>.*?)\s*\((?P<id>[0-9A-Za-z_]+)\)\s*$")
# The event belongs to the word before, to the word after, or begins or ends here: nothing is spoken instead.
_NOISE_MARK = re.compile(r"^(\[<\w+\]|\[\w+>\]|\[\w+/\]|\[/\w+\])$")
_NOISE_EVENT = re.compile(r"^\[\w+\]$")
_VERBAL_DELETION = re.compile(r"^<([\w'.-]+)>$")
_READ_SYMBOLS = {"%PERCENT": "PERCENT", ".POINT": "POINT"}
# Punctuation that the speaker read aloud: its sign, then its name. Words may begin with an apostrophe
# ('EM), and an exclamation mark may stand for stress: there the name tells.
_VERBALIZED = re.compile(r"^(?:--|[,.?\":;(){}-])[A-Z][A-Z-]*$|^!EXCLAMATION-POINT$|^'[A-Z-]*QUOTE$")
_OTHER_SIGN = re.compile(r"^[^\w\s'<\[*]+(?=[A-Z])")


def parse_dot_line(line: str) -> tuple[str, str]:
    """Split ``text (utterance)`` into the lower-case utterance id and the raw text."""
    match = _LINE.match(line)
    if match is None:
        raise DataError(
            f"{line.strip()!r} is not a transcript; a .dot file holds lines like 'text (utterance)'"
        )
    return match["id"].lower(), match["text"]


def normalize_dot(text: str, noise: str = NOISE) -> list[str]:
    """The upper-case tokens of a raw transcript.

    Backslashes go; ``%PERCENT`` and ``.POINT`` lose their sign; marks like ``[<door_slam]``, ``~`` and a lone
    ``.`` (a pause) go; other bracketed events become ``noise``; ``<and>`` becomes ``AND``; ``--DASH`` becomes
    ``-DASH``.
    """
    tokens: list[str] = []
    for word in text.upper().replace("\\", "").split():
        word = _READ_SYMBOLS.get(word, word)
        if _NOISE_MARK.match(word) or word in ("~", "."):
            continue
        deletion = _VERBAL_DELETION.match(word)
        if _NOISE_EVENT.match(word):
            tokens.append(noise)
        elif deletion:
            tokens.append(deletion[1])
        elif word == "--DASH":
            tokens.append("-DASH")
        else:
            tokens.append(word)
    return tokens


def split_sentences(lines: Iterable[str], abbreviations: Container[str]) -> Iterator[list[str]]:
    """The upper-case tokens of each sentence of the discs' text for language models.

    Lines that begin with ``<`` mark documents. A token that ends in its only period ends a sentence, unless
    it is one of ``abbreviations``.
    """
    for line in lines:
        if line.startswith("<"):
            continue
        sentence: list[str] = []
        for token in line.upper().split():
            ends = len(token) > 1 and token.find(".") == len(token) - 1 and token not in abbreviations
            sentence.append(token[:-1] if ends else token)
            if ends:
                yield sentence
                sentence = []
        if sentence:
            yield sentence


def has_verbalized_punctuation(tokens: Iterable[str]) -> bool:
    """Whether a token such as ``,COMMA`` shows that the speaker read the punctuation aloud."""
    return any(_VERBALIZED.match(token) for token in tokens)


def tokens_to_text(tokens: Iterable[str], alphabet: str = ALPHABET, noise: str = NOISE) -> str:
    """The text for a character model.

    Noises go; the sign before a spoken punctuation name goes (``,COMMA`` becomes ``COMMA``); ``*word*`` and
    the marks for stress and lengthening lose their signs; abbreviations keep their periods where the alphabet
    has one (``I. B. M.``). The rest is ``normalize_text``.
    """
    words: list[str] = []
    for token in tokens:
        if token == noise:
            continue
        if _VERBALIZED.match(token):
            token = token.lstrip("'")
        token = _OTHER_SIGN.sub("", token)
        words.append(token.replace("*", "").replace("!", "").replace(":", ""))
    return normalize_text(" ".join(words), alphabet)
