"""Keyword spotting measured: misses against false alarms per hour, over all thresholds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from speechq.data.manifest import Utterance, read_manifest
from speechq.errors import DataError
from speechq.progress import AUDIO, progress
from speechq.runtime.recognizer import Recognizer

_LOWEST = 0.02  # threshold at which detections are collected
_LETTERS = 5


@dataclass(frozen=True)
class Scored:
    """Detections of all keywords in a test set, and how often the keywords are said in it."""

    hits: tuple[float, ...]  # the score of each occurrence that was found
    false_alarms: tuple[float, ...]
    occurrences: int
    keywords: int
    hours: float


def draw_keywords(texts: Sequence[str], count: int, seed: int) -> list[str]:
    """``count`` words of five letters or more that at least two of ``texts`` have, drawn from ``seed``."""
    spread = Counter(word for text in texts for word in set(text.split()))
    able = sorted(word for word, times in spread.items() if times >= 2 and len(word) >= _LETTERS)
    if len(able) < count:
        raise DataError(
            f"{len(able)} words have at least {_LETTERS} letters and stand in two transcripts; expected at "
            f"least {count}, as many as keywords are asked for"
        )
    drawn = np.random.default_rng(seed).choice(len(able), count, replace=False)
    return sorted(able[k] for k in drawn)


def score_keywords(model: Path, test: Sequence[Utterance], keywords: Sequence[str]) -> Scored:
    """Look for ``keywords`` in every utterance of ``test``, each a stream of its own.

    As the test set says which words an utterance has but not when, the best detections of a keyword count as
    its occurrences there, and all others as false alarms.
    """
    recognizer = Recognizer.load_greedy(model)
    hits: list[float] = []
    alarms: list[float] = []
    said = 0
    with progress("spot", sum(u.duration for u in test), AUDIO) as bar:
        for utterance in test:
            words = Counter(utterance.text.split())
            found: dict[str, list[float]] = {}
            for one in recognizer.spot(utterance.audio, keywords, _LOWEST):
                found.setdefault(one.keyword, []).append(one.score)
            for keyword in keywords:
                scores = sorted(found.get(keyword, []), reverse=True)
                said += words[keyword]
                hits += scores[: words[keyword]]
                alarms += scores[words[keyword] :]
            bar.advance(utterance.duration)
    hours = sum(u.duration for u in test) / 3600
    return Scored(tuple(hits), tuple(alarms), said, len(keywords), hours)


def roc(scored: Scored) -> list[dict[str, float]]:
    """Per threshold the share of occurrences that are missed, and the false alarms per hour and keyword."""
    rows = []
    hits, alarms = np.array(scored.hits), np.array(scored.false_alarms)
    for threshold in np.round(np.arange(0.05, 1.0, 0.05), 2):
        missed = 1 - float((hits >= threshold).sum()) / max(1, scored.occurrences)
        false = float((alarms >= threshold).sum()) / (scored.hours * scored.keywords)
        rows.append({"threshold": float(threshold), "misses": missed, "false_alarms_per_hour": false})
    return rows


def measure(model: Path, manifest: Path, count: int, seed: int) -> dict[str, Any]:
    """The curve of ``model`` on ``manifest`` for ``count`` keywords drawn from its transcripts."""
    test = read_manifest(manifest)
    keywords = draw_keywords([u.text for u in test], count, seed)
    scored = score_keywords(model, test, keywords)
    return {
        "keywords": keywords,
        "occurrences": scored.occurrences,
        "hours": round(scored.hours, 4),
        "curve": roc(scored),
    }
