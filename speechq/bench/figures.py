"""The figures of the report. Each takes data and a width in inches and returns a matplotlib figure.

Call within ``plots.style``; a narrow window gets a second, smaller drawing, not a shrunken one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from speechq.bench import formatting
from speechq.bench.axes import legend, log_ticks, plain
from speechq.bench.plots import DASHES, MARKERS, SERIES, colour, new_figure
from speechq.bench.results import Metrics, SensitivityPoint
from speechq.quant.scheme import parse_scheme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = dict[str, Any]
NARROW = 5.0  # inches; below it panels stand above each other
FLOATS = ("float+", "float")


def error_by_bits(rows: Sequence[Row], width: float) -> Figure:
    """Error rate against weight bits; float networks are horizontal lines. ``rows``: one per model."""
    figure = new_figure(width, 3.9 if width < NARROW else 3.7)
    axes = figure.add_subplot()
    quantized = [row for row in rows if row["method"] not in FLOATS]
    bits = sorted({_bits(row) for row in quantized})
    position = {value: index for index, value in enumerate(bits)}
    edge = (-0.45, len(bits) - 0.55)
    for method, dashes, role in (("float+", "-", "ink"), ("float", (0, (4, 2)), "muted")):
        for row in (row for row in rows if row["method"] == method):
            percent = 100 * row["wer"]
            if row["wer_low"] is not None and method == "float+":
                axes.axhspan(
                    100 * row["wer_low"], 100 * row["wer_high"], color=colour("grid"), alpha=0.6, lw=0
                )
            label = f"{method}, {formatting.number(percent)} %"
            axes.plot(edge, (percent, percent), ls=dashes, color=colour(role), lw=1.2, label=label)
    series = _series(quantized)
    for index, (name, members) in enumerate(series.items()):
        shift = 0.09 * (index - (len(series) - 1) / 2)
        places = [position[_bits(row)] + shift for row in members]
        _error_line(axes, places, members, name, index, series)
    axes.set_xticks(range(len(bits)), [str(value) for value in bits])
    axes.set_xlim(*edge)
    axes.grid(False, axis="x")
    axes.set_xlabel("bits per weight")
    _rate_axis(axes, rows)
    legend(figure, width)
    return figure


def error_by_size(rows: Sequence[Row], width: float) -> Figure:
    """Error rate against the size of the model file, on a logarithmic axis. ``rows``: one per model."""
    figure = new_figure(width, 3.9 if width < NARROW else 3.7)
    axes = figure.add_subplot()
    for method, marker, role in (("float+", "*", "ink"), ("float", "P", "muted")):
        members = [row for row in rows if row["method"] == method]
        for row in members:
            _bars(axes, row["size_bytes"], row, colour(role))
        if members:
            x, y = [row["size_bytes"] for row in members], [100 * row["wer"] for row in members]
            axes.plot(x, y, marker, ms=9 if marker == "*" else 6, mew=0, color=colour(role), label=method)
    series = _series([row for row in rows if row["method"] not in FLOATS])
    for index, (name, members) in enumerate(series.items()):
        _error_line(axes, [row["size_bytes"] for row in members], members, name, index, series)
    axes.set_xscale("log")
    log_ticks(axes, "x", [row["size_bytes"] for row in rows], formatting.size_axis)
    axes.set_xlabel("size of the model file")
    _rate_axis(axes, rows)
    legend(figure, width)
    return figure


def learning_curves(runs: Sequence[Metrics], width: float, metric: str = "WER") -> Figure:
    """Training loss per step and dev error rate per epoch of every run; seeds of one run share a colour."""
    narrow = width < NARROW
    figure = new_figure(width, 5.6 if narrow else 3.5)
    panels = figure.subplots(2, 1) if narrow else figure.subplots(1, 2)
    names = sorted({formatting.family(run.run) for run in runs}, key=_run_order)
    roles = ("ink", *SERIES, "orange")
    labelled = set()
    for run in sorted(runs, key=lambda run: names.index(formatting.family(run.run))):
        name = formatting.family(run.run)
        index = names.index(name)
        look: dict[str, Any] = {
            "color": colour(roles[index % len(roles)]),
            "ls": DASHES[index // len(roles) % len(DASHES)],
            "lw": 1.2,
        }
        label = None if name in labelled else name
        labelled.add(name)
        steps, losses = _thinned([(r["step"], r["loss"]) for r in run.steps])
        panels[0].plot(steps, losses, label=label, **look)
        dev = [(r["epoch"], 100 * r["dev_wer"]) for r in run.epochs if r.get("dev_wer") is not None]
        mark = {"marker": "o", "ms": 2.5} if len(dev) < 40 else {}
        panels[1].plot([x for x, _ in dev], [y for _, y in dev], **mark, **look)
    panels[0].set(title="Training loss", xlabel="step")
    panels[1].set(title=f"Dev {metric}, %", xlabel="epoch")
    panels[1].set_ylim(bottom=0)
    panels[1].xaxis.get_major_locator().set_params(integer=True)
    if all(y > 0 for line in panels[0].lines for y in line.get_ydata()):
        panels[0].set_yscale("log")
        log_ticks(panels[0], "y", [float(y) for line in panels[0].lines for y in line.get_ydata()], plain)
    legend(figure, width)
    return figure


def sensitivity(points: Sequence[SensitivityPoint], width: float, metric: str = "WER") -> Figure:
    """Change of the error rate with one group quantized alone: a row per group, a mark per bits."""
    groups = sorted({point.group for point in points}, key=_group_order)
    bits = sorted({point.bits for point in points})
    figure = new_figure(width, 1.5 + 0.3 * len(groups))
    axes = figure.add_subplot()
    seen = set()
    for point in sorted(points, key=lambda point: (point.bits, point.retrained)):
        index = bits.index(point.bits)
        tone = colour(("orange", *SERIES)[index % (1 + len(SERIES))])
        label = f"{point.bits} bits" + (", retrained" if point.retrained else "")
        axes.plot(
            100 * (point.wer - point.base_wer),
            groups.index(point.group) + 0.14 * (index - (len(bits) - 1) / 2),
            MARKERS[index % len(MARKERS)],
            color=tone,
            mfc=tone if point.retrained else colour("surface"),
            mew=1.4,
            label=None if label in seen else label,
        )
        seen.add(label)
    axes.axvline(0, color=colour("muted"), lw=1)
    axes.set_yticks(range(len(groups)), groups)
    axes.set_ylim(len(groups) - 0.5, -0.5)
    changes = [100 * (point.wer - point.base_wer) for point in points]
    if max(map(abs, changes)) > 5:
        # Few groups lose a lot and most lose little: linear within one point, logarithmic beyond.
        axes.set_xscale("symlog", linthresh=1.0, linscale=0.8)
        ticks = [-30, -10, -3, -1, 0, 1, 3, 10, 30, 100]
        low, high = min(-0.5, 1.3 * min(changes)), 1.3 * max(changes)
        axes.set_xlim(low, high)
        ticks = [tick for tick in ticks if low <= tick <= high]
        axes.set_xticks(ticks, [formatting.number(tick, 0, sign=True) for tick in ticks])
        axes.minorticks_off()
    axes.set_xlabel(f"change of {metric} in points (right is worse)")
    legend(figure, width)
    return figure


def _bits(row: Row) -> int:
    bits = parse_scheme(row["scheme"]).weight_bits
    return 32 if bits is None else bits


def _series(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows of one method and one rule for the signals form a line; direct rounding comes first."""
    found: dict[tuple[bool, str, str], list[Row]] = {}
    for row in sorted(rows, key=_bits):
        scheme = parse_scheme(row["scheme"])
        rest = row["scheme"].partition(",")[2]
        signals = f"a{scheme.signal_bits}" if scheme.signal_bits else "float signals"
        name = ",".join(part for part in (signals, rest) if part)
        found.setdefault((row["method"] != "direct", row["method"], name), []).append(row)
    signals_differ = len({name for _, _, name in found}) > 1
    words = {"direct": "rounded directly"}
    return {
        words.get(method, f"retrained ({method})") + (f", {name}" if signals_differ else ""): members
        for (_, method, name), members in sorted(found.items())
    }


def _error_line(
    axes: Axes,
    places: Sequence[float],
    rows: Sequence[Row],
    name: str,
    index: int,
    series: dict[str, list[Row]],
) -> None:
    direct = rows[0]["method"] == "direct"
    retrained = [key for key, members in series.items() if members[0]["method"] != "direct"]
    order = 0 if direct else retrained.index(name)
    tone = colour("orange" if direct else SERIES[order % len(SERIES)])
    for place, row in zip(places, rows, strict=True):
        _bars(axes, place, row, tone)
    axes.plot(
        places,
        [100 * row["wer"] for row in rows],
        marker="s" if direct else MARKERS[order % len(MARKERS)],
        ls=(0, (3, 1.5)) if direct else DASHES[order // len(SERIES) % len(DASHES)],
        color=tone,
        mfc=colour("surface") if direct else tone,
        mew=1.4,
        label=name,
    )


def _bars(axes: Axes, place: float, row: Row, tone: str) -> None:
    if row["wer_low"] is not None:
        axes.plot((place, place), (100 * row["wer_low"], 100 * row["wer_high"]), color=tone, lw=1.1)


def _rate_axis(axes: Axes, rows: Sequence[Row]) -> None:
    """Logarithmic where the rates span more than a factor of five, else linear from zero."""
    rates = [100 * row["wer"] for row in rows]
    lows = [100 * row["wer_low"] for row in rows if row["wer_low"] is not None]
    axes.set_ylabel(f"{formatting.metric(rows)}, % (95 % interval)")
    if min(rates + lows) > 0 and max(rates) > 5 * min(rates):
        axes.set_yscale("log")
        log_ticks(axes, "y", rates + lows, plain)
    else:
        axes.set_ylim(bottom=0)


def _thinned(points: Sequence[tuple[float, float]], most: int = 150) -> tuple[list[float], list[float]]:
    """At most ``most`` points, each the mean of a stretch; values that are not finite are left out."""
    finite = [(x, y) for x, y in points if y is not None and math.isfinite(y)]
    parts = np.array_split(np.array(finite, float).reshape(-1, 2), max(1, min(most, len(finite))))
    means = [part.mean(axis=0) for part in parts if len(part)]
    return [float(mean[0]) for mean in means], [float(mean[1]) for mean in means]


def _run_order(name: str) -> tuple[bool, int, str]:
    """Float runs, then many bits to few; a name that does not start with a scheme comes last."""
    found = re.match(r"w(\d+)", name)
    return (name not in FLOATS, -int(found[1]) if found else 0, name)


def _group_order(name: str) -> tuple[int, str]:
    """``l0.in``, ``l0.rec``, ``l1.in``, ..., ``out``."""
    layer = name.partition(".")[0]
    return (int(layer[1:]), name) if layer[1:].isdigit() and layer[0] == "l" else (1_000_000, name)
