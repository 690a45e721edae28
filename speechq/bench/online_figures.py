"""Figures of live recognition, as files of their own: the server under load, and keyword spotting."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speechq.bench import plots
from speechq.bench.axes import legend, plain
from speechq.bench.plots import DASHES, MARKERS, SERIES, colour, new_figure
from speechq.files import write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH, _HEIGHT = 6.4, 3.8  # inches


def check_drawing() -> None:
    """ConfigError where nothing can be drawn, before something long is measured for it."""
    with plots.style():
        pass


def write_load(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write the lag over the number of clients, of rows of ``speechq.bench.serving``, as SVG."""
    _write(lambda: _load(rows), path)


def write_misses(found: Mapping[str, Any], path: Path) -> None:
    """Write misses over false alarms, of what ``speechq.bench.spotting`` measured, as SVG."""
    _write(lambda: _misses(found), path)


def _write(draw: Callable[[], Figure], path: Path) -> None:
    with plots.style():
        text = plots.to_svg(draw(), path.stem, standalone=True)
    write_text(path, text)


def _load(rows: Sequence[Mapping[str, Any]]) -> Figure:
    figure = new_figure(_WIDTH, _HEIGHT)
    axes = figure.add_subplot()
    clients = [row["streams"] for row in rows]
    for k, (key, name) in enumerate((("lag_median", "median"), ("lag_95", "95th percentile"))):
        lags = [1000 * row[key] for row in rows]
        axes.plot(
            clients, lags, ls=DASHES[k], marker=MARKERS[k], color=colour(SERIES[k]), label=f"lag, {name}"
        )
    for row in rows:
        if row["refused"]:
            place = (row["streams"], 1000 * row["lag_95"])
            text = f"{row['refused']} refused"
            axes.annotate(text, place, textcoords="offset points", xytext=(0, 7), ha="right", fontsize=8.5)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("clients that speak at the same time")
    axes.set_ylabel("milliseconds")
    legend(figure, _WIDTH)
    return figure


def _misses(found: Mapping[str, Any]) -> Figure:
    figure = new_figure(_WIDTH, _HEIGHT)
    axes = figure.add_subplot()
    curve = found["curve"]
    x = [row["false_alarms_per_hour"] for row in curve]
    y = [100 * row["misses"] for row in curve]
    axes.plot(x, y, marker=MARKERS[0], markersize=4, color=colour(SERIES[0]))
    for row, a, b in zip(curve, x, y, strict=True):
        if round(row["threshold"] * 100) % 20 == 0:
            axes.annotate(f"{row['threshold']:.1f}", (a, b), textcoords="offset points", xytext=(6, 4))
    axes.set_xscale("symlog", linthresh=0.1)
    right = 1.3 * max(*x, 0.1)
    axes.set_xlim(0, right)
    ticks = [tick for tick in (0, 0.1, 1, 10, 100, 1000) if tick <= right]
    axes.set_xticks(ticks, [plain(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_ylim(0, 100)
    axes.set_xlabel("false alarms per hour and keyword")
    axes.set_ylabel("misses, % of occurrences")
    axes.set_title(
        f"{len(found['keywords'])} keywords, {found['occurrences']} occurrences, thresholds written"
    )
    return figure
