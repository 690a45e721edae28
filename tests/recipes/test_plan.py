from __future__ import annotations

import re
from pathlib import Path

import pytest

import speechq
from speechq.config import load_recipe
from speechq.recipes.plan import check_schemes, planned_models
from speechq.recipes.stages import Run

DEMO = Path(speechq.__file__).parents[1] / "recipes" / "demo"


def test_names_are_file_names_and_unique() -> None:
    models = planned_models(
        load_recipe(DEMO, ("retrain.schemes=['w4a8', 'w4a8,first=w8,l0.h=a16', 'w2a8']",))
    )
    names = [model.name for model in models]
    assert "w4a8_first=w8_l0.h=a16-lsq-s1" in names
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[\w.+=-]+", name) for name in names)


def test_the_demo_retrains_a_network_for_integer_mode() -> None:
    recipe = load_recipe(DEMO)
    check_schemes(recipe)
    models = {model.name: model for model in planned_models(recipe)}
    found = models["w4a8_gate=a8_cell=a16-lsq-s1"]
    assert (found.scheme, found.start) == ("w4a8,gate=a8,cell=a16", "float-s1")


def test_seeds_can_share_one_float_network() -> None:
    keys = ("retrain.seeds=[1, 2, 3]", "retrain.schemes=['w2a8']", "retrain.methods=['lsq']")
    own = planned_models(load_recipe(DEMO, keys))
    shared = planned_models(load_recipe(DEMO, (*keys, "retrain.float_seed=2")))
    assert [m.name for m in own if m.start is None] == ["float-s1", "float-s2", "float-s3"]
    assert [m.name for m in shared if m.start is None] == ["float-s2"]
    assert {m.start for m in shared if m.start} == {"float-s2"}
    assert [m.seed for m in shared if m.method == "lsq"] == [1, 2, 3]


@pytest.mark.parametrize("setting", ["retrain.dropout=0.3", "retrain.norms=frozen"])
def test_what_only_retraining_uses_leaves_the_float_network(tmp_path: Path, setting: str) -> None:
    run = Run(load_recipe(DEMO), tmp_path)
    other = Run(load_recipe(DEMO, (setting,)), tmp_path)
    keys = [{m.name: r.train_key(m) for m in r.models} for r in (run, other)]
    same = {name for name in keys[0] if keys[0][name] == keys[1][name]}
    assert same == {"float-s1"}
