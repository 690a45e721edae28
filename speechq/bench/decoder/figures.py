"""The figure of the decoders' speed. Call within ``plots.style``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from speechq.bench.axes import legend, log_ticks, plain
from speechq.bench.decoder.ours import NAME, NONE
from speechq.bench.plots import DASHES, MARKERS, SERIES, colour, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = dict[str, Any]


def curves(rows: Sequence[Row], width: float) -> Figure:
    """Word error rate against time per frame; the points of a line are beams, named at its ends.

    ``rows`` as ``speechq bench decoder`` prints them; those without a language model and those whose texts
    mean nothing are left out. Ours are full lines, one colour for the same language models.
    """
    shown = [row for row in rows if row["wer"] is not None and row["lm"] != NONE]
    lms = list(dict.fromkeys(row["lm"] for row in shown))
    engines = [NAME, *dict.fromkeys(row["engine"] for row in shown if row["engine"] != NAME)]
    figure = new_figure(width, 3.9)
    axes = figure.add_subplot()
    for lm in lms:
        for engine in engines:
            line = [row for row in shown if (row["lm"], row["engine"]) == (lm, engine)]
            line.sort(key=lambda row: int(row["beam"]))
            if not line:
                continue
            ours, index = lms.index(lm), engines.index(engine)
            tone = colour(SERIES[ours % len(SERIES)]) if engine == NAME else colour("muted")
            marker = MARKERS[(ours if engine == NAME else len(lms) + index) % len(MARKERS)]
            points = [(row["us_per_frame"], 100 * row["wer"]) for row in line]
            axes.plot(
                *zip(*points, strict=True),
                marker,
                ls=DASHES[index % len(DASHES)],
                color=tone,
                label=f"{engine}: {lm}",
            )
            # Points, so that our lines do not cover each other's.
            place = (0, -14 if ours % 2 and engine == NAME else 6)
            for end in (0, -1):
                beam = str(line[end]["beam"])
                axes.annotate(beam, points[end], place, textcoords="offset points", ha="center", color=tone)
    axes.set_xscale("log")
    log_ticks(axes, "x", [row["us_per_frame"] for row in shown], plain)
    axes.set_xlabel("microseconds per frame")
    rates = [100 * row["wer"] for row in shown]
    if max(rates) > 3 * min(rates) > 0:
        axes.set_yscale("log")
        log_ticks(axes, "y", rates, plain)
    axes.set_ylabel("WER, %")
    legend(figure, width)
    return figure
