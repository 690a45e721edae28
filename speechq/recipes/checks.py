"""What would end a run only after something was trained, found before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from speechq.config import CharLmConfig, FixedPointConfig, LanguageRecipe, LoopConfig, Recipe
from speechq.errors import ConfigError
from speechq.methods import parse_method
from speechq.recipes.plan import check_schemes, named_models, packed_model, planned_models


def check_recipe(recipe: Recipe) -> None:
    """ConfigError for a scheme, a network or a file of the recipe that is not there."""
    check_schemes(recipe)
    check_teacher(recipe.retrain, "retrain")
    check_start(recipe.train, "train")
    models = planned_models(recipe)
    for name in recipe.decoders.models if recipe.decoders.use else ():
        named_models(models, name, "decoders.models")
    if recipe.lm is not None:
        check_texts(recipe.lm.texts)
        if recipe.lm.char is not None:
            _check_char(recipe.lm.char, recipe.decoders.char_lms)


def check_language_recipe(recipe: LanguageRecipe) -> None:
    """The same for the recipe of a language model."""
    check_schemes(recipe)
    check_teacher(recipe.retrain, "retrain")
    check_start(recipe.train, "train")


def check_start(train: LoopConfig, key: str) -> None:
    """ConfigError if training begins from a checkpoint and it is not there."""
    if train.start is not None and not train.start.is_file():
        raise ConfigError(f"{key}.start: {train.start}: no such checkpoint")


def check_teacher(retrain: FixedPointConfig, key: str) -> None:
    """ConfigError if a method needs the checkpoint ``kd.teacher`` and it is not there."""
    teacher = retrain.kd.teacher
    taught = any({"kd", "seqkd"} & set(parse_method(method)[1]) for method in retrain.methods)
    if taught and teacher is not None and not teacher.is_file():
        raise ConfigError(f"{key}.kd.teacher: {teacher}: no such checkpoint")


def check_texts(texts: Sequence[Path]) -> None:
    """ConfigError naming the first text that is not there."""
    for path in texts:
        if not path.is_file():
            raise ConfigError(f"{path}: there is no such text; lm.texts names files with one sentence a line")


def packed_models(folder: Path) -> list[Path]:
    """The packed models that ``lm.char.models`` names; ConfigError if there are none."""
    found = sorted(folder.glob("*.sqm"))
    if not found:
        raise ConfigError(f"{folder}: lm.char.models: has no packed models (*.sqm)")
    return found


def _check_char(char: CharLmConfig, names: Sequence[str]) -> None:
    if char.models is None:
        check_schemes(char, "lm.char.retrain.schemes")
        check_teacher(char.retrain, "lm.char.retrain")
        check_start(char.train, "lm.char.train")
        models = planned_models(char)
    else:
        models = [packed_model(path) for path in packed_models(char.models)]
    for name in names:
        named_models(models, name, "decoders.char_lms")
