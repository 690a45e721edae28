"""The figures of the studies. Call within ``plots.style``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from speechq.bench import formatting
from speechq.bench.axes import legend, log_ticks, plain, ticks_at
from speechq.bench.plots import DASHES, MARKERS, SERIES, colour, new_figure
from speechq.bench.studies import Point, Summary, above_float_plus, summaries

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FLOATS = ("float", "float+")
_LOSS = "dev loss, nats per label"


def study_figure(name: str, found: dict[str, Any], width: float) -> Figure:
    """The figure of the study ``name`` from what ``read_study`` gives."""
    draw = {
        "sensitivity": _sensitivity,
        "capacity": _capacity,
        "depth-width": _depth_width,
        "methods": _methods,
        "landscape": _landscape,
    }
    return draw[name](found, width)


def _look(index: int) -> dict[str, Any]:
    """Colour, marker and strokes of the series ``index``."""
    return {
        "color": colour(SERIES[index % len(SERIES)]),
        "marker": MARKERS[index % len(MARKERS)],
        "ms": 4.5,
        "lw": 1.2,
        "capsize": 2,
    }


def _line(axes: Axes, index: int, places: Sequence[float], rows: Sequence[Summary], name: str) -> None:
    """Mean losses with their intervals."""
    look = _look(index) | {"ls": DASHES[index % len(DASHES)], "label": name}
    if name in _FLOATS:
        look["color"] = colour("ink")
    axes.errorbar(places, [row.loss for row in rows], yerr=[row.half or 0.0 for row in rows], **look)


def _above(points: Sequence[Point], rows: Sequence[Summary]) -> tuple[list[float], list[float]]:
    """Losses above ``float+``, paired by seed, and their bars."""
    found = [above_float_plus(points, row) for row in rows]
    return [lost for lost, _ in found], [half or 0.0 for _, half in found]


def _capacity(found: dict[str, Any], width: float) -> Figure:
    figure = new_figure(width, 3.7)
    axes = figure.add_subplot()
    rows = [row for row in summaries(found["points"]) if row.method != "float"]
    names = list(dict.fromkeys("float+" if row.method == "float+" else row.scheme for row in rows))
    for index, name in enumerate(names):
        mine = [row for row in rows if name in (row.method, row.scheme)]
        mine.sort(key=lambda row: row.bytes)
        _line(axes, index, [row.bytes for row in mine], mine, name)
    axes.set_xscale("log")
    log_ticks(axes, "x", [row.bytes for row in rows], formatting.size_axis)
    axes.set_yscale("log")
    log_ticks(axes, "y", [row.loss for row in rows], plain)
    axes.set_xlabel("bytes of codes, steps and vectors")
    axes.set_ylabel(_LOSS)
    legend(figure, width)
    return figure


def _depth_width(found: dict[str, Any], width: float) -> Figure:
    rows = summaries(found["points"])
    schemes = list(dict.fromkeys(row.scheme for row in rows if row.method not in _FLOATS))
    depths = sorted({row.layers for row in rows})
    widths = sorted({row.hidden for row in rows})
    figure = new_figure(width, 3.2)
    panels = figure.subplots(1, len(schemes), sharey=True, squeeze=False)[0]
    for panel, scheme in zip(panels, schemes, strict=True):
        for index, layers in enumerate(depths):
            mine = [row for row in rows if row.scheme == scheme and row.layers == layers]
            mine.sort(key=lambda row: row.hidden)
            lost, bars = _above(found["points"], mine)
            label = f"{layers} layer{'s' if layers > 1 else ''}" if panel is panels[0] else None
            panel.errorbar([row.hidden for row in mine], lost, yerr=bars, label=label, **_look(index))
        panel.set_xscale("log")
        ticks_at(panel.xaxis, widths, plain)
        panel.margins(x=0.15)
        panel.set_title(scheme)
        panel.set_xlabel("units of a layer")
    panels[0].set_ylabel("loss above float+, nats per label")
    legend(figure, width)
    return figure


def _methods(found: dict[str, Any], width: float) -> Figure:
    rows = sorted(summaries(found["points"]), key=lambda row: -row.loss)
    listed = [row for row in rows if row.method not in _FLOATS]
    figure = new_figure(width, 1.3 + 0.24 * len(listed))
    axes = figure.add_subplot()
    for place, row in enumerate(listed):
        tone = colour("orange" if row.method == found["plain"] else "blue")
        axes.errorbar(row.loss, place, xerr=row.half or 0.0, color=tone, marker="o", ms=5, capsize=2)
    for row in rows:
        if row.method in _FLOATS:
            line = "-" if row.method == "float+" else (0, (4, 2))
            axes.axvline(row.loss, color=colour("ink"), ls=line, lw=1.2, label=row.method)
    axes.set_yticks(range(len(listed)), [row.method for row in listed])
    axes.grid(False, axis="y")
    axes.set_xlabel(_LOSS)
    legend(figure, width)
    return figure


def _sensitivity(found: dict[str, Any], width: float) -> Figure:
    single = [row for row in summaries(found["points"]) if row.scheme.startswith("float,")]
    groups = list(dict.fromkeys(_group(row) for row in single))
    bits = sorted({_bits(row) for row in single})
    figure = new_figure(width, 1.3 + 0.1 * len(groups) * (1 + len(bits)))
    axes = figure.add_subplot()
    for index, value in enumerate(bits):
        mine = [row for row in single if _bits(row) == value]
        lost, bars = _above(found["points"], mine)
        shift = 0.7 * (index - (len(bits) - 1) / 2) / len(bits)
        axes.errorbar(
            lost,
            [groups.index(_group(row)) + shift for row in mine],
            xerr=bars,
            ls="",
            label=f"{value} bits",
            **_look(index),
        )
    axes.axvline(0.0, color=colour("ink"), lw=1.0)
    axes.set_yticks(range(len(groups)), groups)
    axes.invert_yaxis()
    axes.grid(False, axis="y")
    axes.set_xlabel("loss above float+, nats per label")
    legend(figure, width)
    return figure


def _group(row: Summary) -> str:
    return row.scheme.removeprefix("float,").partition("=")[0]


def _bits(row: Summary) -> int:
    return int(row.scheme.rpartition("=w")[2])


def _landscape(found: dict[str, Any], width: float) -> Figure:
    figure = new_figure(width, 0.72 * width)
    axes = figure.add_subplot()
    losses = np.array(found["losses"])
    # The rise is steep at the edges; what matters lies near the bottom.
    levels = losses.min() + np.linspace(0.0, 1.0, 14) ** 2 * max(
        float(np.quantile(losses, 0.9)) - losses.min(), 1e-9
    )
    lines = axes.contour(
        found["x"], found["y"], losses, levels=levels[1:], colors=colour("blue"), linewidths=0.9
    )
    axes.clabel(lines, fontsize=7, fmt="%.3f", colors=colour("muted"))
    for index, ((x, y), method) in enumerate(zip(found["places"], found["methods"], strict=True)):
        axes.plot(x, y, color=colour("orange"), marker=MARKERS[index], ms=7, ls="", label=method)
    axes.set_xlabel("along the first two networks")
    axes.set_ylabel("across, towards the third")
    legend(figure, width)
    return figure
