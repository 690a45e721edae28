"""Mistakes that would show only after hours of training are told before."""

from __future__ import annotations

from pathlib import Path

import pytest

import speechq
from speechq.config import load_language_recipe, load_recipe
from speechq.errors import ConfigError
from speechq.recipes.checks import check_language_recipe, check_recipe

RECIPES = Path(speechq.__file__).parents[1] / "recipes"


@pytest.mark.parametrize("name", ["demo", "mixed", "mixed_phones", "timit", "wsj", "librispeech", "methods"])
def test_the_recipes_that_come_along_pass(name: str) -> None:
    check_recipe(load_recipe(RECIPES / name))


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (("retrain.schemes=[w9a8]",), "retrain.schemes: .*w9: expected 2 to 8 bits"),
        (("decoders.models=[w5a8]",), "decoders.models: there is no network 'w5a8'; the recipe makes float"),
        (("decoders.char_lms=[w2a8]",), "decoders.char_lms: there is no network 'w2a8'"),
        (("lm.char.retrain.schemes=[w1a8]",), "lm.char.retrain.schemes: .*w1: expected"),
        (("lm.texts=[nowhere.txt]",), "nowhere.txt: there is no such text"),
        (("lm.char.models=nowhere",), "nowhere: lm.char.models: has no packed models"),
        (("train.start=nowhere.ckpt",), "train.start: .*nowhere.ckpt: no such checkpoint"),
        (
            ("retrain.methods=[adaptive+kd]", "retrain.kd.teacher=nowhere.ckpt"),
            "retrain.kd.teacher: .*nowhere.ckpt: no such checkpoint",
        ),
    ],
)
def test_a_mistake_is_told_by_its_key(assignments: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_recipe(load_recipe(RECIPES / "demo", assignments))


def test_networks_of_decoders_matter_only_where_there_are_decoders() -> None:
    check_recipe(load_recipe(RECIPES / "demo", ("retrain.schemes=[w3a8]", "decoders.use=[]", "lm=null")))


def test_a_language_recipe_too() -> None:
    settings = ("retrain.methods=[lsq+kd]", "retrain.kd.teacher=nowhere.ckpt")
    with pytest.raises(ConfigError, match=r"retrain\.kd\.teacher: .*nowhere\.ckpt: no such checkpoint"):
        check_language_recipe(load_language_recipe(RECIPES / "charlm", settings))
