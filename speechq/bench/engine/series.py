"""Series of measurements for the report and the documentation, kept in ``engine.json`` of a work folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from speechq.bench.engine.loop import ROUNDS, SLICE_SECONDS
from speechq.bench.engine.rows import to_row
from speechq.bench.engine.run import run
from speechq.bench.engine.synthetic import Cell, Shape
from speechq.bench.engine.traffic import traffic_rows
from speechq.bench.results import read_json
from speechq.errors import DataError
from speechq.files import write_json

Row = dict[str, Any]

FILE = "engine.json"
FRAME_SECONDS = 0.03
_CELLS: tuple[Cell, ...] = ("sru", "lstm")


@dataclass(frozen=True)
class Series:
    """Rows of speechq.bench.engine.rows over block sizes, widths and threads, and those of traffic.

    ``machine`` says in a line what was measured on, ``traffic_note`` why there are no counted cache misses.
    """

    machine: str
    traffic: list[Row]
    traffic_note: str
    blocks: list[Row]
    widths: list[Row]
    threads: list[Row]


def measure_series(
    machine: str,
    *,
    layers: int = 4,
    hidden: int = 1024,
    bits: Sequence[int] = (2, 4, 8, 32),
    blocks: Sequence[int] = (1, 2, 4, 8, 16, 32, 64),
    widths: Sequence[int] = (256, 512, 1024, 2048, 4096),
    width_bits: Sequence[int] = (2, 4, 8),
    rounds: int = ROUNDS,
    slice_seconds: float = SLICE_SECONDS,
) -> Series:
    """Measure everything, for SRU and LSTM: some minutes with the defaults."""
    cores = os.cpu_count() or 1
    thread_counts = sorted({2**k for k in range(cores.bit_length())} | {cores})
    ends = sorted({min(blocks), max(number for number in blocks if number <= 16)})
    traffic: list[Row] = []
    note = ""
    by_block: list[Row] = []
    by_width: list[Row] = []
    by_threads: list[Row] = []
    for cell in _CELLS:
        shape = Shape(cell, layers, hidden)
        rows, note = traffic_rows(shape, bits, blocks)
        traffic += rows
        options: Any = {"rounds": rounds, "slice_seconds": slice_seconds}
        by_block += map(to_row, run(shape, bits, blocks, **options))
        for width in widths:
            by_width += map(to_row, run(Shape(cell, layers, width), width_bits, ends, **options))
        for threads in thread_counts:
            by_threads += map(to_row, run(shape, width_bits, ends, threads=threads, **options))
    return Series(machine, traffic, note, by_block, by_width, by_threads)


def latency_rows(rows: Sequence[Row]) -> list[Row]:
    """What a block costs in time and in delay: ``added_ms`` is how long the first of its frames waits for
    the last one."""
    return [row | {"added_ms": 1e3 * FRAME_SECONDS * (row["block"] - 1)} for row in rows]


def write_series(work_dir: str | Path, series: Series) -> Path:
    """Write ``engine.json`` into a work folder and return its path."""
    path = Path(work_dir) / FILE
    write_json(path, asdict(series))
    return path


def read_series(work_dir: str | Path) -> Series | None:
    """The measurements of a work folder; None if there are none. DataError for a damaged file."""
    path = Path(work_dir) / FILE
    if not path.is_file():
        return None
    value = read_json(path)
    try:
        return Series(**value)
    except TypeError as error:
        raise DataError(f"{path}: not the series of engine measurements ({error})") from error
