"""The figure of one utterance: its spectrogram, and below it what the network writes when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from speechq.bench.plots import colour, new_figure
from speechq.bench.results import Sample

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FRAME = 0.01  # seconds between two rows of the spectrogram
INCHES_PER_SECOND = 1.9
LONGEST = 14.0  # inches


def peaks(probabilities: NDArray[np.float32]) -> list[tuple[int, int]]:
    """(frame, symbol) where each run of one winning symbol is most certain; the blank, symbol 0, is left out.

    ``probabilities`` [frames, symbols]. The symbols in order are the greedy CTC transcription.
    """
    winners = probabilities.argmax(axis=1)
    found = []
    start = 0
    for frame in range(1, len(winners) + 1):
        if frame == len(winners) or winners[frame] != winners[start]:
            symbol = int(winners[start])
            if symbol != 0:
                found.append((start + int(probabilities[start:frame, symbol].argmax()), symbol))
            start = frame
    return found


def label_rows(places: list[float], lengths: list[int], per_point: float, rows: int = 3) -> list[int]:
    """A row for each label, the lowest in which it does not touch the one before.

    ``places`` in seconds ascending, ``lengths`` in letters, ``per_point`` seconds per point of width. Where
    all rows are full, the row that is free first is taken.
    """
    ends = [-np.inf] * rows
    chosen = []
    for place, length in zip(places, lengths, strict=True):
        half = per_point * (2.9 * length + 0.6)
        row = next((row for row in range(rows) if place - half >= ends[row]), int(np.argmin(ends)))
        ends[row] = place + half
        chosen.append(row)
    return chosen


def utterance(sample: Sample, width: float) -> Figure:
    """Spectrogram and CTC outputs over the same seconds; wider than ``width`` inches for long utterances."""
    probabilities = np.exp(sample.log_probs)
    seconds = max(len(sample.fbank) * FRAME, len(probabilities) * sample.frame_seconds)
    figure = new_figure(min(LONGEST, max(width, INCHES_PER_SECOND * seconds)), 3.6)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[1.15, 1])
    low, high = np.quantile(sample.fbank, [0.02, 0.995])
    top.imshow(
        sample.fbank.T,
        origin="lower",
        aspect="auto",
        cmap="cividis",
        vmin=float(low),
        vmax=float(high),
        extent=(0, len(sample.fbank) * FRAME, 0, sample.fbank.shape[1]),
        interpolation="nearest",
    )
    top.set_ylabel("mel band")
    top.grid(False)
    times = (np.arange(len(probabilities)) + 0.5) * sample.frame_seconds
    grey = {"color": colour("muted"), "alpha": 0.28, "lw": 0}
    bottom.fill_between(times, probabilities[:, 0], label="blank", **grey)
    shown = np.flatnonzero(probabilities[:, 1:].max(axis=0) > 0.05) + 1
    for index, output in enumerate(shown):
        # Zeros between two appearances of a symbol would draw one line over another: leave them out.
        curve = np.where(_near(probabilities[:, output] > 0.01), probabilities[:, output], np.nan)
        bottom.plot(times, curve, color=colour("blue"), lw=1.3, label=None if index else "symbols")
    found = peaks(probabilities)
    texts = [{" ": "\N{OPEN BOX}"}.get(sample.symbols[symbol], sample.symbols[symbol]) for _, symbol in found]
    per_point = seconds / (0.88 * 72 * figure.get_figwidth())
    rows = label_rows([float(times[frame]) for frame, _ in found], [len(text) for text in texts], per_point)
    for (frame, symbol), text, row in zip(found, texts, rows, strict=True):
        height = 1.06 + 0.15 * row
        bottom.plot((times[frame],) * 2, (probabilities[frame, symbol], height), color=colour("grid"), lw=0.8)
        bottom.text(times[frame], height, text, ha="center", va="bottom", fontsize=8.5)
    bottom.set(ylim=(0, 1.22 + 0.15 * max(rows, default=0)), yticks=[0, 0.5, 1], xlim=(0, seconds))
    bottom.set(xlabel="seconds", ylabel="probability")
    bottom.grid(False, axis="x")
    bottom.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, borderaxespad=0)
    return figure


def _near(used: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The frames themselves and their neighbours."""
    wider = used.copy()
    wider[1:] |= used[:-1]
    wider[:-1] |= used[1:]
    return wider
