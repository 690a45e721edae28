"""``speechq bench``"""

from __future__ import annotations

import json
from pathlib import Path

import typer

from speechq.errors import ConfigError

HELP = """Measure: error rates of the networks of a work folder, the speed of the engine.

Example: **speechq bench wer work/demo**
"""
app = typer.Typer(help=HELP, no_args_is_help=True)


@app.command()
def wer(
    work: Path = typer.Argument(..., metavar="WORK_DIR", help="Work folder of a recipe."),
    as_json: bool = typer.Option(False, "--json", help="Print a JSON list instead of a table."),
    markdown: bool = typer.Option(False, "--markdown", help="Print the table as Markdown."),
) -> None:
    """Error rates of float and quantized networks with 95 % intervals, per corpus and pooled.

    Example: **speechq bench wer work/demo --json**
    """
    from speechq.bench.wer import markdown_table, render_tables, wer_table
    from speechq.cli.tables import show

    if as_json:
        print(json.dumps(wer_table(work), indent=1))
        return
    rows = wer_table(work, pooled=True)
    if markdown:
        print(markdown_table(rows))
    else:
        for table in render_tables(rows):
            show(table)


@app.command()
def engine(
    cell: str = typer.Option("sru", help="sru, lstm or qrnn."),
    layers: int = typer.Option(4, help="Recurrent layers."),
    hidden: int = typer.Option(1024, help="Units per layer."),
    bits: str = typer.Option("2,4,8,32", help="Bits per weight, 2 to 8; 32 is float."),
    block: str = typer.Option("1,4,16", help="Frames per weight read, 1 to 64."),
    threads: int = typer.Option(1, help="Threads, for the peers as well."),
    peers: bool = typer.Option(False, "--peers", help="Measure other programs too (extra bench)."),
    as_json: bool = typer.Option(False, "--json", help="Print a JSON list instead of a table."),
) -> None:
    """Speed of the engine on one stream with random weights, against the bounds of this machine.

    "% of bound" is the share reached of the tighter one of two bounds measured in the same run: reading the
    weights once per block, and the multiply-adds with all operands in registers.

    Example: **speechq bench engine --cell lstm --bits 4,8 --peers**
    """
    from typing import cast

    from speechq.bench.engine.rows import render_table, to_row
    from speechq.bench.engine.run import machine_note, run
    from speechq.bench.engine.synthetic import Cell, Shape
    from speechq.cli.tables import show
    from speechq.progress import say

    shape = Shape(cast(Cell, cell), layers, hidden)
    measured = run(shape, _numbers("bits", bits), _numbers("block", block), threads=threads, peers=peers)
    rows = [to_row(one) for one in measured]
    say(machine_note(shape, threads))
    if as_json:
        print(json.dumps(rows, indent=1))
    else:
        show(render_table(rows))


def _numbers(name: str, text: str) -> list[int]:
    """The whole numbers of an option such as ``--bits 2,4``."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise ConfigError(f"--{name} {text}: expected whole numbers with commas between") from error
