"""Axes and legends that several figures share. Call within ``plots.style``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure


def ticks_at(axis: Axis, values: Sequence[float], label: Any) -> None:
    """Ticks at these values and nowhere else, as a logarithmic axis would add its own."""
    axis.set_ticks(values, [label(value) for value in values])
    axis.set_ticks([], minor=True)


def log_ticks(axes: Axes, which: str, values: Sequence[float], label: Any) -> None:
    """Ticks at 1, 2, 5 times a power of ten within the data, wide enough to have two of them."""
    low, high = min(values) / 1.25, max(values) * 1.25
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    inside = [tick for tick in ticks if low <= tick <= high]
    axis = axes.xaxis if which == "x" else axes.yaxis
    ticks_at(axis, inside, label)
    (axes.set_xlim if which == "x" else axes.set_ylim)(low, high)


def plain(value: float) -> str:
    """A number on an axis, no more digits than it needs."""
    return f"{value:g}"


def legend(figure: Figure, width: float) -> None:
    """Above the panels, over the whole width: it covers no data and needs no guess about free space."""
    found = [pair for axes in figure.axes for pair in zip(*axes.get_legend_handles_labels(), strict=True)]
    if found:
        lengths = [5.0 * len(str(label)) + 48 for _, label in found]  # points, estimated
        fits = sum(lengths) <= 72 * width
        columns = len(found) if fits else max(1, min(len(found), int(72 * width / max(lengths))))
        handles, labels = zip(*found, strict=True)
        figure.legend(handles, labels, loc="outside upper left", ncols=columns, borderaxespad=0.6)
