"""Manifests: one JSON object a line, ``{"id", "audio", "duration", "text", "speaker"}``.

Audio paths are relative to the manifest's folder.
Optional keys: ``"corpus"``, and as true alignments ``"phones"`` and ``"words"``, each ``[[label, start_s,
end_s], ...]``. Other keys are ignored.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speechq.errors import DataError
from speechq.files import write_text
from speechq.text.units import Units

_MOST_SHOWN = 20


@dataclass(frozen=True)
class Utterance:
    """One transcribed recording. ``duration`` in seconds; alignments are ``(label, start_s, end_s)``."""

    id: str
    audio: Path
    duration: float
    text: str
    speaker: str
    corpus: str = ""
    phones: tuple[tuple[str, float, float], ...] = ()
    words: tuple[tuple[str, float, float], ...] = ()

    @property
    def times(self) -> tuple[tuple[float, float] | None, ...]:
        """Start and end in seconds of each word of ``text``; empty if ``words`` are not those of the text.

        A label of several words gives None for each of them: where one ends and the next begins is unknown.
        """
        if " ".join(label for label, _, _ in self.words).split() != self.text.split():
            return ()
        found: list[tuple[float, float] | None] = []
        for label, start, end in self.words:
            count = len(label.split())
            found += [(start, end)] if count == 1 else [None] * count
        return tuple(found)


def read_manifest(
    path: str | Path, units: Units | None = None, *, check_audio: bool = True
) -> list[Utterance]:
    """Read and check a manifest; audio paths are resolved against its folder (absolute ones are kept).

    ``units`` also checks that every text can be encoded, ``check_audio`` that every recording exists. All
    problems of the file are collected and raised at once in one DataError, each as ``file:line: what is
    wrong``.
    """
    source = Path(path)
    problems: list[str] = []
    utterances: list[Utterance] = []
    first_line: dict[str, int] = {}
    for number, line in _lines(source):
        found, value = _parse(line)
        identity = value.get("id")
        if isinstance(identity, str) and identity:
            if identity in first_line:
                found.append(
                    f"id {identity!r} was used in line {first_line[identity]} already; ids must be unique"
                )
            first_line.setdefault(identity, number)
        audio, text = value.get("audio"), value.get("text")
        if check_audio and isinstance(audio, str) and audio and not (source.parent / audio).is_file():
            found.append(f"audio file {source.parent / audio} does not exist")
        if units is not None and isinstance(text, str):
            try:
                units.encode(text)
            except DataError as error:
                found.append(str(error))
        problems.extend(f"{source}:{number}: {problem}" for problem in found)
        if not found:
            utterances.append(_utterance(value, source.parent))
    if problems:
        raise DataError(_summary(source, problems))
    if not utterances:
        raise DataError(f"{source}: the manifest is empty; it must hold one JSON object a line")
    return utterances


def write_manifest(path: str | Path, utterances: Iterable[Utterance]) -> None:
    """Write a manifest under a temporary name, then rename; audio paths become relative to its folder."""
    target = Path(path)
    folder = target.parent.resolve()
    lines: list[str] = []
    seen: set[str] = set()
    for utterance in utterances:
        if utterance.id in seen:
            raise DataError(f"{target}: two utterances have the id {utterance.id!r}; ids must be unique")
        seen.add(utterance.id)
        value: dict[str, Any] = {
            "id": utterance.id,
            "audio": _relative(utterance.audio, folder),
            "duration": utterance.duration,
            "text": utterance.text,
            "speaker": utterance.speaker,
        }
        if utterance.corpus:
            value["corpus"] = utterance.corpus
        for key, rows in (("phones", utterance.phones), ("words", utterance.words)):
            if rows:
                value[key] = [list(row) for row in rows]
        lines.append(json.dumps(value, ensure_ascii=False) + "\n")
    write_text(target, "".join(lines))


def _lines(source: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines, blank ones left out."""
    try:
        with source.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield number, line
    except UnicodeDecodeError as error:
        raise DataError(f"{source}: is not UTF-8 text ({error.reason} at byte {error.start})") from None
    except OSError as error:
        raise DataError(f"{source}: cannot read the manifest ({error.strerror})") from None


def _parse(line: str) -> tuple[list[str], dict[str, Any]]:
    """The problems of one line taken alone, and its object (empty if there is none)."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        return [f"is not valid JSON ({error})"], {}
    if not isinstance(value, dict):
        return [f"holds a {type(value).__name__}, not a JSON object"], {}
    found = []
    for key in ("id", "audio", "text", "speaker"):
        if key not in value:
            found.append(f"key {key!r} is missing")
        elif not isinstance(value[key], str):
            found.append(f"{key!r} must be a string, not {json.dumps(value[key])}")
        elif key != "speaker" and not value[key].strip():
            found.append(f"{key!r} is empty")
    if not isinstance(value.get("corpus", ""), str):
        found.append(f"'corpus' must be a string, not {json.dumps(value['corpus'])}")
    if "duration" not in value:
        found.append("key 'duration' is missing")
    elif not _is_number(value["duration"]):
        found.append(f"'duration' must be a number of seconds, not {json.dumps(value['duration'])}")
    elif value["duration"] <= 0:
        found.append(f"'duration' must be above 0 seconds, not {value['duration']}")
    for key in ("phones", "words"):
        if not _are_intervals(value.get(key, [])):
            found.append(
                f"{key!r} must be a list of [label, start in seconds, end in seconds] with start <= end"
            )
    return found, value


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _are_intervals(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(row, list)
        and len(row) == 3
        and isinstance(row[0], str)
        and _is_number(row[1])
        and _is_number(row[2])
        and 0 <= row[1] <= row[2]
        for row in value
    )


def _utterance(value: dict[str, Any], folder: Path) -> Utterance:
    return Utterance(
        id=value["id"],
        audio=folder / value["audio"],
        duration=float(value["duration"]),
        text=value["text"],
        speaker=value["speaker"],
        corpus=value.get("corpus", ""),
        phones=_intervals(value.get("phones", [])),
        words=_intervals(value.get("words", [])),
    )


def _intervals(rows: list[Any]) -> tuple[tuple[str, float, float], ...]:
    return tuple((label, float(start), float(end)) for label, start, end in rows)


def _relative(audio: Path, folder: Path) -> str:
    """``audio`` as seen from ``folder``; links among the folders are followed, the file's own is not."""
    real = audio.parent.resolve() / audio.name
    try:
        return Path(os.path.relpath(real, folder)).as_posix()
    except ValueError:  # another drive on Windows
        return real.as_posix()


def _summary(source: Path, problems: list[str]) -> str:
    shown = problems[:_MOST_SHOWN]
    left = len(problems) - len(shown)
    head = f"{source}: {len(problems)} problem{'s' if len(problems) > 1 else ''}"
    return "\n".join([head, *shown, *([f"... and {left} more"] if left else [])])
