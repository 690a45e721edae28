"""Language models and tuned decoders in a recipe, on a corpus of tones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import speechq, times
from tiny_speech import ALPHABET, write_corpus

from speechq.bench.wer import wer_table
from speechq.recipes.run import run_recipe
from speechq.runtime.model_folder import find_model

RECIPE: dict[str, Any] = {
    "name": "tones",
    "data": {"corpus": "manifest", "source": "corpus", "alphabet": ALPHABET, "features": {"mels": 20}},
    "model": {"cell": "sru", "layers": 1, "hidden": 32},
    "train": {"epochs": 8, "batch_seconds": 8.0, "max_rows": 4, "workers": 1, "learning_rate": 0.02},
    "retrain": {"schemes": ["w4a8"], "methods": ["direct", "adaptive"], "epochs": 1},
    "lm": {
        "ngram": {"order": 2, "discount_fallback": True},
        "char": {
            "model": {"layers": 1, "hidden": 16},
            "train": {"epochs": 1, "rows": 2, "steps": 16},
            "retrain": {"schemes": ["w8a8"], "methods": ["direct"], "float_plus": False},
        },
    },
    "decoders": {
        "use": ["ngram", "char", "char+ngram"],
        "models": ["float+", "w4a8"],
        "char_lms": ["w8a8-direct"],
        "beam": 8,
    },
    "tune": {"rounds": 2},
}
BEAMS = ("ngram", "char", "char+ngram")
DECODED = ("float+-s1", "w4a8-adaptive-s1")


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe after a run; ``work`` lies beside its recipe.yaml."""
    folder = tmp_path_factory.mktemp("tones")
    write_corpus(folder / "corpus", train=12, dev=4, test=4)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    run_recipe(folder, work=folder / "work")
    return folder


def test_every_decoder_is_a_model_folder_with_a_row_of_the_table(recipe: Path) -> None:
    work = recipe / "work"
    rows = {(row["model"], row["decoder"]): row for row in wer_table(work) if row["mode"] == "utterance"}
    assert {place for place in rows if place[1] != "greedy"} == {(m, d) for m in DECODED for d in BEAMS}
    for model, decoder in ((m, d) for m in DECODED for d in BEAMS):
        files = find_model(work / "tune" / f"{model}.{decoder}")
        assert (files.char_lm is not None) == ("char" in decoder)
        assert (files.ngram is not None) == ("ngram" in decoder)
        assert files.settings is not None
        assert files.settings.options.beam == 8
        assert rows[model, decoder]["size_bytes"] == rows[model, "greedy"]["size_bytes"]
    assert not list(work.rglob("*.tmp"))


def test_a_second_run_does_nothing(recipe: Path) -> None:
    before = times(recipe / "work")
    run_recipe(recipe, work=recipe / "work")
    assert times(recipe / "work") == before


def test_results_keep_words_and_confidence(recipe: Path) -> None:
    path = recipe / "work" / "evaluate" / "float+-s1.ngram" / "result.json"
    result = json.loads(path.read_text())
    for one in result["utterances"]:
        assert " ".join(word for word, *_ in one["words"]) == one["hypothesis"]
        assert all(0 <= start <= end and 0 <= sure <= 1 for _, start, end, sure in one["words"])


def test_the_verb_tunes_a_folder(recipe: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(recipe / "work" / "tune" / "w4a8-adaptive-s1.char+ngram", folder)
    (folder / "decoder.json").unlink()
    done = speechq("tune", folder, recipe / "corpus" / "dev.jsonl", "--rounds", "2", "--beam", "6")
    assert done.returncode == 0, done.stderr
    assert "decoder.json: dev error rate" in done.stdout
    settings = find_model(folder).settings
    assert settings is not None
    assert settings.options.beam == 6
    assert settings.provenance["dev_utterances"] == 4
    refused = speechq("tune", folder / "am.sqm", recipe / "corpus" / "dev.jsonl")
    assert refused.returncode == 2
    assert "a single file; expected a folder" in refused.stderr
