"""``speechq run``: a recipe from its folder to the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from speechq.config import LanguageRecipe, Recipe, load_recipe
from speechq.files import write_text
from speechq.recipes.networks import Networks
from speechq.recipes.plan import check_schemes
from speechq.recipes.stages import Run
from speechq.recipes.work import selected
from speechq.train import distributed

# Networks are trained by all processes of torchrun together; the first prepares and scores.
TOGETHER = ("train", "retrain")


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
    check_schemes(recipe)
    target = work if work is not None else Path("work") / recipe.name
    distributed.start()
    try:
        run_stages(Run(recipe, target), stages)
    finally:
        distributed.stop()
    return target


def run_stages(run: Networks, stages: Sequence[str]) -> None:
    """Call the methods of ``run`` that ``stages`` name, and keep the resolved recipe beside their results."""
    if distributed.is_first():
        save_recipe(run.recipe, run.folder)
    for stage in stages:
        if distributed.is_first():
            with distributed.alone():
                if stage in TOGETHER:
                    run.load()
                else:
                    getattr(run, stage)()
        distributed.barrier()
        if stage in TOGETHER:
            getattr(run, stage)()


def save_recipe(recipe: Recipe | LanguageRecipe, folder: Path) -> None:
    """Write the resolved recipe beside its results, unless it stands there."""
    text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    path = folder / "recipe.yaml"
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)
