"""Where transcripts go: standard output, or a file per recording in a folder."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from speechq.errors import ConfigError, DataError
from speechq.files import write_text
from speechq.runtime.batch import Recording
from speechq.runtime.formats import FORMATS
from speechq.runtime.transcript import Transcript


class Writer:
    """Writes transcripts in one of ``FORMATS``; ``several``: more than one goes to standard output."""

    def __init__(self, form: str, folder: Path | None, several: bool) -> None:
        if form not in FORMATS:
            raise ConfigError(f"--format {form}: expected one of {', '.join(FORMATS)}")
        if folder is None and several and form in ("srt", "vtt"):
            raise ConfigError(
                f"--format {form}: of several recordings needs a folder for the files: --output"
            )
        self._form, self._folder = form, folder
        self._named = several and form == "txt"

    def check(self, recordings: Sequence[Recording]) -> None:
        """Raise DataError where two recordings would be written to one file."""
        seen: dict[Path, Path] = {}
        for recording in recordings if self._folder is not None else ():
            path = self._path(recording)
            if path in seen:
                raise DataError(f"{recording.path} and {seen[path]} would both be written to {path}")
            seen[path] = recording.path

    def _path(self, recording: Recording) -> Path:
        assert self._folder is not None
        return self._folder / recording.name.with_suffix(f".{self._form}")

    def __call__(self, recording: Recording, transcript: Transcript) -> None:
        """Write one; on standard output a text of several stands behind the path and a tab."""
        text = FORMATS[self._form](transcript, str(recording.path))
        if self._folder is not None:
            write_text(self._path(recording), text)
            return
        sys.stdout.write(f"{recording.path}\t{text}" if self._named else text)
        sys.stdout.flush()
