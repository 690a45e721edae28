from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from speechq.config import FeatureConfig, ModelConfig, Recipe, digest, load_language_recipe, load_recipe
from speechq.errors import ConfigError

MINIMAL: dict[str, Any] = {"name": "x", "data": {"corpus": "synth"}}
RECIPES = sorted((Path(__file__).parents[1] / "recipes").glob("*/recipe.yaml"))


def write(folder: Path, tree: Any) -> Path:
    (folder / "recipe.yaml").write_text(tree if isinstance(tree, str) else yaml.safe_dump(tree))
    return folder


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.parent.name)
def test_the_recipes_that_come_along_are_valid(path: Path) -> None:
    language = "task" in yaml.safe_load(path.read_text())
    recipe = (load_language_recipe if language else load_recipe)(path.parent)
    assert recipe.name == path.parent.name


def test_defaults_fill_a_minimal_recipe(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, MINIMAL))
    assert recipe.train.optimizer == "adamw"
    assert recipe.data.features.dim == 120
    assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trian": {}}, "trian: unknown key; expected one of name, data, model"),
        ({"train": {"epohcs": 3}}, "train.epohcs: unknown key; expected one of epochs, "),
        ({"train": {"epochs": 0}}, r"train.epochs: .*greater than or equal to 1 \(found 0\)"),
        ({"train": {"epochs": "many"}}, r"train.epochs: .*\(found 'many'\)"),
        ({"model": {"cell": "gru"}}, "model.cell: .*'lstm', 'sru'"),
        (
            {"data": {"corpus": "synth", "features": {"stride": 2}}},
            "data.features: .*stride must be at least 3",
        ),
        ({"data": {"corpus": "synth", "features": {"low_hz": 7900}}}, "data.features: .*low_hz < high_hz"),
        ({"data": {}}, "data.corpus: is missing"),
        ({"data": {"corpus": "synth", "train": []}}, "data.train: .*at least 1 item"),
        ({"retrain": {"train": {"epohcs": 3}}}, "yaml: retrain.train.epohcs: unknown key"),
        ({"retrain": {"train": {"max_rows": 0}}}, "yaml: retrain.train.max_rows: .*greater than"),
        ({"retrain": {"seeds": []}}, "retrain.seeds: .*at least 1 item"),
        ({"retrain": {"schemes": ["w4a8", "w4a8"]}}, "retrain.schemes: .*occurs twice"),
        ({"train": {"seed": -1}}, r"train.seed: .*\(found -1\)"),
        ({"retrain": {"seeds": [1, -2]}}, r"retrain.seeds.1: .*\(found -2\)"),
        ({"study": {"seeds": [-1]}}, "study.seeds.0: .*greater than"),
        ({"study": {"method": "magic"}}, "study.method: .*'magic' is no rule"),
        ({"study": {"hidden": [0]}}, "study.hidden.0: .*greater than 0"),
        ({"data": {"corpus": "synth", "alphabet": "ABA"}}, "data.alphabet: .*'A' occurs twice"),
        ({"data": {"corpus": "synth", "alphabet": ""}}, "data.alphabet: .*at least 1 character"),
        (
            {"data": {"corpus": "synth", "augment": {"speed": [0]}}},
            "augment.speed.0: .*greater than or equal",
        ),
        ({"retrain": {"methods": ["magic"]}}, "retrain.methods: .*'magic' is no rule .* one of direct"),
    ],
)
def test_every_mistake_is_named_by_its_key(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_recipe(write(tmp_path, MINIMAL | change))


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_recipe(write(tmp_path, MINIMAL | {"train": {"epochs": 0, "clip": -1}, "model": {"hidden": "x"}}))
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize(("text", "message"), [("a: [1", "not valid YAML"), ("- 1", "expected a mapping")])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_recipe(write(tmp_path, text))


def test_a_recipe_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_bytes("name: Zürich".encode("latin-1"))
    with pytest.raises(ConfigError, match="not valid YAML: 'utf-8' codec"):
        load_recipe(tmp_path)


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere: no such recipe"):
        load_recipe(tmp_path / "nowhere")


def test_assignments_override_keys(tmp_path: Path) -> None:
    folder = write(tmp_path, MINIMAL)
    recipe = load_recipe(
        folder,
        ("train.epochs=3", "train.learning_rate=1e-4", "retrain.schemes=[w4a8]", "data.augment.speed=[0.8]"),
    )
    assert recipe.train.epochs == 3
    assert recipe.train.learning_rate == 1e-4
    assert recipe.retrain.schemes == ("w4a8",)
    assert recipe.data.augment.speed == (0.8,)


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("train.epochs", "expected key.path=value"),
        ("=3", "expected key.path=value"),
        ("name.x=3", "name is a value, not a section"),
        ("train.epochs=[1", "not valid YAML"),
        ("train.epoch=3", "train.epoch: unknown key"),
    ],
)
def test_a_wrong_assignment_is_named(tmp_path: Path, assignment: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_recipe(write(tmp_path, MINIMAL), (assignment,))


def test_paths_of_a_recipe_are_relative_to_its_folder(tmp_path: Path) -> None:
    tree = {
        "name": "x",
        "data": {
            "corpus": "synth",
            "source": "../corpus",
            "extra_text": "/abs/text.gz",
            "augment": {"noise_folder": "noise"},
            "options": {"room_folder": "rooms"},
        },
    }
    data = load_recipe(write(tmp_path, tree)).data
    assert data.source == tmp_path / "../corpus"
    assert data.extra_text == Path("/abs/text.gz")
    assert data.augment.noise_folder == tmp_path / "noise"
    assert data.options == {"room_folder": str(tmp_path / "rooms")}
    given = load_recipe(tmp_path, ("data.augment.noise_folder=here",), data="100").data
    assert given.augment.noise_folder == Path.cwd() / "here"
    assert given.source == Path.cwd() / "100"


def test_a_recipe_that_is_named_from_nearby_has_absolute_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {**MINIMAL, "data": {"corpus": "manifest", "source": "corpus"}})
    monkeypatch.chdir(tmp_path)
    assert load_recipe(".").data.source == tmp_path / "corpus"
    assert load_recipe(".", ("data.source=~/other",)).data.source == Path.home() / "other"


def test_equal_content_has_equal_keys() -> None:
    assert digest(FeatureConfig(), {"a": 1, "b": 2}) == digest(FeatureConfig(mels=40), {"b": 2, "a": 1})
    assert digest(FeatureConfig()) != digest(FeatureConfig(mels=41))
    assert digest(ModelConfig(), 1) != digest(ModelConfig(), "1")
