"""Calls the stages of a recipe one after the other, alone or in all processes of torchrun."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from speechq.config import LanguageRecipe, Recipe
from speechq.files import write_text
from speechq.recipes.networks import Networks
from speechq.train import distributed

# Networks are trained by all processes of torchrun together; the first prepares and scores.
TOGETHER = ("train", "retrain")


def run_stages(run: Networks, stages: Sequence[str]) -> None:
    """Call the methods of ``run`` that ``stages`` name, and keep the resolved recipe beside their results."""
    with run.work.alone():
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
