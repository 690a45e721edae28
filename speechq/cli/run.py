"""``speechq run``"""

from __future__ import annotations

import sys
from pathlib import Path

import typer

HELP = """Run a recipe: prepare, train, retrain, lm, pack, tune, evaluate, report.

What is up to date is skipped; a killed run goes on where it stood; a changed setting redoes just what depends
on it.

Example: **speechq run recipes/demo --set train.epochs=5 --work work/short**
"""


def run(
    recipe: Path = typer.Argument(..., metavar="RECIPE_DIR", help="Folder with a recipe.yaml."),
    data: Path | None = typer.Option(None, help="Where the corpus lies; overrides data.source."),
    work: Path | None = typer.Option(
        None, help="Work folder; if not given, work/NAME with the recipe's name."
    ),
    assign: list[str] = typer.Option(
        [], "--set", metavar="KEY=VALUE", help="Override a key, such as model.hidden=256."
    ),
    first: str | None = typer.Option(None, "--from", metavar="STAGE", help="First stage to run."),
    last: str | None = typer.Option(None, "--until", metavar="STAGE", help="Last stage to run."),
) -> None:
    from speechq.cli.needs import training

    with training():
        from speechq.recipes.run import run_recipe
    try:
        folder = run_recipe(recipe, data=data, work=work, assignments=tuple(assign), first=first, last=last)
    except KeyboardInterrupt:
        print("speechq: stopped; the same command goes on from here", file=sys.stderr)
        raise typer.Exit(130) from None
    print(folder)
