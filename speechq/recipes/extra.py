"""Synthesized speech as additional training data: sentences of a text spoken by eSpeak NG."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from speechq.config import Recipe
from speechq.data.corpora.synth import prepare_text
from speechq.errors import DataError


def synthesize_text(text: Path, count: int, out: Path, recipe: Recipe) -> Path:
    """Speak ``count`` sentences drawn from ``text`` (one a line, plain or gzip) into ``out/train.jsonl``."""
    if not text.is_file():
        raise DataError(f"{text}: no such text; data.extra_text names a file with one sentence a line")
    opener = gzip.open if text.suffix == ".gz" else open
    with opener(text, "rt", encoding="utf-8") as file:
        # A sentence of 4 to 14 words is about as long as an utterance of a reading corpus.
        usable = sorted({line.strip() for line in file if 4 <= len(line.split()) <= 14})
    if not usable:
        raise DataError(f"{text}: no sentence of 4 to 14 words")
    rng = np.random.default_rng(recipe.train.seed)
    chosen = rng.choice(len(usable), size=min(count, len(usable)), replace=False)
    return prepare_text([usable[k] for k in chosen], out, seed=recipe.train.seed, voices="all")
