"""Figures of decoders: error rates with and without language models, and the reliability of confidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from speechq.bench import formatting
from speechq.bench.axes import legend, ticks_at
from speechq.bench.plots import DASHES, MARKERS, SERIES, colour, new_figure
from speechq.bench.words import Words, reliability

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = dict[str, Any]
NARROW = 5.0  # inches


def error_by_decoder(rows: Sequence[Row], width: float) -> Figure:
    """Error rate of every network that beam search was evaluated for, a group per decoder."""
    figure = new_figure(width, 3.9 if width < NARROW else 3.5)
    axes = figure.add_subplot()
    decoders = list(dict.fromkeys(row["decoder"] for row in rows))
    models = list(dict.fromkeys(row["model"] for row in rows))
    for index, model in enumerate(models):
        members = [row for row in rows if row["model"] == model]
        shift = 0.12 * (index - (len(models) - 1) / 2)
        places = [decoders.index(row["decoder"]) + shift for row in members]
        rates = [100 * row["wer"] for row in members]
        bounds = [
            [100 * (row["wer"] - row["wer_low"]) if row["wer_low"] is not None else 0 for row in members],
            [100 * (row["wer_high"] - row["wer"]) if row["wer_high"] is not None else 0 for row in members],
        ]
        tone = colour(("ink", *SERIES, "orange")[index % (2 + len(SERIES))])
        label = formatting.family(model)
        axes.errorbar(
            places, rates, bounds, fmt=MARKERS[index % len(MARKERS)], color=tone, ms=5, lw=1.2, label=label
        )
    axes.set_xticks(range(len(decoders)), decoders)
    axes.set_xlim(-0.5, len(decoders) - 0.5)
    axes.set_ylim(bottom=0)
    axes.grid(False, axis="x")
    axes.set_xlabel("decoder")
    axes.set_ylabel(f"{formatting.metric(rows)}, %")
    legend(figure, width)
    return figure


def reliability_diagram(words: Mapping[str, Words], width: float) -> Figure:
    """Share of right words against confidence, and how many words there are; a line per decoder."""
    narrow = width < NARROW
    figure = new_figure(width, 5.2 if narrow else 3.5)
    panels = figure.subplots(2, 1) if narrow else figure.subplots(1, 2)
    panels[0].plot((0, 1), (0, 1), color=colour("muted"), lw=1, ls=DASHES[2])
    for index, (name, found) in enumerate(words.items()):
        count, sure, right = reliability(found).T
        filled = count > 0
        look: dict[str, Any] = {
            "color": colour(SERIES[index % len(SERIES)]),
            "ls": DASHES[index % len(DASHES)],
            "marker": MARKERS[index % len(MARKERS)],
            "ms": 4,
            "lw": 1.2,
        }
        panels[0].plot(sure[filled], right[filled], label=name, **look)
        middle = (np.arange(len(count)) + 0.5) / len(count)
        panels[1].plot(middle[filled], count[filled], **look)
    panels[0].set(xlabel="confidence", title="share of words that are right", xlim=(0, 1), ylim=(0, 1.02))
    panels[1].set(xlabel="confidence", title="words", xlim=(0, 1), yscale="log")
    powers = [10**k for k in range(1 + int(np.log10(max(len(one.confidence) for one in words.values()))))]
    ticks_at(panels[1].yaxis, powers, str)
    legend(figure, width)
    return figure
