"""``speechq study`` on the recipe of a language model, and on a student that a teacher writes for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from commands import speechq
from tiny_text import SENTENCES

from speechq.bench.studies import read_study
from speechq.bench.study_table import rows_of
from speechq.errors import ConfigError
from speechq.recipes.language import run_language_recipe
from speechq.recipes.studies.run import run_study
from speechq.train.checkpoint import load_network

RECIPE: dict[str, Any] = {
    "name": "tiny",
    "task": "language",
    "data": {"train": ["train.txt"], "dev": "dev.txt", "test": "dev.txt"},
    "model": {"cell": "sru", "layers": 1, "hidden": 16},
    "train": {"epochs": 1, "rows": 4, "steps": 20, "learning_rate": 0.02},
    "retrain": {"schemes": [], "epochs": 1, "float_plus": False},
    "study": {
        "seeds": [1, 2],
        "methods": ["adaptive", "adaptive+kd", "adaptive+seqkd"],
        "hidden": [8, 16],
        "bits": [2, 4],
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe beside its texts, and the work folder of a first run."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("language")
    (folder / "train.txt").write_text("\n".join(SENTENCES * 8))
    (folder / "dev.txt").write_text("\n".join(SENTENCES))
    (folder / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    run_language_recipe(folder, data=folder, work=folder / "work")
    return folder


def test_methods_are_compared_by_bits_per_character(folder: Path) -> None:
    work = folder / "work"
    done = speechq("study", "methods", work)
    assert done.returncode == 0, done.stderr
    found = read_study(work, "methods")
    assert found is not None
    assert {(p.method, p.seed) for p in found["points"]} == {
        (method, seed) for method in ("float", "float+", "adaptive", "adaptive+kd") for seed in (1, 2)
    }
    for point in found["points"]:
        assert point.error == pytest.approx(point.loss / np.log(2))
    assert "adaptive+kd" in done.stdout
    assert "methods: adaptive+seqkd is left out: it is for networks with CTC" in done.stderr
    assert (work / "study" / "methods" / "figure.svg").is_file()


def test_sizes_and_groups(folder: Path) -> None:
    work, one = folder / "work", ("study.seeds=[1]",)
    run_study("capacity", work, assignments=(*one, "study.capacity_schemes=[w2a8]"))
    _, rows = rows_of(work, "capacity")
    assert {row[0] for row in rows} == {"1 x 8", "1 x 16"}
    run_study("sensitivity", work, assignments=one)
    found = read_study(work, "sensitivity")
    assert found is not None
    assert {p.scheme for p in found["points"]} >= {
        f"float,{g}=w{b}" for g in ("l0.in", "out") for b in (2, 4)
    }


def test_a_student_is_studied_on_what_its_teacher_wrote(folder: Path) -> None:
    teacher = folder / "work" / "models" / "float-s1.sqm"
    student = folder / "student"
    settings = (f"transfer.teacher={teacher}", "transfer.tokens=400")
    run_language_recipe(folder, data=folder, work=student, assignments=settings)
    run_study("methods", student, assignments=("study.seeds=[1]", "study.methods=[adaptive]"))
    found = read_study(student, "methods")
    assert found is not None
    assert {p.method for p in found["points"]} == {"float", "float+", "adaptive"}
    copy = student / "study" / "methods" / "1x16" / "train" / "float-s1" / "final.ckpt"
    assert copy.read_bytes() == (student / "train" / "float-s1" / "final.ckpt").read_bytes()
    _, info = load_network(copy)
    assert info.provenance["corpus"] == "written by float-s1.sqm"


def test_sizes_that_a_network_cannot_have_are_explained(folder: Path) -> None:
    shape = ("model.cell=lstm", "model.layers=4", "model.hierarchy=a", "study.layers=[1, 4]")
    with pytest.raises(
        ConfigError, match=r"study depth-width: model: .*hierarchy a needs cell: lstm and layers: 4"
    ):
        run_study("depth-width", folder / "work", assignments=shape)
