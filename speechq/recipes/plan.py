"""Which networks a recipe makes, and in which order."""

from __future__ import annotations

import re
from dataclasses import dataclass

from speechq.config import LanguageRecipe, Recipe
from speechq.errors import ConfigError
from speechq.methods import parse_method
from speechq.quant.scheme import parse_scheme
from speechq.train.retrain import weight_bits


@dataclass(frozen=True)
class Model:
    """One network of the table: ``name`` is unique, ``start`` the run whose checkpoint it starts from."""

    name: str
    scheme: str
    method: str
    seed: int
    start: str | None = None


def planned_models(recipe: Recipe | LanguageRecipe) -> list[Model]:
    """All networks of a recipe, in the order in which they are made."""
    config = recipe.retrain
    models = []
    for seed in config.seeds:
        base = f"float-s{seed}"
        models.append(Model(base, "float", "float", seed))
        if config.float_plus:
            models.append(Model(f"float+-s{seed}", "float", "float+", seed, base))
        for method in config.methods:
            start = base
            for scheme in sorted(config.schemes, key=weight_bits, reverse=True):
                name = f"{scheme.replace(',', '_')}-{method}-s{seed}"
                models.append(Model(name, scheme, method, seed, start))
                start = name if parse_method(method)[0] == "gradual" else base
    return models


def check_schemes(recipe: Recipe | LanguageRecipe) -> None:
    """ConfigError unless every scheme is one and names only layers that the network has."""
    for text in recipe.retrain.schemes:
        try:
            scheme = parse_scheme(text)
        except ConfigError as error:
            raise ConfigError(f"retrain.schemes: {error}") from None
        if scheme.is_float:
            raise ConfigError(f"retrain.schemes: {text!r} quantizes nothing; expected a scheme such as w6a8")
        for name, _, _ in scheme.overrides:
            layer = re.match(r"l(\d+)\.", name)
            if layer and int(layer[1]) >= recipe.model.layers:
                last = recipe.model.layers - 1
                raise ConfigError(f"retrain.schemes: {text!r}: {name}: the layers are l0 to l{last}")
