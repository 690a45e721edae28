"""A stream without an end: whether its last minute takes as long as its first, and as much memory."""

from __future__ import annotations

import itertools
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speechq.bench.decoder.contender import Contender
from speechq.bench.decoder.inputs import Inputs
from speechq.bench.decoder.rows import word_error_rate
from speechq.bench.formatting import NONE, percent, size
from speechq.progress import progress

if TYPE_CHECKING:
    from rich.table import Table

Row = dict[str, Any]

REPEATS = 5  # of the minute that is measured, at either end; the median counts


def endless(contender: Contender, inputs: Inputs, hours: float) -> Row:
    """One stream of ``hours``, a segment per utterance, all of them again and again.

    It begins and ends with the same minute, ``REPEATS`` times, so that only what the stream has behind it
    differs. Times are those that the thread computed; ``bytes`` are the stream's own, ``resident`` those of
    the program (None where the system does not tell).
    """
    assert contender.stream is not None
    stream = contender.stream()
    minute = _minute(inputs)
    texts: list[str] = []
    references: list[str] = []
    seconds = prefixes = 0.0

    def play(chosen: Sequence[int]) -> float:
        """Microseconds per frame."""
        nonlocal seconds, prefixes
        spent, frames = 0.0, sum(len(inputs.log_probs[k]) for k in chosen)
        for k in chosen:
            begun = time.thread_time()
            stream.accept(inputs.log_probs[k])
            spent += time.thread_time() - begun
            prefixes += stream.prefixes
            begun = time.thread_time()
            texts.append(stream.finish(1)[0].text)
            spent += time.thread_time() - begun
            references.append(inputs.references[k])
        seconds += spent
        return 1e6 * spent / frames

    def measured_minute() -> Row:
        times = [play(minute) for _ in range(REPEATS)]
        return {"us": statistics.median(times), "bytes": stream.bytes, "resident": _resident()}

    first = measured_minute()
    until = 3600 * hours / inputs.frame_seconds - stream.frames
    with progress(f"{contender.lm}, beam {contender.beam}", until, "frames") as bar:
        for k in itertools.cycle(range(len(inputs.log_probs))):
            if stream.frames >= until:
                break
            play([k])
            bar.advance(len(inputs.log_probs[k]))
    last = measured_minute()
    return {
        "engine": contender.engine,
        "beam": contender.beam,
        "lm": contender.lm,
        "us_per_frame": 1e6 * seconds / stream.frames,
        "wer": word_error_rate(texts, references) if contender.guess else None,
        "nodes_per_frame": prefixes / len(texts),
        "hours": stream.frames * inputs.frame_seconds / 3600,
        **{f"{name}_first": value for name, value in first.items()},
        **{f"{name}_last": value for name, value in last.items()},
    }


def _minute(inputs: Inputs) -> list[int]:
    """Utterances that last a minute together; of few, all."""
    chosen, frames = [], 0
    for k, log_probs in enumerate(inputs.log_probs):
        if frames * inputs.frame_seconds >= 60:
            break
        chosen.append(k)
        frames += len(log_probs)
    return chosen


def _resident() -> int | None:
    """Bytes of the program in memory."""
    pages = Path("/proc/self/statm")
    if not pages.is_file():
        return None
    return int(pages.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def render_table(rows: Sequence[Row]) -> Table:
    """All rows for the terminal."""
    from rich.table import Table

    table = Table()
    table.add_column("Language models")
    for name in (
        "Beam",
        "Hours",
        "µs/frame",
        "First minute",
        "Last",
        "Last/first",
        "WER",
        "Stream",
        "Program",
    ):
        table.add_column(name, justify="right")
    for row in rows:
        program = [row[f"resident_{end}"] for end in ("first", "last")]
        table.add_row(
            row["lm"],
            str(row["beam"]),
            f"{row['hours']:.1f}",
            f"{row['us_per_frame']:.1f}",
            f"{row['us_first']:.1f}",
            f"{row['us_last']:.1f}",
            f"{row['us_last'] / row['us_first']:.3f}",
            percent(row["wer"], 2),
            f"{size(row['bytes_first'])}, {size(row['bytes_last'])}",
            ", ".join(NONE if one is None else size(one) for one in program),
        )
    return table
