"""``speechq bench``"""

from __future__ import annotations

import json
from pathlib import Path

import typer

HELP = """Measure: error rates of the networks of a work folder.

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
    from speechq.bench.wer import markdown_table, render_table, wer_table
    from speechq.cli.tables import show

    if as_json:
        print(json.dumps(wer_table(work), indent=1))
        return
    rows = wer_table(work, pooled=True)
    if markdown:
        print(markdown_table(rows))
    else:
        show(render_table(rows))
