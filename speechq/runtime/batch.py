"""Transcribing many files: what to read, in several processes, one part of it per machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from speechq.data.audio import audio_duration
from speechq.data.workers import run_all
from speechq.errors import ConfigError, DataError
from speechq.runtime.recognizer import Recognizer
from speechq.runtime.transcript import Transcript

AUDIO_SUFFIXES = frozenset(
    (
        ".wav",
        ".flac",
        ".ogg",
        ".oga",
        ".opus",
        ".mp3",
        ".sph",
        ".wv1",
        ".wv2",
        ".nist",
        ".aif",
        ".aiff",
        ".au",
    )
)


@dataclass(frozen=True)
class Recording:
    """A file to transcribe; ``name`` is its path within the folder that was named, else its file name."""

    path: Path
    name: Path

    @cached_property
    def seconds(self) -> float:
        """Its length by its header; 0 where that cannot be read."""
        try:
            return audio_duration(self.path)
        except DataError:
            return 0.0


@dataclass(frozen=True)
class Outcome:
    """A transcript, or what was wrong with the file."""

    recording: Recording
    transcript: Transcript | None
    error: str = ""


def find_recordings(paths: Sequence[Path]) -> list[Recording]:
    """Files as they are named, and what lies in folders, at any depth, with the suffix of an audio file.

    Raises DataError for a folder without recordings.
    """
    found = []
    for path in paths:
        if not path.is_dir():
            found.append((path, Path(path.name)))
            continue
        inside = sorted(
            file for file in path.rglob("*") if file.suffix.lower() in AUDIO_SUFFIXES and file.is_file()
        )
        if not inside:
            raise DataError(f"{path}: holds no recording; expected {', '.join(sorted(AUDIO_SUFFIXES))} files")
        found += [(file, file.relative_to(path)) for file in inside]
    return [Recording(path, name) for path, name in found]


def share(recordings: Sequence[Recording], environment: Mapping[str, str] = os.environ) -> list[Recording]:
    """What this process does of a list that every process of ``torchrun`` has: RANK of WORLD_SIZE."""
    try:
        rank, size = int(environment.get("RANK", "0")), int(environment.get("WORLD_SIZE", "1"))
    except ValueError:
        rank, size = 0, 0
    if not 0 <= rank < size:
        raise ConfigError(
            f"RANK {environment.get('RANK')!r}, WORLD_SIZE {environment.get('WORLD_SIZE')!r}: expected whole "
            "numbers with 0 <= RANK < WORLD_SIZE, as torchrun sets them"
        )
    return list(recordings[rank::size])


@lru_cache(maxsize=1)
def _recognizer(model: str, options: tuple[tuple[str, Any], ...]) -> Recognizer:
    return Recognizer.load(model, **dict(options))


def _transcribe(
    model: str, options: tuple[tuple[str, Any], ...], endpointing: bool, path: Path
) -> Transcript | str:
    recognizer = _recognizer(model, options)
    try:
        return recognizer.transcribe(path, endpointing=endpointing)
    except DataError as error:
        return str(error)


def transcribe_all(
    model: Path, recordings: Sequence[Recording], *, jobs: int, endpointing: bool = False, **options: Any
) -> Iterator[tuple[int, Outcome]]:
    """The outcome of ``recordings[k]`` with k, as they are done, by at most ``jobs`` processes.

    0 processes: one a core. ``options`` are those of ``Recognizer.load``. A file that cannot be read stops
    nothing.
    """
    given = tuple(sorted((key, value) for key, value in options.items() if value is not None))
    _recognizer(str(model), given)  # what is wrong with it is said before any process starts
    work = [(str(model), given, endpointing, recording.path) for recording in recordings]
    for k, found in run_all(_transcribe, work, jobs):
        if isinstance(found, str):
            yield k, Outcome(recordings[k], None, found)
        else:
            yield k, Outcome(recordings[k], found)
