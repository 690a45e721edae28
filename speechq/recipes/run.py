"""``speechq run``: a recipe from its folder to the report."""

from __future__ import annotations

from pathlib import Path

from speechq.config import load_recipe
from speechq.recipes.checks import check_recipe
from speechq.recipes.run_stages import run_stages
from speechq.recipes.stages import Run
from speechq.recipes.work import selected
from speechq.train import distributed


def run_recipe(
    folder: Path,
    *,
    data: Path | None = None,
    work: Path | None = None,
    assignments: tuple[str, ...] = (),
    first: str | None = None,
    last: str | None = None,
) -> Path:
    """Run the stages from ``first`` to ``last`` of the recipe in ``folder`` and return the work folder.

    ``data`` overrides ``data.source``, ``assignments`` (``key.path=value``) override any key. What is up to
    date is skipped; a stage before ``first`` is expected to be.
    """
    stages = selected(first, last)
    recipe = load_recipe(folder, assignments, data)
    check_recipe(recipe)
    target = work if work is not None else Path("work") / recipe.name
    distributed.start()
    try:
        run_stages(Run(recipe, target), stages)
    finally:
        distributed.stop()
    return target
