"""The result of ``speechq bench engine``: one row per contender."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from speechq.bench.engine.loop import Measured
from speechq.bench.engine.ours import NAME
from speechq.bench.engine.synthetic import CODED_BITS, CODED_GROUPS, FLOAT_BITS
from speechq.bench.formatting import NONE, percent, size

if TYPE_CHECKING:
    from rich.table import Table

Row = dict[str, Any]


def to_row(measured: Measured) -> Row:
    """A row as ``--json`` prints it; ``read_gb_per_s`` counts the weights once per block."""
    contender = measured.contender
    return {
        "engine": contender.engine,
        "cell": contender.shape.cell,
        "layers": contender.shape.layers,
        "hidden": contender.shape.hidden,
        "bits": contender.bits,
        "block": contender.block,
        "threads": contender.threads,
        "us_per_frame": measured.us_per_frame,
        "weight_bytes": contender.weight_bytes,
        "read_gb_per_s": contender.weight_bytes / contender.block / measured.us_per_frame / 1e3,
        "roofline": measured.roofline,
    }


def best_peer(rows: Sequence[Row], block: int) -> Row | None:
    """The fastest row of a peer with that block size; None if there is none."""
    peers = [row for row in rows if row["engine"] != NAME and row["block"] == block]
    return min(peers, key=lambda row: float(row["us_per_frame"]), default=None)


def render_table(rows: Sequence[Row]) -> Table:
    """All rows for the terminal; with peers, how many times faster than the best one each row is."""
    from rich.table import Table

    with_peers = any(row["engine"] != NAME for row in rows)
    table = Table()
    table.add_column("Engine")
    names = ["Bits", "Block", "µs/frame", "Weights", "GB/s", "% of bound"]
    for name in names + ["x best peer"] * with_peers:
        table.add_column(name, justify="right")
    for row in rows:
        cells = [
            _bits(row["bits"]),
            str(row["block"]),
            f"{row['us_per_frame']:.1f}",
            size(row["weight_bytes"]),
            f"{row['read_gb_per_s']:.1f}",
            percent(row["roofline"], 0),
        ]
        if with_peers:
            peer = best_peer(rows, row["block"])
            ratio = NONE if peer is None else f"{peer['us_per_frame'] / row['us_per_frame']:.2f}"
            cells.append(f"{ratio} {peer['engine']}" if peer is row and ratio != NONE else ratio)
        table.add_row(row["engine"], *cells)
    return table


def _bits(bits: int) -> str:
    names = {FLOAT_BITS: "float", CODED_BITS: f"{CODED_BITS} {CODED_GROUPS}"}
    return names.get(bits, str(bits))
