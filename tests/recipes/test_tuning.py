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
from speechq.errors import ConfigError
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


def test_weights_are_found_on_dev_and_the_first_network_leads(recipe: Path) -> None:
    work = recipe / "work"
    for decoder in BEAMS:
        rates = [
            find_model(work / "tune" / f"{model}.{decoder}").calibrated.provenance["dev_error_rate"]
            for model in DECODED
        ]
        assert all(0 <= rate < 1 for rate in rates)


def test_a_setting_of_tuning_redoes_only_what_follows_from_it(recipe: Path) -> None:
    work = recipe / "work"
    before = times(work)
    run_recipe(recipe, work=work, assignments=("tune.utterances=2",))
    after = times(work)
    changed = {name.split("/")[0] for name in after if before.get(name) != after[name]}
    assert changed == {"tune", "evaluate", "report", "report.html", "run.json", "recipe.yaml"}
    greedy = [name for name in after if name.startswith("evaluate/float+-s1/")]
    assert all(before[name] == after[name] for name in greedy)


def test_mistakes_name_the_key(recipe: Path, tmp_path: Path) -> None:
    for setting, expected in (
        ("decoders.models=[w9a8]", r"decoders\.models: there is no network 'w9a8'; the recipe makes float"),
        ("decoders.char_lms=[w2a8]", r"decoders\.char_lms: there is no network 'w2a8'; the recipe makes"),
        ("decoders.char_lms=[]", "need lm.char and decoders.char_lms"),
        ("lm=null", "decoders.use: needs the section lm"),
        ("lm.ngram.ordr=3", "lm.ngram.ordr: unknown key; expected one of order, prune"),
        ("lm.texts=[nowhere.txt]", "nowhere.txt: there is no such text; lm.texts names files"),
    ):
        with pytest.raises(ConfigError, match=expected):
            run_recipe(recipe, work=recipe / "work", assignments=(setting,), first="lm")
    with pytest.raises(ConfigError, match="run the stage tune first"):
        run_recipe(recipe, work=recipe / "work", assignments=("tune.seed=5",), first="evaluate")


def test_packed_character_models_may_come_from_elsewhere(recipe: Path, tmp_path: Path) -> None:
    work, models = recipe / "work", tmp_path / "models"
    (work / "lm" / "char" / "models").rename(models)
    settings = (f"lm.char.models={models}", "decoders.use=[char]", "decoders.char_lms=[float,w8a8-direct]")
    run_recipe(recipe, work=work, assignments=settings)
    names = {row["decoder"] for row in wer_table(work)}
    assert names == {"greedy", "char-float", "char-w8a8-direct"}
    assert not (work / "lm" / "char" / "models").exists()
    with pytest.raises(ConfigError, match=r"lm\.char\.models: has no packed models"):
        run_recipe(recipe, work=work, assignments=(f"lm.char.models={tmp_path}",))


def test_phones_become_words_by_a_lexicon(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", train=12, dev=4, test=4)
    spoken = {
        split: [json.loads(line)["text"] for line in (corpus / f"{split}.jsonl").read_text().splitlines()]
        for split in ("train", "dev", "test")
    }
    words = {word for texts in spoken.values() for text in texts for word in text.split()}
    unknown = spoken["test"][0].split()[0]
    lines = [f"{word} 1 {' '.join(f'P{letter}1' for letter in word)}" for word in sorted(words - {unknown})]
    (tmp_path / "dict").write_text("\n".join(lines))
    tree = RECIPE | {
        "data": RECIPE["data"] | {"units": "phones", "lexicon": "dict"},
        "lm": {"ngram": {"order": 2, "discount_fallback": True}},
        "decoders": {"use": ["ngram"], "models": ["float+"], "beam": 8},
        "evaluate": {"fold_phones": 0},
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(tree))
    work = run_recipe(tmp_path, work=tmp_path / "work")
    greedy = json.loads((work / "evaluate" / "float+-s1" / "result.json").read_text())
    beam = json.loads((work / "evaluate" / "float+-s1.ngram" / "result.json").read_text())
    assert (greedy["unit"], beam["unit"]) == ("phone", "word")
    assert [one["reference"] for one in beam["utterances"]] == spoken["test"]
    assert len(greedy["utterances"]) == sum(unknown not in text.split() for text in spoken["test"])
    assert set(greedy["utterances"][0]["reference"].split()) <= {f"P{letter}" for letter in ALPHABET}
    learned = {word for text in spoken["train"] for word in text.split()}
    files = find_model(work / "tune" / "float+-s1.ngram")
    assert files.settings is not None
    assert files.settings.lexicon == "lexicon.txt"
    found = (work / "tune" / "float+-s1.ngram" / "lexicon.txt").read_text().splitlines()
    assert {line.split()[0] for line in found} == learned - {unknown}
    heard = {word for one in beam["utterances"] for word in one["hypothesis"].split()}
    assert heard <= learned
    assert "PER/WER" in (work / "report.html").read_text()
    before = times(work)
    run_recipe(tmp_path, work=work)
    assert times(work) == before
    with pytest.raises(ConfigError, match="a character model does not go with units: phones"):
        run_recipe(tmp_path, work=work, assignments=("decoders.use=[char]",))
