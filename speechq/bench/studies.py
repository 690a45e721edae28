"""Results of ``speechq study``: what was measured, and its summary over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from speechq.bench.results import read_json
from speechq.errors import DataError

NAMES = ("sensitivity", "capacity", "depth-width", "methods", "landscape")
# Student's t, two-sided 95 %, for 1, 2, ... degrees of freedom.
_STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)


@dataclass(frozen=True)
class Point:
    """One network of a study on dev: ``loss`` per label (nats), ``error`` the WER, or for a language model
    bits per character; ``bytes`` of codes, steps and vectors, and of the whole model ``file``, compressed."""

    layers: int
    hidden: int
    scheme: str
    method: str
    seed: int
    loss: float
    error: float
    bytes: int
    file: int


@dataclass(frozen=True)
class Summary:
    """Mean over seeds of one setting; ``half``: half the 95 % interval of the loss, ``error_half`` of the
    error, None for one seed."""

    layers: int
    hidden: int
    scheme: str
    method: str
    seeds: int
    loss: float
    half: float | None
    error: float
    error_half: float | None
    bytes: float
    file: float


def half_interval(values: Sequence[float]) -> float | None:
    """Half the 95 % interval of the mean by Student's t; None for a single value."""
    count = len(values)
    if count < 2:
        return None
    return _student(count - 1) * float(np.std(values, ddof=1)) / math.sqrt(count)


def _student(freedom: int) -> float:
    """Student's t, two-sided 95 %; behind the table by its expansion about a Gaussian's, good to 0.003."""
    if freedom <= len(_STUDENT):
        return _STUDENT[freedom - 1]
    z = 1.959964
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


def summaries(points: Sequence[Point]) -> list[Summary]:
    """One row per setting, in the order in which they were measured."""
    grouped: dict[tuple[int, int, str, str], list[Point]] = {}
    for point in points:
        grouped.setdefault((point.layers, point.hidden, point.scheme, point.method), []).append(point)
    return [
        Summary(
            *key,
            seeds=len(members),
            loss=float(np.mean([m.loss for m in members])),
            half=half_interval([m.loss for m in members]),
            error=float(np.mean([m.error for m in members])),
            error_half=half_interval([m.error for m in members]),
            bytes=float(np.mean([m.bytes for m in members])),
            file=float(np.mean([m.file for m in members])),
        )
        for key, members in grouped.items()
    ]


def above(group: Sequence[Point], reference: Sequence[Point]) -> tuple[float, float | None]:
    """Mean over seeds of the loss of ``group`` above that of ``reference``, and half its interval.

    Paired by seed, where both have the same ones; without a common seed NaN.
    """
    mine, other = ({point.seed: point.loss for point in points} for points in (group, reference))
    found = [mine[seed] - other[seed] for seed in sorted(mine.keys() & other.keys())]
    return (float(np.mean(found)), half_interval(found)) if found else (math.nan, None)


def above_float_plus(points: Sequence[Point], row: Summary) -> tuple[float, float | None]:
    """Loss of the row's networks above ``float+`` of their size, as ``above``."""
    same = [p for p in points if (p.layers, p.hidden) == (row.layers, row.hidden)]
    mine = [p for p in same if (p.scheme, p.method) == (row.scheme, row.method)]
    return above(mine, [p for p in same if p.method == "float+"])


def gap_closed(
    point: Sequence[Point], plain: Sequence[Point], best: Sequence[Point]
) -> tuple[float, float | None]:
    """Share of the gap in loss between ``plain`` and ``best`` that ``point`` closes, and half its interval.

    Paired by seed, each group has the same ones: the mean over seeds of ``plain - point`` over the mean gap.
    """
    (gap, _), (gained, half) = above(plain, best), above(plain, point)
    if gap == 0.0:
        return math.nan, None
    return gained / gap, None if half is None else half / abs(gap)


def effective_ratio(curve: Sequence[tuple[float, float]], loss: float, size: float) -> tuple[float, bool]:
    """Effective compression ratio (1611.06342): bytes of a float network of this loss over ``size``.

    ``curve``: (bytes, loss) of float networks. Made falling, then interpolated over the logarithm of bytes.
    The flag says that no float network is as good: the ratio is then a lower bound. A loss worse than the
    smallest network's gives the ratio to that one.
    """
    falling: list[tuple[float, float]] = []
    for amount, value in sorted(curve):
        if not falling or value < falling[-1][1]:
            falling.append((amount, value))
    if loss < falling[-1][1]:
        return falling[-1][0] / size, True
    losses = [value for _, value in reversed(falling)]
    logs = [math.log(amount) for amount, _ in reversed(falling)]
    return math.exp(float(np.interp(loss, losses, logs))) / size, False


def read_study(work_dir: str | Path, name: str) -> dict[str, Any] | None:
    """What the study ``name`` wrote, its points as ``Point``; None if it was not run."""
    path = Path(work_dir) / "study" / name / "points.json"
    if not path.is_file():
        return None
    found = read_json(path)
    try:
        return {**found, "points": [Point(**item) for item in found["points"]]}
    except (KeyError, TypeError) as error:
        raise DataError(f"{path}: not the points of a study ({error})") from error


def table(name: str, found: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Column names and rows of a study; intervals are 95 % of the mean over seeds."""
    bits = bool(found.get("bits"))
    header = ["network", "scheme", "method", "loss", "± loss"]
    header += ["bits/character", "± bits"] if bits else ["WER %", "± WER"]
    header += ["bytes", "file, compressed", "seeds"]
    factor, digits = (1, 4) if bits else (100, 2)
    rows = [
        [
            f"{s.layers} x {s.hidden}",
            s.scheme,
            s.method,
            f"{s.loss:.4f}",
            "" if s.half is None else f"{s.half:.4f}",
            f"{factor * s.error:.{digits}f}",
            "" if s.error_half is None else f"{factor * s.error_half:.{digits}f}",
            f"{s.bytes:,.0f}",
            f"{s.file:,.0f}",
            str(s.seeds),
        ]
        for s in summaries(found["points"])
    ]
    for column, values in _extra_columns(name, found).items():
        header.append(column)
        for row, value in zip(rows, values, strict=True):
            row.append(value)
    if name == "methods":
        order = sorted(range(len(rows)), key=lambda k: float(rows[k][3]))
        rows = [rows[k] for k in order]
    return header, rows


def _extra_columns(name: str, found: dict[str, Any]) -> dict[str, list[str]]:
    points: list[Point] = found["points"]
    rows = summaries(points)
    if name == "capacity":
        curve = [(s.bytes, s.loss) for s in rows if s.method == "float+"]
        values = []
        for s in rows:
            ratio, bound = effective_ratio(curve, s.loss, s.bytes)
            values.append("" if s.method in ("float", "float+") else f"{'> ' if bound else ''}{ratio:.1f}")
        return {"effective ratio": values}
    if name in ("sensitivity", "depth-width"):
        values = []
        for s in rows:
            lost, half = above_float_plus(points, s)
            text = f"{lost:+.4f}" + ("" if half is None else f" ± {half:.4f}")
            values.append("" if s.method in ("float", "float+") else text)
        return {"loss above float+": values}
    if name == "methods":
        best = [p for p in points if p.method == "float+"]
        plain = [p for p in points if p.method == found["plain"]]
        values = []
        for s in rows:
            share, half = gap_closed([p for p in points if p.method == s.method], plain, best)
            text = f"{100 * share:.0f} %" + ("" if half is None else f" ± {100 * half:.0f}")
            values.append("" if s.method in ("float", "float+", found["plain"]) else text)
        return {"of the gap closed": values}
    return {}
