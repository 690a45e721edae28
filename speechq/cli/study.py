"""``speechq study``"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import typer

HELP = """Study the networks of a recipe on its dev set: a table, a figure and a section of the report.

NAME is sensitivity (one group of weights quantized at a time, and a scheme for a budget of bytes), capacity
(units or bits: effective compression ratios), depth-width (weights against signals over depth and width),
methods (all methods of retraining at one scheme) or landscape (the loss on a plane through three networks). A
killed study goes on where it stood. The section study of the recipe says what is compared.

Example: **speechq study methods work/demo --set study.seeds=[1,2,3]**
"""


def study(
    name: str = typer.Argument(..., metavar="NAME", help="Which study."),
    work: Path = typer.Argument(..., metavar="WORK_DIR", help="Work folder of a recipe."),
    data: Path | None = typer.Option(None, help="Where the corpus lies; overrides data.source."),
    assign: list[str] = typer.Option(
        [], "--set", metavar="KEY=VALUE", help="Override a key, such as study.methods=[adaptive,lsq]."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print the rows as JSON."),
    markdown: bool = typer.Option(False, "--markdown", help="Print the table as Markdown."),
) -> None:
    from speechq.cli.needs import training

    with training():
        from speechq.bench import formatting
        from speechq.bench.study_table import rows_of, write_figure
        from speechq.recipes.studies.run import run_study
    try:
        run_study(name, work, data=data, assignments=tuple(assign))
    except KeyboardInterrupt:
        print("speechq: stopped; the same command goes on from here", file=sys.stderr)
        raise typer.Exit(130) from None
    figure = write_figure(work, name)
    header, rows = rows_of(work, name)
    if as_json:
        print(json.dumps([dict(zip(header, row, strict=True)) for row in rows], indent=2))
        return
    if markdown:
        print(formatting.markdown(header, rows))
        return
    from rich.table import Table

    from speechq.cli.tables import show

    table = Table()
    for column in header:
        table.add_column(column, justify="left" if column in formatting.TEXT_COLUMNS else "right")
    for row in rows:
        table.add_row(*row)
    show(table)
    print(figure)
