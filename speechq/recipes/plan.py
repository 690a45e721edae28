"""Which networks a recipe makes, and in which order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from speechq.bench.formatting import family
from speechq.config import CharLmConfig, LanguageRecipe, Recipe
from speechq.errors import ConfigError
from speechq.methods import parse_method
from speechq.quant.scheme import parse_scheme
from speechq.runtime.model_file import read_model
from speechq.train.retrain import weight_bits


@dataclass(frozen=True)
class Model:
    """One network of the table: ``name`` is unique, ``start`` the run whose checkpoint it starts from."""

    name: str
    scheme: str
    method: str
    seed: int
    start: str | None = None


def planned_models(recipe: Recipe | LanguageRecipe | CharLmConfig) -> list[Model]:
    """All networks of a recipe, in the order in which they are made."""
    config = recipe.retrain
    models: list[Model] = []
    for seed in config.seeds:
        begun = seed if config.float_seed is None else config.float_seed
        base = f"float-s{begun}"
        if all(model.name != base for model in models):
            models.append(Model(base, "float", "float", begun))
        if config.float_plus:
            models.append(Model(f"float+-s{seed}", "float", "float+", seed, base))
        for method in config.methods:
            start = base
            for scheme in sorted(config.schemes, key=weight_bits, reverse=True):
                name = f"{scheme.replace(',', '_')}-{method}-s{seed}"
                models.append(Model(name, scheme, method, seed, start))
                start = name if parse_method(method)[0] == "gradual" else base
    return models


def named_models(models: Sequence[Model], name: str, key: str) -> list[Model]:
    """The networks called ``name``, without the seed; a scheme alone stands for its retrained networks.

    ConfigError naming the ``key`` of the recipe if there is none.
    """
    found = [model for model in models if family(model.name) == name]
    if not found:
        retrained = [model for model in models if model.method not in ("float", "float+", "direct")]
        found = [model for model in retrained if model.scheme == name]
    if not found:
        names = ", ".join(dict.fromkeys(family(model.name) for model in models))
        raise ConfigError(f"{key}: there is no network {name!r}; the recipe makes {names}")
    return found


def packed_model(path: Path) -> Model:
    """The network in a model file that a recipe made."""
    model = read_model(path)
    method, seed = str(model.provenance.get("method", "")), int(model.provenance.get("seed", 1))
    return Model(path.stem, model.scheme, method, seed)


def check_schemes(recipe: Recipe | LanguageRecipe | CharLmConfig, key: str = "retrain.schemes") -> None:
    """ConfigError, naming ``key``, unless every scheme is one and names only layers that the network has."""
    for text in recipe.retrain.schemes:
        try:
            scheme = parse_scheme(text)
        except ConfigError as error:
            raise ConfigError(f"{key}: {error}") from None
        if scheme.is_float:
            raise ConfigError(f"{key}: {text!r} quantizes nothing; expected a scheme such as w6a8")
        for name, _, _ in scheme.overrides:
            layer = re.match(r"l(\d+)\.", name)
            if layer and int(layer[1]) >= recipe.model.layers:
                last = recipe.model.layers - 1
                raise ConfigError(f"{key}: {text!r}: {name}: the layers are l0 to l{last}")
