"""Reading recipes: files, assignments, and what is wrong with them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from speechq.config.recipe import LanguageRecipe, Recipe
from speechq.errors import ConfigError
from speechq.section import Section


def _keys(schema: type[Section], path: tuple[Any, ...]) -> list[str]:
    """The keys of the section of a recipe in which ``path`` ends."""
    section: Any = schema
    for part in path[:-1]:
        kind = section.model_fields[part].annotation
        section = next((one for one in get_args(kind) if one is not type(None)), kind)
    return list(section.model_fields)


def explain(schema: type[Section], error: ValidationError, where: str) -> str:
    """A line for every wrong key of ``where``, with what was expected."""
    lines = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"]) or "(top level)"
        if item["type"] == "extra_forbidden":
            lines.append(
                f"{where}: {key}: unknown key; expected one of {', '.join(_keys(schema, item['loc']))}"
            )
        elif item["type"] == "missing":
            lines.append(f"{where}: {key}: is missing")
        elif not item["loc"]:
            lines.append(f"{where}: {item['msg'].removeprefix('Value error, ')}")
        else:
            shown = repr(item.get("input"))
            lines.append(f"{where}: {key}: {item['msg']} (found {shown[:60]})")
    return "\n".join(lines)


def _assign(tree: dict[str, Any], assignment: str) -> None:
    key, separator, text = assignment.partition("=")
    if not separator or not key:
        raise ConfigError(f"--set {assignment}: expected key.path=value, for example train.epochs=3")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {assignment}: the value is not valid YAML ({error})") from error
    node = tree
    parts = key.split(".")
    for part in parts[:-1]:
        child = node.setdefault(part, {})
        if not isinstance(child, dict):
            raise ConfigError(f"--set {assignment}: {part} is a value, not a section")
        node = child
    node[parts[-1]] = value


_PATHS = (
    ("data", "source"),
    ("data", "extra_text"),
    ("data", "lexicon"),
    ("data", "augment", "noise_folder"),
    ("data", "options", "noise_folder"),
    ("data", "options", "room_folder"),
    ("lm", "texts"),
    ("lm", "char", "recipe"),
    ("train", "start"),
    ("retrain", "kd", "teacher"),
    ("transfer", "teacher"),
    ("lm", "char", "models"),
)


def _anchor_paths(tree: dict[str, Any], folder: Path) -> None:
    """Make the relative paths of a recipe absolute, as seen from ``folder``; ``~`` is the home folder."""
    folder = folder.absolute()
    for *parts, last in _PATHS:
        node: Any = tree
        for part in parts:
            node = node.get(part) if isinstance(node, dict) else None
        if not isinstance(node, dict):
            continue
        if isinstance(node.get(last), str):
            node[last] = str(folder / Path(node[last]).expanduser())
        elif isinstance(node.get(last), list):
            node[last] = [str(folder / Path(str(one)).expanduser()) for one in node[last]]


def load_recipe(
    folder: str | Path, assignments: tuple[str, ...] = (), data: str | Path | None = None
) -> Recipe:
    """Read ``folder/recipe.yaml``, apply ``key.path=value`` assignments and validate.

    Raises ConfigError with the path of every wrong key. Relative paths in the recipe are relative to its
    folder; those in assignments and in ``data``, which overrides ``data.source``, to the working folder. All
    become absolute, so that what is kept in a work folder holds wherever the next command is given.
    """
    path, tree = _read_recipe(folder, assignments, data)
    if tree.get("task") == "language":
        raise ConfigError(f"{path}: the recipe of a language model; run it with speechq lm train")
    _include_language_recipe(tree)
    return _validated(Recipe, tree, path)


def load_language_recipe(
    folder: str | Path, assignments: tuple[str, ...] = (), data: str | Path | None = None
) -> LanguageRecipe:
    """The same for the recipe of a language model, ``task: language``."""
    path, tree = _read_recipe(folder, assignments, data)
    if "task" not in tree:
        raise ConfigError(f"{path}: no recipe of a language model, which has the key task: language")
    return _validated(LanguageRecipe, tree, path)


def _include_language_recipe(tree: dict[str, Any]) -> None:
    """``lm.char.recipe`` stands for the networks of a language recipe; other keys of ``lm.char`` go first."""
    section = tree.get("lm")
    char = section.get("char") if isinstance(section, dict) else None
    if not isinstance(char, dict) or "recipe" not in char:
        return
    folder = char.pop("recipe")
    load_language_recipe(folder)  # mistakes in it are named with its own path
    _, other = _read_recipe(folder, (), None)
    for name in ("model", "train", "retrain"):
        if isinstance(own := char.get(name, {}), dict):
            char[name] = {**other.get(name, {}), **own}


def load_work_recipe(
    folder: Path, assignments: tuple[str, ...] = (), data: str | Path | None = None
) -> Recipe | LanguageRecipe:
    """The recipe that a work folder was made from; its paths are resolved already."""
    path, tree = _read_recipe(folder, assignments, data, anchor=False)
    return _validated(LanguageRecipe, tree, path) if "task" in tree else _validated(Recipe, tree, path)


def _read_recipe(
    folder: str | Path, assignments: tuple[str, ...], data: str | Path | None, *, anchor: bool = True
) -> tuple[Path, dict[str, Any]]:
    path = Path(folder)
    path = path / "recipe.yaml" if path.is_dir() else path
    if not path.is_file():
        raise ConfigError(f"{path}: no such recipe; expected a folder with a recipe.yaml")
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: expected a mapping with the keys name, data, model, train, ...")
    if anchor:
        _anchor_paths(tree, path.parent)
    for assignment in assignments:
        _assign(tree, assignment)
    if data is not None:
        section = tree.setdefault("data", {})
        if isinstance(section, dict):
            section["source"] = str(data)
    _anchor_paths(tree, Path.cwd())
    return path, tree


_Schema = TypeVar("_Schema", Recipe, LanguageRecipe)


def _validated(schema: type[_Schema], tree: dict[str, Any], path: Path) -> _Schema:
    try:
        return schema.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(explain(schema, error, str(path))) from error


def digest(*parts: Any) -> str:
    """A short key of JSON-like values or config sections; equal content gives an equal key."""
    plain = [part.model_dump(mode="json") if isinstance(part, BaseModel) else part for part in parts]
    text = json.dumps(plain, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
