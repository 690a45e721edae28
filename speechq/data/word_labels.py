"""Times of words from the label files that TIMIT has beside its recordings."""

from __future__ import annotations

from dataclasses import replace

from speechq.data.audio import SAMPLE_RATE
from speechq.data.manifest import Utterance
from speechq.errors import DataError
from speechq.text.normalize import normalize_text

_SUFFIXES = (".wrd", ".WRD")


def with_word_labels(utterance: Utterance) -> Utterance:
    """The utterance with the word times of ``NAME.wrd`` beside its audio, if it has none and there is one.

    Lines are ``start end word``, in samples at 16 kHz. Raises DataError, naming the line, for anything else.
    """
    files = [utterance.audio.with_suffix(suffix) for suffix in _SUFFIXES]
    path = next((file for file in files if file.is_file()), None)
    if utterance.words or path is None:
        return utterance
    rows = []
    for number, line in enumerate(path.read_text(encoding="latin-1").splitlines(), 1):
        parts = line.split()
        if not parts:
            continue
        if len(parts) != 3 or not (parts[0].isdigit() and parts[1].isdigit()):
            raise DataError(f"{path}:{number}: {line!r} is not 'start end word' in samples")
        rows.append((normalize_text(parts[2]), int(parts[0]) / SAMPLE_RATE, int(parts[1]) / SAMPLE_RATE))
    return replace(utterance, words=tuple(rows))
