"""Corpora: one module each, which turns a corpus's own folders into manifests.

Every module has ``prepare(source, out, **options)``: it reads the corpus under ``source``, writes one
manifest per split to ``out/<split>.jsonl`` and returns the manifests by split.
"""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

from pydantic import ValidationError, validate_call

from speechq.errors import ConfigError

CORPORA: dict[str, str] = {
    "timit": "speechq.data.corpora.timit",
    "librispeech": "speechq.data.corpora.librispeech",
    "wsj": "speechq.data.corpora.wsj",
    "manifest": "speechq.data.corpora.manifest",
    "synth": "speechq.data.corpora.synth",
}


def prepare_corpus(name: str, source: str | Path, out: str | Path, **options: Any) -> dict[str, Path]:
    """Prepare corpus ``name`` (a key of ``CORPORA``); ``options`` are those of its module's ``prepare``."""
    if name not in CORPORA:
        raise ConfigError(f"corpus {name!r} is not known; choose one of {', '.join(CORPORA)}")
    prepare = importlib.import_module(CORPORA[name]).prepare
    parameters = inspect.signature(prepare).parameters.values()
    known = [p.name for p in parameters if p.name not in ("source", "out")]
    unknown = [option for option in options if option not in known]
    if unknown:
        raise ConfigError(
            f"corpus {name!r} has no option {unknown[0]!r}; its options are {', '.join(known) or 'none'}"
        )
    try:
        written: dict[str, Path] = validate_call(prepare)(Path(source), Path(out), **options)
    except ValidationError as error:
        wrong = error.errors()[0]
        key = ".".join(map(str, wrong["loc"]))
        raise ConfigError(
            f"corpus {name!r}: option {key}: {wrong['msg']} (found {wrong['input']!r})"
        ) from None
    return written
