"""Hours of audio through one stream: its memory must not grow."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from speechq.bench.said import with_pauses
from speechq.data.manifest import read_manifest
from speechq.progress import AUDIO, progress
from speechq.runtime.recognizer import Recognizer

_WARM_SECONDS = 300.0
_CHUNK = 0.1
_PAUSE = 1.0
_MOST_RECORDINGS = 60


def resident_bytes() -> int:
    """Memory of this process that is in RAM (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status has no VmRSS")


def measure(model: Path, manifest: Path, hours: float) -> list[dict[str, Any]]:
    """Rows at 5 minutes and then ten times until ``hours``: resident memory, its growth, speed, segments."""
    recognizer = Recognizer.load(model)
    rate = recognizer.model.audio().sample_rate
    paths = [utterance.audio for utterance in read_manifest(manifest)[:_MOST_RECORDINGS]]
    audio = np.concatenate(list(with_pauses(paths, _PAUSE, rate)))
    stream = recognizer.create_stream(endpointing=True)
    total, segments, first = 3600 * hours, 0, 0
    due = [_WARM_SECONDS, *np.linspace(_WARM_SECONDS, total, 11)[1:].tolist()]
    rows: list[dict[str, Any]] = []
    size, start = int(_CHUNK * rate), 0
    begun = time.monotonic()
    with progress("soak", total, AUDIO) as bar:
        while due and due[0] <= total:
            stream.accept_waveform(audio[start : start + size], rate)
            start = start + size if start + size < len(audio) else 0
            recognizer.decode([stream])
            segments += len(stream.segments())
            bar.advance(_CHUNK)
            if stream.seconds < due[0]:
                continue
            due.pop(0)
            resident = resident_bytes()
            first = first or resident
            rows.append(
                {
                    "audio_seconds": round(stream.seconds, 1),
                    "resident_bytes": resident,
                    "growth_bytes": resident - first,
                    "times_real_time": round(stream.seconds / (time.monotonic() - begun), 1),
                    "segments": segments,
                }
            )
    return rows
