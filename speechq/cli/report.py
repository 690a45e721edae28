"""``speechq report``"""

from __future__ import annotations

from pathlib import Path

import typer

HELP = """Write the report of a work folder: one self-contained HTML page.

Example: **speechq report work/demo**
"""


def report(
    work: Path = typer.Argument(..., metavar="WORK_DIR", help="Work folder of a recipe."),
    picture: Path | None = typer.Option(
        None, metavar="FILE.svg", help="Also write the error rates against bits as SVG."
    ),
) -> None:
    from speechq.bench.report import write_report, write_summary_svg

    print(write_report(work))
    if picture is not None:
        print(write_summary_svg(work, picture))
