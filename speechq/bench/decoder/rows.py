"""The result of ``speechq bench decoder``: one row per decoder, language models and beam."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from speechq.bench.decoder.contender import Measured, Weights
from speechq.bench.decoder.inputs import Inputs
from speechq.bench.decoder.loop import us_per_frame
from speechq.bench.decoder.objective import objective
from speechq.bench.decoder.ours import CLOSED, NAME, NGRAM
from speechq.bench.formatting import NONE, percent
from speechq.lm.score import WordModel
from speechq.text.error_rates import ErrorCounts, word_errors

if TYPE_CHECKING:
    from rich.table import Table

Row = dict[str, Any]


def to_row(measured: Measured, inputs: Inputs, ngram: WordModel | None, weights: Weights) -> Row:
    """A row as ``--json`` prints it.

    ``wer`` is None where the texts mean nothing. ``nodes_per_frame`` are the prefixes in the beam,
    ``char_lm_per_frame`` those that a character model looked at. ``score`` is the mean of the common
    objective over the utterances, for closed vocabularies.
    """
    contender = measured.contender
    time = us_per_frame(measured, inputs)
    score = None
    if contender.closed and ngram is not None:
        pairs = zip(measured.texts, inputs.log_probs, strict=True)
        score = float(np.mean([objective(text, rows, inputs.units, ngram, weights) for text, rows in pairs]))
    return {
        "engine": contender.engine,
        "beam": contender.beam,
        "lm": contender.lm,
        "us_per_frame": time,
        "wer": word_error_rate(measured.texts, inputs.references) if contender.guess else None,
        "nodes_per_frame": measured.counts["prefixes"],
        "char_lm_per_frame": measured.counts.get("scored"),
        "rtf": 1e-6 * time / inputs.frame_seconds,
        "score": score,
    }


def word_error_rate(texts: Sequence[str], references: Sequence[str]) -> float:
    """Errors over words of all references."""
    counts = map(word_errors, references, texts)
    return sum(counts, start=ErrorCounts()).rate


def peer_of(row: Row, rows: Sequence[Row]) -> Row | None:
    """The fastest row of a peer with the same beam; only what has the n-gram alone is compared."""
    if row["lm"] not in (CLOSED, NGRAM):
        return None
    found = [one for one in rows if one["engine"] != NAME and one["beam"] == row["beam"]]
    return min(found, key=lambda one: float(one["us_per_frame"]), default=None)


def render_table(rows: Sequence[Row]) -> Table:
    """All rows for the terminal; with peers, the time as a share of the fastest one's with the same beam."""
    from rich.table import Table

    with_peers = any(row["engine"] != NAME for row in rows)
    table = Table()
    table.add_column("Decoder")
    table.add_column("Language models")
    names = ["Beam", "µs/frame", "Real time", "WER", "Score", "Prefixes", "Char LM"]
    for name in names + ["x peer"] * with_peers:
        table.add_column(name, justify="right")
    for row in sorted(rows, key=lambda row: (row["lm"], row["beam"], row["engine"] != NAME)):
        cells = [
            str(row["beam"]),
            f"{row['us_per_frame']:.1f}",
            f"{row['rtf']:.4f}",
            percent(row["wer"], 2),
            NONE if row["score"] is None else f"{row['score']:.2f}",
            f"{row['nodes_per_frame']:.1f}",
            NONE if row["char_lm_per_frame"] is None else f"{row['char_lm_per_frame']:.2f}",
        ]
        if with_peers:
            peer = peer_of(row, rows)
            cells.append(NONE if peer is None else f"{row['us_per_frame'] / peer['us_per_frame']:.2f}")
        table.add_row(row["engine"], row["lm"], *cells)
    return table
