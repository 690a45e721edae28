"""``speechq lm train`` from a recipe to its table."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from commands import speechq, times
from tiny_text import SENTENCES

from speechq.config import load_language_recipe, load_recipe
from speechq.errors import ConfigError
from speechq.lm.score import score_text
from speechq.recipes.language import run_language_recipe
from speechq.runtime.info import describe
from speechq.runtime.model_file import read_model

RECIPE: dict[str, Any] = {
    "name": "tiny",
    "task": "language",
    "data": {"train": ["train.txt.gz"], "dev": "dev.txt", "test": "test.txt"},
    "model": {"cell": "sru", "layers": 2, "hidden": 40},
    "train": {"epochs": 4, "rows": 4, "steps": 20, "learning_rate": 0.02},
    "retrain": {"schemes": ["w8a8", "w2a8"], "methods": ["direct", "adaptive"], "epochs": 2},
}


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A folder with a recipe, and its texts in ``books`` beside it."""
    torch.set_num_threads(1)
    books = tmp_path / "books"
    books.mkdir()
    (books / "train.txt.gz").write_bytes(gzip.compress("\n".join(SENTENCES * 24).encode()))
    for name in ("dev.txt", "test.txt"):
        (books / name).write_text("\n".join(SENTENCES))
    folder = tmp_path / "recipe"
    folder.mkdir()
    (folder / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    return folder


def test_a_recipe_from_its_texts_to_its_table(recipe: Path, tmp_path: Path) -> None:
    books, work = tmp_path / "books", tmp_path / "work"
    rows = run_language_recipe(recipe, data=books, work=work)
    named = {row["model"]: row for row in rows}
    assert list(named) == [
        "float-s1",
        "float+-s1",
        "w8a8-direct-s1",
        "w2a8-direct-s1",
        "w8a8-adaptive-s1",
        "w2a8-adaptive-s1",
    ]
    bits = {name: row["bits_per_character"] for name, row in named.items()}
    assert bits["float+-s1"] < 1
    assert bits["w2a8-adaptive-s1"] < bits["w2a8-direct-s1"] - 0.1
    assert named["w2a8-adaptive-s1"]["delta_vs_float"] == pytest.approx(
        bits["w2a8-adaptive-s1"] - bits["float+-s1"]
    )
    for name, row in named.items():
        packed = work / "models" / f"{name}.sqm"
        found = score_text(packed, books / "test.txt")
        assert row["bits_per_character"] == found.bits_per_character
        assert row["word_perplexity"] == found.word_perplexity
        assert row["size_bytes"] == packed.stat().st_size
        facts = describe(read_model(packed))
        assert facts["scheme"] == row["scheme"]
        assert facts["provenance"]["corpus"] == "train.txt.gz"
        assert "language model" in facts["card"]
    log = (work / "train" / "float-s1" / "metrics.jsonl").read_text().splitlines()
    simulated = min(row["dev_bpc"] for row in map(json.loads, log) if "dev_bpc" in row)
    assert bits["float-s1"] == pytest.approx(simulated, abs=1e-4)  # dev and test are the same text

    # Nothing is made twice; a new text to score redoes the scores alone.
    before = times(work)
    assert run_language_recipe(recipe, data=books, work=work) == rows
    assert times(work) == before
    (books / "test.txt").write_text("\n".join(SENTENCES[:2]))
    again = run_language_recipe(recipe, data=books, work=work)
    assert {path for path, time in times(work).items() if before[path] != time} == {
        f"score/{name}/{file}" for name in named for file in ("score.json", "stamp.json")
    }
    assert again != rows
    (books / "train.txt.gz").write_bytes(gzip.compress("\n".join(SENTENCES * 20).encode()))
    assert run_language_recipe(recipe, data=books, work=work) != again


def test_a_hierarchy_is_trained_retrained_packed_and_scored(recipe: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    settings = (
        "model.cell=lstm",
        "model.hierarchy=b",
        "model.layers=4",
        'retrain.schemes=["w4a8,l2.rec=w8,l3.in=w6"]',
        "retrain.epochs=1",
    )
    rows = run_language_recipe(recipe, data=tmp_path / "books", work=work, assignments=settings)
    assert [row["method"] for row in rows] == ["float", "float+", "direct", "adaptive"]
    log = (work / "train" / "float-s1" / "metrics.jsonl").read_text().splitlines()
    simulated = min(row["dev_bpc"] for row in map(json.loads, log) if "dev_bpc" in row)
    assert rows[0]["bits_per_character"] == pytest.approx(simulated, abs=1e-4)
    assert simulated < 2
    facts = describe(read_model(work / "models" / f"{rows[3]['model']}.sqm"))
    assert facts["hierarchy"] == {"kind": "b", "clock": [0, 1]}
    bits = {(row["layer"], row["part"]): row["bits"] for row in facts["matrices"]}
    # One group of weights becomes the two matrices of the layer above the words.
    assert (bits["l3", "in"], bits["l3", "context"], bits["l2", "rec"], bits["l1", "in"]) == (6, 6, 8, 4)
    shown = speechq("info", work / "models" / "float-s1.sqm").stdout
    assert "million more per word" in shown


def test_the_command_prints_a_table(recipe: Path, tmp_path: Path) -> None:
    settings = ["--set", "train.epochs=1", "--set", "retrain.epochs=1", "--set", 'retrain.schemes=["w4a8"]']
    arguments = ["lm", "train", recipe, "--data", tmp_path / "books", "--work", tmp_path / "work", *settings]
    shown = speechq(*arguments)
    assert shown.returncode == 0, shown.stderr
    assert "Bits per character" in shown.stdout and "w4a8-adaptive-s1" in shown.stdout
    rows = json.loads(speechq(*arguments, "--json").stdout)
    assert [row["scheme"] for row in rows] == ["float", "float", "w4a8", "w4a8"]
    packed = speechq("pack", tmp_path / "work/train/w4a8-direct-s1/final.ckpt", "-o", tmp_path / "lm.sqm")
    assert packed.returncode == 0, packed.stderr
    assert "speechq lm score" in packed.stdout
    about = speechq("info", tmp_path / "lm.sqm")
    assert "multiply-adds per symbol" in about.stdout, about.stderr


def test_errors_name_the_key_or_the_file(recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.source: the texts need a folder"):
        run_language_recipe(recipe, work=tmp_path / "work")
    (tmp_path / "books" / "dev.txt").unlink()
    with pytest.raises(ConfigError, match=r"dev\.txt: there is no such file; data\.train"):
        run_language_recipe(recipe, data=tmp_path / "books", work=tmp_path / "work")
    with pytest.raises(ConfigError, match=r"retrain\.schemes: .* l7\.in: the layers are l0 to l1"):
        run_language_recipe(recipe, assignments=('retrain.schemes=["w4a8,l7.in=w8"]',))
    with pytest.raises(ConfigError, match=r"train\.batch_seconds: unknown key; expected one of epochs"):
        load_language_recipe(recipe, ("train.batch_seconds=3",))
    with pytest.raises(ConfigError, match=r"retrain\.train\.max_rows: unknown key"):
        load_language_recipe(recipe, ("retrain.train.max_rows=3",))
    with pytest.raises(ConfigError, match="run it with speechq lm train"):
        load_recipe(recipe)
    (recipe / "recipe.yaml").write_text(yaml.safe_dump({"name": "x", "data": {"corpus": "synth"}}))
    with pytest.raises(ConfigError, match="no recipe of a language model, which has the key task"):
        load_language_recipe(recipe)


def test_a_student_learns_from_what_a_packed_teacher_writes(recipe: Path, tmp_path: Path) -> None:
    books, work = tmp_path / "books", tmp_path / "student"
    once = ("retrain.schemes=[]", "retrain.float_plus=false")
    (taught,) = run_language_recipe(recipe, data=books, work=tmp_path / "teacher", assignments=once)
    teacher = tmp_path / "teacher" / "models" / "float-s1.sqm"
    settings = (f"transfer.teacher={teacher}", "model.hidden=24", 'retrain.schemes=["w4a8"]')
    rows = run_language_recipe(recipe, data=books, work=work, assignments=settings)
    assert taught["bits_per_character"] < 1.3
    assert all(row["bits_per_character"] < 2.2 for row in rows)
    symbols = np.load(work / "transfer" / "0" / "symbols.npy")
    length = sum(len(sentence) + 1 for sentence in SENTENCES * 24) // 4
    assert symbols.shape == (length + 1, 4)
    packed = read_model(work / "models" / "float-s1.sqm")
    assert packed.provenance["corpus"] == "written by float-s1.sqm"

    # Nothing is made twice; other labels need no other text; tokens that are counted need no true text.
    before = times(work)
    assert run_language_recipe(recipe, data=books, work=work, assignments=settings) == rows
    assert times(work) == before
    hard = (*settings, "transfer.labels=hard")
    assert run_language_recipe(recipe, data=books, work=work, assignments=hard) != rows
    assert all(times(work)[path] == time for path, time in before.items() if path.startswith("transfer/"))
    (books / "train.txt.gz").unlink()
    few = (*settings, "transfer.tokens=1000", "train.parts=2", "retrain.schemes=[]", "train.epochs=2")
    run_language_recipe(recipe, data=books, work=work, assignments=few)
    assert [np.load(work / "transfer" / part / "symbols.npy").shape for part in "01"] == [(126, 4)] * 2
    with pytest.raises(ConfigError, match=r"transfer\.tokens: 7 symbols are too few for train\.rows: 4"):
        run_language_recipe(recipe, data=books, work=work, assignments=(*few, "transfer.tokens=7"))
    with pytest.raises(
        ConfigError, match=r"retrain\.train\.parts: a teacher writes its text for train\.parts"
    ):
        load_language_recipe(recipe, (*few, "retrain.train.parts=3"))
    with pytest.raises(ConfigError, match=r"transfer\.temperature: .* \(found 0\)"):
        load_language_recipe(recipe, (*few, "transfer.temperature=0"))
