"""Text as a stream of blocks of whole lines, and as word numbers."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from speechq.errors import DataError
from speechq.progress import progress

UNK, BOS, EOS = 0, 1, 2
SPECIAL = (b"<unk>", b"<s>", b"</s>")
_BLOCK = 1 << 22
# The white space of KenLM; all other bytes belong to words.
_TO_SPACE = bytes.maketrans(b"\0\t\r", b"   ")
# KenLM reads <UNK> as <unk>.
RESERVED = (*SPECIAL, b"<UNK>")


@dataclass(frozen=True)
class Corpus:
    """Sentences as word numbers.

    ``words`` are all words, numbered: ``<unk>``, ``<s>``, ``</s>``, then in the order of their bytes.
    ``tokens`` (uint32) holds every sentence as ``<s> ... </s>``. ``seen`` (uint32) ranks the words by first
    appearance, the three special ones first.
    """

    words: list[bytes]
    tokens: NDArray[np.uint32]
    seen: NDArray[np.uint32]


def read_corpus(paths: Sequence[Path]) -> Corpus:
    """Read sentences, one a line, from plain or gzip files; an empty line is an empty sentence.

    Raises ``DataError`` for a file that is missing or damaged or contains a special word, and if there is no
    word at all.
    """
    numbers = _Numbers({word: number for number, word in enumerate(SPECIAL)})
    chunks = [np.array([BOS], dtype=np.uint32)]
    for block in read_blocks(paths, "reading text", refuse=RESERVED):
        words = split_words(block.replace(b"\n", b" </s> <s> "))
        chunks.append(np.fromiter(map(numbers.__getitem__, words), dtype=np.uint32))
    if len(numbers) == len(SPECIAL):
        raise DataError(f"{', '.join(map(str, paths))}: no words; one sentence a line is expected")
    tokens = np.concatenate(chunks)[:-1]  # the last line opened one sentence too many
    order = [*SPECIAL, *sorted(word for word in numbers if word not in SPECIAL)]
    seen = np.fromiter(map(numbers.__getitem__, order), dtype=np.uint32, count=len(order))
    rank = np.empty_like(seen)
    rank[seen] = np.arange(len(seen), dtype=np.uint32)
    return Corpus(order, rank[tokens], seen)


def split_words(text: bytes) -> Iterator[bytes]:
    """The words of ``text``, which has no line ends, by KenLM's rules."""
    return filter(None, text.translate(_TO_SPACE).split(b" "))


def read_blocks(paths: Sequence[Path], title: str, refuse: Sequence[bytes] = ()) -> Iterator[bytes]:
    """Yield the text of plain or gzip files in blocks that end with a line end, showing progress.

    A last line without an end gets one. Raises ``DataError`` for a missing or damaged file, and where one of
    the words ``refuse`` occurs.
    """
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise DataError(f"{missing[0]}: there is no such file; expected text, plain or gzip")
    with progress(title, sum(path.stat().st_size for path in paths) / 1e6, "MB") as bar:
        for path in paths:
            line = 1
            with path.open("rb") as raw:
                position = 0
                for block in _blocks(path, raw):
                    _check(path, line, block, refuse)
                    line += block.count(b"\n")
                    bar.advance((raw.tell() - position) / 1e6)
                    position = raw.tell()
                    yield block


def _blocks(path: Path, raw: BinaryIO) -> Iterator[bytes]:
    compressed = raw.read(2) == b"\x1f\x8b"
    raw.seek(0)
    stream = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if compressed else raw
    rest = b""
    try:
        while piece := stream.read(_BLOCK):
            head, end, tail = piece.rpartition(b"\n")
            if end:
                yield rest + head + end
                rest = tail
            else:
                rest += tail
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: the gzip file is damaged or cut short ({error})") from error
    if rest:
        yield rest + b"\n"


def _check(path: Path, line: int, block: bytes, refuse: Sequence[bytes]) -> None:
    for word in refuse:
        if word not in block:
            continue
        for number, text in enumerate(block.split(b"\n"), line):
            if word in split_words(text):
                raise DataError(
                    f"{path}: line {number} contains {word.decode()}, which has a meaning of its own in a "
                    "language model; take it out"
                )


class _Numbers(dict[bytes, int]):
    """Numbers words in the order in which they are first asked for."""

    def __missing__(self, word: bytes) -> int:
        number = self[word] = len(self)
        return number
