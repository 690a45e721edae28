"""The packed model against the network in training."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tiny_speech import ALPHABET, make_job, make_retraining, write_corpus, write_split

from speechq.bench.results import Comparison
from speechq.errors import DataError
from speechq.recipes.compare import compare, compare_packed, sentence, warning
from speechq.recipes.evaluate import recognize
from speechq.recipes.run import run_recipe
from speechq.text.error_rates import ErrorCounts, word_errors
from speechq.train.loop import Job, Trainer
from speechq.train.pack import pack


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, Path]:
    """A retrained network that gets some of its words right, and its checkpoint."""
    folder = tmp_path_factory.mktemp("compare")
    start = make_job(folder, train={"epochs": 15, "learning_rate": 0.03})
    start.folder = folder / "float"
    Trainer(start).run().rename(folder / "float" / "final.ckpt")
    job = make_retraining(folder, "adaptive", scheme="w8a8,gate=a8,cell=a16", train={"epochs": 1})
    return job, Trainer(job).run()


def test_both_rates_are_near_and_neither_is_trivial(trained: tuple[Job, Path], tmp_path: Path) -> None:
    job, checkpoint = trained
    pack(checkpoint, tmp_path / "m.sqm")
    found = compare("m", checkpoint, tmp_path / "m.sqm", job.train, job.dev_references)
    assert (found.model, found.unit, found.utterances) == ("m", "word", len(job.dev_references))
    assert found.simulated < 0.9
    assert abs(found.difference) < 0.2  # a word or two of some sixteen
    texts = recognize(tmp_path / "m.sqm", job.train)
    counts = [word_errors(spoken, text) for spoken, text in zip(job.dev_references, texts, strict=True)]
    assert found.packed == sum(counts, ErrorCounts()).rate


def test_another_network_is_noticed(trained: tuple[Job, Path], tmp_path: Path) -> None:
    """What is compared is the file that was packed: here, one of a network that was not trained."""
    job, checkpoint = trained
    fresh = make_job(tmp_path, train={"epochs": 1})
    pack(Trainer(fresh).run(), tmp_path / "m.sqm")
    found = compare("m", checkpoint, tmp_path / "m.sqm", job.train, job.dev_references)
    assert found.difference > 0.1
    text = warning(found)
    assert text is not None and "more than 0.2 points" in text


def test_a_manifest_that_is_named(trained: tuple[Job, Path], tmp_path: Path) -> None:
    _, checkpoint = trained
    pack(checkpoint, tmp_path / "m.sqm")
    write_split(tmp_path / "other", "held-out", 5)
    before = set(checkpoint.parents[1].rglob("*"))
    found = compare_packed(checkpoint, tmp_path / "m.sqm", tmp_path / "other" / "held-out.jsonl")
    assert (found.model, found.utterances) == ("m", 5)
    assert set(checkpoint.parents[1].rglob("*")) == before  # its features are not kept
    with pytest.raises(DataError, match="nowhere"):
        compare_packed(checkpoint, tmp_path / "m.sqm", tmp_path / "nowhere.jsonl")
    with pytest.raises(DataError, match="does not lie in the work folder of a run"):
        compare_packed(checkpoint, tmp_path / "m.sqm")


def test_the_dev_set_of_the_run(tmp_path: Path) -> None:
    """The same rates as the recipe found, from the work folder alone and from anywhere."""
    write_corpus(tmp_path / "corpus", train=6, dev=3, test=2)
    recipe = {
        "name": "tones",
        "data": {"corpus": "manifest", "source": "corpus", "alphabet": ALPHABET, "features": {"mels": 20}},
        "model": {"cell": "sru", "layers": 1, "hidden": 16},
        "train": {"epochs": 1, "batch_seconds": 8.0, "max_rows": 4, "workers": 1},
        "retrain": {"schemes": ["w4a8"], "methods": ["direct"], "float_plus": False},
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    work = run_recipe(tmp_path, work=tmp_path / "work", last="pack")
    (tmp_path / "recipe.yaml").unlink()
    checkpoint = work / "train" / "w4a8-direct-s1" / "final.ckpt"
    stores = sorted((work / "features").iterdir())
    found = compare_packed(checkpoint, work / "models" / "w4a8-direct-s1.sqm")
    assert sorted((work / "features").iterdir()) == stores
    stored = yaml.safe_load((work / "pack" / "w4a8-direct-s1" / "comparison.json").read_text())
    assert Comparison(**stored) == found
    (work / "prepare" / "dev.jsonl").unlink()
    with pytest.raises(DataError, match=r"dev\.jsonl"):
        compare_packed(checkpoint, work / "models" / "w4a8-direct-s1.sqm")


def test_in_words() -> None:
    near = Comparison("m", 0.1028, 0.1031, 400)
    assert sentence(near) == "dev WER 10.31 % packed, 10.28 % in training: 0.03 points apart (400 utterances)"
    assert warning(near) is None
    for far in (Comparison("m", 0.1, 0.1021, 9, "phone"), Comparison("m", 0.1021, 0.1, 9, "phone")):
        assert sentence(far).startswith("dev PER ")
        assert warning(far) is not None
