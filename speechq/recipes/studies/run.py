"""``speechq study``: one study of a work folder, which goes on where it was killed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from speechq.bench.studies import NAMES
from speechq.config import LanguageRecipe, load_work_recipe
from speechq.errors import ConfigError
from speechq.recipes.language import LanguageRun
from speechq.recipes.networks import Networks
from speechq.recipes.stages import Run
from speechq.recipes.studies import capacity, depth_width, landscape, methods, sensitivity
from speechq.recipes.studies.bench import Bench

STUDIES: dict[str, Callable[[Bench], None]] = {
    "sensitivity": sensitivity.run,
    "capacity": capacity.run,
    "depth-width": depth_width.run,
    "methods": methods.run,
    "landscape": landscape.run,
}


def run_study(name: str, work: Path, *, data: Path | None = None, assignments: tuple[str, ...] = ()) -> None:
    """Run the study on the recipe of the work folder; ConfigError for an unknown name or folder.

    What is up to date, here or in the recipe's own networks, is not made again.
    """
    if name not in STUDIES:
        raise ConfigError(f"{name}: no such study; expected one of {', '.join(NAMES)}")
    if not (work / "recipe.yaml").is_file():
        raise ConfigError(f"{work}: no work folder of a recipe; make it with speechq run RECIPE_DIR")
    recipe = load_work_recipe(work, assignments, data)
    base: Networks = LanguageRun(recipe, work) if isinstance(recipe, LanguageRecipe) else Run(recipe, work)
    with base.work.alone():
        base.load()
        STUDIES[name](Bench(base, name))
