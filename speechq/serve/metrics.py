"""Counters in the text format of Prometheus (exposition format 0.0.4)."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict

_LAG_BOUNDS = (0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)
_HELP = {
    "streams_total": "Streams begun, by kind.",
    "refused_total": "Streams refused, by reason.",
    "failed_total": "Streams that ended with an error, by its code.",
    "audio_seconds_total": "Seconds of audio decoded.",
    "decode_seconds_total": "Seconds spent in features, network and decoder.",
    "segments_total": "Segments finished.",
    "keywords_total": "Keywords heard.",
}


class Metrics:
    """Thread-safe counts of one server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._lags: Counter[float] = Counter()
        self._lag_sum = 0.0

    def add(self, name: str, amount: float = 1.0, label: str = "") -> None:
        """Count; ``label`` as ``kind="live"``."""
        with self._lock:
            self._counts[name, label] += amount

    def lag(self, seconds: float) -> None:
        """Note the time from the arrival of live audio to its being decoded."""
        with self._lock:
            self._lags[next((bound for bound in _LAG_BOUNDS if seconds <= bound), float("inf"))] += 1
            self._lag_sum += seconds

    def text(self, streams: int) -> str:
        """All counts; ``streams`` run at present."""
        with self._lock:
            counts, lags, total = dict(self._counts), dict(self._lags), self._lag_sum
        lines = ["# HELP speechq_streams Streams that run.", "# TYPE speechq_streams gauge"]
        lines.append(f"speechq_streams {streams}")
        for name, meaning in _HELP.items():
            lines += [f"# HELP speechq_{name} {meaning}", f"# TYPE speechq_{name} counter"]
            found = sorted((label, value) for (key, label), value in counts.items() if key == name)
            for label, value in found or [("", 0)]:
                lines.append(f"speechq_{name}{'{' + label + '}' if label else ''} {value:g}")
        lines += [
            "# HELP speechq_lag_seconds From the arrival of live audio to its being decoded.",
            "# TYPE speechq_lag_seconds histogram",
        ]
        below = 0
        for bound in _LAG_BOUNDS:
            below += lags.get(bound, 0)
            lines.append(f'speechq_lag_seconds_bucket{{le="{bound:g}"}} {below}')
        below += lags.get(float("inf"), 0)
        lines.append(f'speechq_lag_seconds_bucket{{le="+Inf"}} {below}')
        lines += [f"speechq_lag_seconds_sum {total:g}", f"speechq_lag_seconds_count {below}"]
        return "\n".join(lines) + "\n"
