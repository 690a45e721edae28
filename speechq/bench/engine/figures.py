"""The figures of the engine's speed. Each takes rows and a width in inches; call within ``plots.style``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from speechq.bench import formatting
from speechq.bench.axes import legend, log_ticks, plain
from speechq.bench.engine.synthetic import FLOAT_BITS
from speechq.bench.plots import DASHES, MARKERS, SERIES, colour, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = dict[str, Any]
NARROW = 5.0  # inches; below it panels stand above each other


def traffic(rows: Sequence[Row], width: float) -> Figure:
    """Bytes of weights per frame against the frames per weight read, a panel per cell."""
    figure, panels = _panels(rows, width)
    values = [row[key] for row in rows for key in ("loaded_bytes", "memory_bytes")]
    values += [row["missed_bytes"] for row in rows if row["missed_bytes"]]
    for axes, members in panels:
        for index, (name, line) in enumerate(_by_bits(members)):
            tone = _tone(index)
            blocks = [row["block"] for row in line]
            label = name if axes is panels[0][0] else None
            axes.plot(
                blocks, [row["memory_bytes"] for row in line], MARKERS[index], ls="-", color=tone, label=label
            )
            if any(row["loaded_bytes"] > row["memory_bytes"] for row in line):
                axes.plot(blocks, [row["loaded_bytes"] for row in line], ls=DASHES[1], color=tone)
            missed = [(row["block"], row["missed_bytes"]) for row in line if row["missed_bytes"]]
            if missed:
                axes.plot(*zip(*missed, strict=True), "x", color=tone)
        _powers(axes, "frames per weight read", sorted({row["block"] for row in members}))
        axes.set_yscale("log")
        log_ticks(axes, "y", values, formatting.size_axis)
    panels[0][0].set_ylabel("weights per frame")
    legend(figure, width)
    return figure


def latency(rows: Sequence[Row], width: float) -> Figure:
    """Time per frame against the delay that a block adds, a panel per cell. ``rows``: series.latency_rows."""
    figure, panels = _panels(rows, width)
    for axes, members in panels:
        for index, (name, line) in enumerate(_by_bits(members)):
            axes.plot(
                [row["added_ms"] for row in line],
                [row["us_per_frame"] for row in line],
                MARKERS[index],
                ls="-",
                color=_tone(index),
                label=name if axes is panels[0][0] else None,
            )
        axes.set_xlabel("delay added, ms")
        axes.set_yscale("log")
        log_ticks(axes, "y", [row["us_per_frame"] for row in rows], plain)
    panels[0][0].set_ylabel("µs per frame")
    legend(figure, width)
    return figure


def widths(rows: Sequence[Row], width: float) -> Figure:
    """Time per frame against the units per layer, a panel per cell, dashed for the smallest block."""
    figure, panels = _panels(rows, width)
    for axes, members in panels:
        for name, line, look in _by_bits_and_block(members):
            label = name if axes is panels[0][0] else None
            axes.plot(
                [row["hidden"] for row in line], [row["us_per_frame"] for row in line], label=label, **look
            )
        _powers(axes, "units per layer", sorted({row["hidden"] for row in members}))
        axes.set_yscale("log")
        log_ticks(axes, "y", [row["us_per_frame"] for row in rows], plain)
    panels[0][0].set_ylabel("µs per frame")
    legend(figure, width)
    return figure


def threads(rows: Sequence[Row], width: float) -> Figure:
    """Speed relative to one thread, a panel per cell, dashed for the smallest block."""
    figure, panels = _panels(rows, width)
    counts = sorted({row["threads"] for row in rows})
    for axes, members in panels:
        axes.plot(counts, counts, ls=DASHES[2], color=colour("muted"), lw=1)
        for name, line, look in _by_bits_and_block(members):
            single = line[0]["us_per_frame"]
            label = name if axes is panels[0][0] else None
            speed = [single / row["us_per_frame"] for row in line]
            axes.plot([row["threads"] for row in line], speed, label=label, **look)
        _powers(axes, "threads", sorted({row["threads"] for row in members}))
    panels[0][0].set_ylim(
        bottom=0
    )  # of all panels; after drawing them, as it ends the scaling to what is drawn
    panels[0][0].set_ylabel("times one thread")
    legend(figure, width)
    return figure


def _panels(rows: Sequence[Row], width: float) -> tuple[Figure, list[tuple[Axes, list[Row]]]]:
    """A panel per cell with its rows; all have the same vertical axis."""
    cells = list(dict.fromkeys(row["cell"] for row in rows))
    narrow = width < NARROW
    figure = new_figure(width, (2.6 * len(cells) + 0.6) if narrow else 3.5)
    shape = (len(cells), 1) if narrow else (1, len(cells))
    found = figure.subplots(*shape, squeeze=False, sharey=True).ravel()
    panels = []
    for axes, cell in zip(found, cells, strict=True):
        members = [row for row in rows if row["cell"] == cell]
        layers = members[0]["layers"]
        axes.set_title(f"{cell.upper()}, {layers} layer{'s' * (layers > 1)}")
        panels.append((axes, members))
    return figure, panels


def _by_bits(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    return [
        (_name(bits), [row for row in rows if row["bits"] == bits])
        for bits in sorted({row["bits"] for row in rows})
    ]


def _by_bits_and_block(rows: Sequence[Row]) -> list[tuple[str, list[Row], dict[str, Any]]]:
    """Lines with their names and looks: a colour per word length, dashes for the smallest block."""
    blocks = sorted({row["block"] for row in rows})
    found = []
    for index, (name, members) in enumerate(_by_bits(rows)):
        for block in blocks:
            dashes = DASHES[1 if block == blocks[0] and len(blocks) > 1 else 0]
            look: dict[str, Any] = {"color": _tone(index), "marker": MARKERS[index], "ls": dashes}
            line = [row for row in members if row["block"] == block]
            frames = f"{block} frame{'s' * (block > 1)}"
            found.append((f"{name}, {frames}", line, look))
    return found


def _name(bits: int) -> str:
    return "float" if bits == FLOAT_BITS else f"{bits} bits"


def _tone(index: int) -> str:
    return colour(SERIES[index % len(SERIES)])


def _powers(axes: Axes, label: str, values: Sequence[int]) -> None:
    """A logarithmic horizontal axis with ticks at exactly these values."""
    axes.set_xscale("log", base=2)
    axes.set_xticks(values, [str(value) for value in values])
    axes.set_xticks([], minor=True)
    axes.set_xlabel(label)
