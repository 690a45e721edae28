"""Wall Street Journal, WSJ0 and WSJ1 (LDC93S6, LDC94S13), by the index files of the discs.

The sets are those of Kaldi's recipe. Under the source folder the discs lie as on LDC's media, in folders
named by their number (``11-13.1/wsj0/...``, at most two levels down), or joined to one ``wsj0`` and one
``wsj1``.
"""

from __future__ import annotations

import gzip
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from speechq.data.audio import audio_duration
from speechq.data.corpora import wsj_language
from speechq.data.corpora.discs import entries, find
from speechq.data.manifest import Utterance, write_manifest
from speechq.errors import ConfigError, DataError
from speechq.files import replacing
from speechq.text.normalize import ALPHABET
from speechq.text.wsj_text import has_verbalized_punctuation, normalize_dot, parse_dot_line, tokens_to_text


@dataclass(frozen=True)
class _Set:
    """Index files as ``disc:path``, and how many recordings they name in all."""

    indices: tuple[str, ...]
    count: int


_TRAIN_WSJ0 = "11_13_1:wsj0/doc/indices/train/tr_s_wv1.ndx"
_TRAIN_WSJ1 = "13_34_1:wsj1/doc/indices/si_tr_s.ndx"
SETS: dict[str, _Set] = {
    "si84": _Set((_TRAIN_WSJ0,), 7138),
    "si284": _Set((_TRAIN_WSJ1, _TRAIN_WSJ0), 37416),
    "dev93": _Set(("13_34_1:wsj1/doc/indices/h1_p0.ndx",), 503),
    "dev93_5k": _Set(("13_34_1:wsj1/doc/indices/h2_p0.ndx",), 513),
    "eval92": _Set(("11_13_1:wsj0/doc/indices/test/nvp/si_et_20.ndx",), 333),
    "eval92_5k": _Set(("11_13_1:wsj0/doc/indices/test/nvp/si_et_05.ndx",), 330),
    "eval93": _Set(("13_32_1:wsj1/doc/indices/wsj1/eval/h1_p0.ndx",), 213),
}
TEXT = "text.txt.gz"
DEFAULT_SPLITS = {"train": "si284", "dev": "dev93", "test": "eval92"}

# Left out of every training set: the recordings of this speaker on this one disc.
_EXCLUDED = ("11_2_1", "wsj0/si_tr_s/401/")
# The index of eval93 names the disc it lies on; the recordings are on the next one.
_WRONG_DISC = {"13_32_1": "13_33_1"}

_DISC_NAME = re.compile(r"^\d\d[-_]\d+[._]\d+$")
_INDEX_LINE = re.compile(r"^([0-9_]+):\s*(\S+)$")


def prepare(
    source: Path,
    out: Path,
    *,
    splits: Mapping[str, str] | None = None,
    verbalized_punctuation: Literal["drop", "keep"] = "drop",
    alphabet: str = ALPHABET,
    language_text: bool = False,
    strict: bool = True,
) -> dict[str, Path]:
    """Write ``out/<split>.jsonl`` for each of ``splits``, which names a set of ``SETS`` per split.

    Recordings are the close-talking microphone's (``.wv1``). Utterances in which punctuation was read aloud
    are left out, or kept with the names of the signs as words (COMMA). Without a period in ``alphabet``
    abbreviations lose theirs. An index that does not name the known number of recordings is a DataError, or a
    warning without ``strict``; the same holds for recordings and transcripts that are not on the discs, which
    are left out then.

    ``language_text`` also writes ``out/text.txt.gz``, the sentences for language models. The words that the
    transcripts of the split ``train`` write with a period are its abbreviations.
    """
    if verbalized_punctuation not in ("drop", "keep"):
        raise ConfigError(f"wsj: verbalized_punctuation {verbalized_punctuation!r} is not one of drop, keep")
    chosen = dict(DEFAULT_SPLITS if splits is None else splits)
    for name in chosen.values():
        if name not in SETS:
            raise ConfigError(f"wsj: there is no set {name!r}; choose from {', '.join(SETS)}")
    discs = _Discs(source)
    recordings = {split: _recordings(discs, name, strict) for split, name in chosen.items()}
    transcripts = _transcripts(discs)
    read = {
        split: _utterances(found, transcripts, verbalized_punctuation == "keep", alphabet, strict)
        for split, found in recordings.items()
    }
    if language_text:
        _write_language_text(discs, recordings.get("train", []), transcripts, alphabet, out)
    written = {}
    for split, utterances in read.items():
        written[split] = out / f"{split}.jsonl"
        write_manifest(written[split], utterances)
    return written


def _write_language_text(
    discs: _Discs, train: list[Path], transcripts: dict[str, str], alphabet: str, out: Path
) -> None:
    folder = discs.find(wsj_language.DISC, wsj_language.FOLDER)
    if folder is None:
        expected = discs.expected(wsj_language.DISC, wsj_language.FOLDER)
        raise DataError(f"{expected}: the text for language models is missing")
    spoken = (normalize_dot(transcripts.get(recording.stem.lower(), "")) for recording in train)
    abbreviations = {token for tokens in spoken for token in tokens if token.endswith(".")}
    with (
        replacing(out / TEXT) as temporary,
        gzip.open(temporary, "wt", encoding="utf-8", compresslevel=6) as text,
    ):
        for sentence in wsj_language.language_text(folder, abbreviations, alphabet):
            text.write(f"{sentence}\n")


class _Discs:
    """Resolves ``disc:path`` for both layouts."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self.folders: dict[str, Path] = {}
        for folder in _folders(source, depth=3):
            if _DISC_NAME.match(folder.name):
                self.folders.setdefault(re.sub(r"[-.]", "_", folder.name), folder)
        if not self.folders and not (find(source, "wsj0") or find(source, "wsj1")):
            raise DataError(
                f"{source}: is not WSJ; expected disc folders like 11-13.1 and 13-34.1, "
                "or the folders wsj0 and wsj1"
            )

    def roots(self) -> list[Path]:
        """The folders to search for transcripts."""
        return sorted(self.folders.values()) or [self.source]

    def expected(self, disc: str, relative: str) -> Path:
        """Where a file should be, for error messages."""
        if not self.folders:
            return self.source / relative
        first, rest = disc.split("_", 1)
        return self.folders.get(disc, self.source / f"{first}-{rest.replace('_', '.')}") / relative

    def find(self, disc: str, relative: str) -> Path | None:
        folder = self.folders.get(disc) if self.folders else self.source
        return None if folder is None else find(folder, relative)


def _folders(folder: Path, depth: int) -> Iterator[Path]:
    for path in entries(folder).values():
        if depth and path.is_dir():
            yield path
            if not _DISC_NAME.match(path.name):
                yield from _folders(path, depth - 1)


def _recordings(discs: _Discs, name: str, strict: bool) -> list[Path]:
    """The recordings of a set, sorted by utterance id."""
    found: dict[str, Path] = {}
    missing: list[Path] = []
    named = 0
    for index in SETS[name].indices:
        disc, relative = index.split(":")
        path = discs.find(disc, relative)
        if path is None:
            raise DataError(f"{discs.expected(disc, relative)}: the index file of {name} is missing")
        for entry_disc, entry in _index_entries(path):
            if (entry_disc, entry[: len(_EXCLUDED[1])].lower()) == _EXCLUDED:
                continue
            named += 1
            entry_disc = _WRONG_DISC.get(entry_disc, entry_disc)
            recording = discs.find(entry_disc, entry)
            if recording is None:
                missing.append(discs.expected(entry_disc, entry))
            else:
                found[recording.stem.lower()] = recording
    if named != SETS[name].count:
        _complain(
            f"{discs.source}: the index of {name} names {named} recordings, not {SETS[name].count}", strict
        )
    if missing:
        _complain(f"{missing[0]}: recording of {name} is missing, with {len(missing) - 1} more", strict)
    if not found:
        raise DataError(f"{discs.source}: holds no recording of {name}")
    return [found[identity] for identity in sorted(found)]


def _index_entries(path: Path) -> Iterator[tuple[str, str]]:
    """``(disc, path)`` of lines like ``11_1_1:wsj0/si_tr_s/01i/01ic0201.wv1``; some lack the suffix."""
    for number, line in enumerate(path.read_text(encoding="latin-1").splitlines(), 1):
        if line.startswith(";") or not line.strip():
            continue
        match = _INDEX_LINE.match(line.strip())
        if match is None:
            raise DataError(f"{path}:{number}: {line!r} is not 'disc:path/to/recording'")
        entry = match[2] if match[2].lower().endswith(".wv1") else f"{match[2]}.wv1"
        yield match[1], entry.lstrip("/")


def _transcripts(discs: _Discs) -> dict[str, str]:
    """Raw transcripts by utterance id, from every ``*.dot`` of the discs."""
    texts: dict[str, str] = {}
    for root in discs.roots():
        for path in sorted(p for p in root.rglob("*") if p.suffix.lower() == ".dot"):
            for number, line in enumerate(path.read_text(encoding="latin-1").splitlines(), 1):
                if line.strip():
                    try:
                        identity, text = parse_dot_line(line)
                    except DataError as error:
                        raise DataError(f"{path}:{number}: {error}") from None
                    texts.setdefault(identity, text)
    return texts


def _utterances(
    recordings: list[Path], transcripts: dict[str, str], keep_verbalized: bool, alphabet: str, strict: bool
) -> list[Utterance]:
    utterances = []
    untranscribed: list[str] = []
    for recording in recordings:
        identity = recording.stem.lower()
        if identity not in transcripts:
            untranscribed.append(identity)
            continue
        tokens = normalize_dot(transcripts[identity])
        text = tokens_to_text(tokens, alphabet)
        if not text or (has_verbalized_punctuation(tokens) and not keep_verbalized):
            continue
        utterances.append(
            Utterance(
                id=identity,
                audio=recording,
                duration=audio_duration(recording),
                text=text,
                speaker=identity[:3],
                corpus="wsj",
            )
        )
    if untranscribed:
        _complain(
            f"{recordings[0].parent.parent}: no transcript for {len(untranscribed)} recordings, the first "
            f"{untranscribed[0]}; the .dot files must be on the discs",
            strict,
        )
    return utterances


def _complain(message: str, strict: bool) -> None:
    if strict:
        raise DataError(f"{message} (option strict=false takes what there is)")
    warnings.warn(message, stacklevel=2)
