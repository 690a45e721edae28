from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import SMALL, speechq, times
from tiny_speech import ALPHABET, write_corpus, write_split

from speechq.bench.wer import wer_table
from speechq.errors import ConfigError, DataError
from speechq.recipes.run import run_recipe

pytest.importorskip("espeakng_loader", reason="needs eSpeak NG (pip install 'speechq[demo]')")


def write_recipe(folder: Path, tree: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(tree))
    return folder


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small recipe after a first run; ``work`` lies beside its recipe.yaml."""
    folder = write_recipe(tmp_path_factory.mktemp("small"), SMALL)
    done = speechq("run", folder, "--work", folder / "work")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{folder / 'work'}\n"
    assert "float-s1: epoch 2/2" in done.stderr
    return folder


QUANTIZED = itertools.product(("w8a8", "w3a8"), ("direct", "adaptive", "gradual", "lsq"))
NAMES = ["float", "float+", *map("-".join, QUANTIZED)]


def test_a_recipe_makes_models_results_and_a_report(recipe: Path) -> None:
    work = recipe / "work"
    models = {path.stem for path in (work / "models").iterdir()}
    assert models == {f"{name}-s{seed}" for name in NAMES for seed in (1, 2)}
    results = {path.parent.name for path in work.glob("evaluate/*/result.json")}
    streams = {f"{name}.stream" for name in models if "direct" not in name}
    assert results == models | streams
    for path in work.glob("evaluate/*/result.json"):
        result = json.loads(path.read_text())
        assert (work / result["file"]).stat().st_size == result["size_bytes"]
        assert len(result["utterances"]) == (1 if result["mode"] == "stream" else 5)
    report = (work / "report.html").read_text()
    assert "<html" in report
    assert "On the dev set the two differ by at most" in report
    compared = [json.loads(path.read_text()) for path in work.glob("pack/*/comparison.json")]
    assert {entry["model"] for entry in compared} == models
    assert all(entry["utterances"] == 6 for entry in compared)
    facts = json.loads((work / "run.json").read_text())
    assert facts["config"]["name"] == facts["recipe"] == "small"
    assert facts["parameters"] > 10000
    assert facts["hours"]["train"] > 0
    assert facts["wall_seconds"]["train"] > 0
    assert {"commit", "versions", "machine"} <= facts.keys()
    assert yaml.safe_load((work / "recipe.yaml").read_text()) == facts["config"]
    assert not list(work.rglob("*.tmp"))


def test_float_plus_trains_as_long_as_what_is_retrained(recipe: Path) -> None:
    def last_step(name: str) -> int:
        text = (recipe / "work" / "train" / name / "metrics.jsonl").read_text()
        return int(json.loads(text.splitlines()[-1])["step"])

    assert last_step("float+-s1") == last_step("w3a8-adaptive-s1") == last_step("w3a8-lsq-s1")
    assert last_step("float-s1") == 2 * last_step("float+-s1")


def test_a_second_run_does_nothing(recipe: Path) -> None:
    before = times(recipe / "work")
    run_recipe(recipe, work=recipe / "work")
    assert times(recipe / "work") == before


def test_a_lost_output_is_made_again(recipe: Path) -> None:
    work = recipe / "work"
    (work / "models" / "w3a8-lsq-s2.sqm").unlink()
    (work / "report.html").unlink()
    before = times(work)
    run_recipe(recipe, work=work)
    after = times(work)
    assert {name for name in after if before.get(name) != after[name]} == {
        "models/w3a8-lsq-s2.sqm",
        "pack/w3a8-lsq-s2/comparison.json",
        "pack/w3a8-lsq-s2/stamp.json",
        "report.html",
        "run.json",
        "report/stamp.json",
    }


def test_a_setting_of_retraining_redoes_only_what_follows_from_it(recipe: Path) -> None:
    work = recipe / "work"
    before = times(work)
    run_recipe(recipe, work=work, assignments=("retrain.epochs=2",))
    after = times(work)
    changed = {name for name in after if before.get(name) != after[name]}
    same = after.keys() - changed
    for part in ("prepare/", "features/", "train/float-s", "models/float-s", "evaluate/float-s"):
        assert not [name for name in changed if name.startswith(part)], part
    assert all(
        f"train/{name}-s1/final.ckpt" in changed for name in NAMES if name != "float" and "direct" not in name
    )
    assert {"report.html", "run.json", "recipe.yaml", "evaluate/w3a8-lsq-s2.stream/result.json"} <= changed
    assert "models/float-s1.sqm" in same


def test_networks_that_are_taken_out_leave_the_table(recipe: Path) -> None:
    work = recipe / "work"
    settings = ("retrain.methods=[direct,lsq]", "retrain.seeds=[1]", "retrain.epochs=2")
    run_recipe(recipe, work=work, assignments=settings)
    left = {path.name for path in (work / "evaluate").iterdir()}
    assert left == {
        *(f"{name}-s1" for name in NAMES if name.partition("-")[2] in ("", "direct", "lsq")),
        *(f"{name}-s1.stream" for name in NAMES if name.partition("-")[2] in ("", "lsq")),
    }


def test_the_report_needs_no_checkpoints_and_no_features(tmp_path: Path) -> None:
    folder, work = tones(tmp_path), tmp_path / "work"
    run_recipe(folder, work=work)
    for name in ("train", "features"):
        shutil.rmtree(work / name)
    (work / "report.html").unlink()
    run_recipe(folder, work=work, first="report")
    assert (work / "report.html").is_file()
    assert not (work / "train").exists()
    assert not (work / "features").exists()


# Stages


def tones(folder: Path, **changes: Any) -> Path:
    """A recipe of a second or two on the corpus ``manifest``."""
    tree = {
        "name": "tones",
        "data": {"corpus": "manifest", "source": "corpus", "alphabet": ALPHABET, "features": {"mels": 20}},
        "model": {"cell": "sru", "layers": 1, "hidden": 16},
        "train": {"epochs": 1, "batch_seconds": 8.0, "max_rows": 4, "workers": 1},
        "retrain": {"schemes": ["w4a8"], "methods": ["direct"], "epochs": 1, "float_plus": False},
    }
    write_corpus(folder / "corpus", train=6, dev=2, test=2)
    return write_recipe(folder, tree | changes)


def test_until_and_from_cut_the_chain(tmp_path: Path) -> None:
    folder, work = tones(tmp_path), tmp_path / "work"
    run_recipe(folder, work=work, last="train")
    assert (work / "train" / "float-s1" / "final.ckpt").is_file()
    assert not (work / "train" / "w4a8-direct-s1").exists()
    with pytest.raises(
        ConfigError, match=r"train/w4a8-direct-s1: is missing, .* run the stage retrain first"
    ):
        run_recipe(folder, work=work, first="pack")
    run_recipe(folder, work=work, first="retrain", last="pack")
    assert {path.name for path in (work / "models").iterdir()} == {"float-s1.sqm", "w4a8-direct-s1.sqm"}
    with pytest.raises(ConfigError, match="run the stage evaluate first"):
        run_recipe(folder, work=work, first="report")
    run_recipe(folder, work=work, first="evaluate")
    assert (work / "report.html").is_file()


def test_a_stage_does_not_build_on_what_other_settings_made(tmp_path: Path) -> None:
    folder, work = tones(tmp_path), tmp_path / "work"
    run_recipe(folder, work=work, last="train")
    with pytest.raises(ConfigError, match=r"train/float-s1: .* other settings; run the stage train first"):
        run_recipe(folder, work=work, first="retrain", assignments=("model.hidden=17",))
    with pytest.raises(ConfigError, match="run the stage prepare first"):
        run_recipe(folder, work=tmp_path / "new", first="train")


def test_sensitivity_is_measured_once(tmp_path: Path) -> None:
    folder, work = tones(tmp_path), tmp_path / "work"
    settings = ("sensitivity.bits=[2]", "sensitivity.signal_bits=[4]", "sensitivity.epochs=1")
    run_recipe(folder, work=work, assignments=settings)
    points = json.loads((work / "sensitivity" / "points.json").read_text())
    assert {(p["group"], p["bits"], p["retrained"]) for p in points} >= {
        ("l0.in", 2, False),
        ("l0.in", 2, True),
        ("out", 2, True),
        ("feat", 4, False),
    }
    before = times(work)
    run_recipe(folder, work=work, assignments=settings)
    assert times(work) == before


def test_data_may_lie_elsewhere(tmp_path: Path) -> None:
    folder = tones(tmp_path / "a")
    elsewhere = write_corpus(tmp_path / "elsewhere", train=3, dev=1, test=1)
    done = speechq("run", folder, "--data", elsewhere, "--work", tmp_path / "work", "--until", "prepare")
    assert done.returncode == 0, done.stderr
    assert "prepare: 3 training utterances" in done.stderr


def test_the_work_folder_is_named_after_the_recipe(tmp_path: Path) -> None:
    folder = tones(tmp_path / "a")
    done = speechq("run", folder, "--until", "prepare", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "work/tones\n"
    assert (tmp_path / "work" / "tones" / "prepare" / "train.jsonl").is_file()


INTEGER = "w4a8,gate=a8,cell=a16"


def test_integer_mode_is_evaluated_where_it_can_run(tmp_path: Path) -> None:
    retrain = {"schemes": ["w4a8", INTEGER], "methods": ["direct", "adaptive"], "float_plus": False}
    folder, work = tones(tmp_path, retrain=retrain | {"epochs": 1}), tmp_path / "work"
    run_recipe(folder, work=work)
    able = {f"{INTEGER.replace(',', '_')}-{method}-s1" for method in ("direct", "adaptive")}
    names = {path.parent.name for path in work.glob("evaluate/*/result.json")}
    assert {name for name in names if name.endswith(".integer")} == {f"{name}.integer" for name in able}
    assert not any("stream" in name and "integer" in name for name in names)
    for row in wer_table(work):
        assert (row["wer_integer"] is not None) == (row["model"] in able and row["mode"] == "utterance")
    assert "WER % integer" in (work / "report.html").read_text()
    before = times(work)
    run_recipe(folder, work=work)
    assert times(work) == before
    run_recipe(folder, work=work, assignments=("retrain.schemes=[w4a8]",))
    assert not list((work / "evaluate").glob("*.integer"))
    assert "WER % integer" not in (work / "report.html").read_text()


# Mistakes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "train.epohcs=3"], "train.epohcs: unknown key"),
        (["--set", "model.hidden=many"], "model.hidden: "),
        (["--set", "retrain.schemes=[w9a8]"], "retrain.schemes: scheme 'w9a8': w9"),
        (["--set", "retrain.schemes=[float]"], "retrain.schemes: 'float' quantizes nothing"),
        (["--set", "retrain.schemes=['w4a8,l7.in=w8']"], "l7.in: the layers are l0 to l0"),
        (["--from", "tuna"], "tuna: no such stage"),
        (["--data", "/nowhere/at/all"], "/nowhere/at/all: no such folder"),
        (["--set", "data.source=null"], "data.source: the corpus manifest needs a folder"),
        (
            ["--set", "data.test=eval"],
            "data: the corpus manifest has no split 'eval'; it has dev, test, train",
        ),
        (["--set", "data.alphabet=' ABC'"], "not in the 4 characters of the alphabet"),
    ],
)
def test_a_mistake_is_named_without_a_traceback(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    from speechq.cli.main import main

    folder = tones(tmp_path)
    monkeypatch.setattr(
        "sys.argv", ["speechq", "run", str(folder), "--work", str(tmp_path / "work"), *arguments]
    )
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert "Traceback" not in shown


def test_problems_of_all_manifests_are_reported_together(tmp_path: Path) -> None:
    folder = tones(tmp_path)
    for split in ("train", "test"):
        path = folder / "corpus" / f"{split}.jsonl"
        lines = path.read_text().splitlines()
        lines[0] = json.dumps(json.loads(lines[0]) | {"text": "Q"})
        lines[1] = json.dumps(json.loads(lines[1]) | {"audio": "lost.wav"})
        path.write_text("\n".join(lines))
    with pytest.raises(DataError) as caught:
        run_recipe(folder, work=tmp_path / "work", last="prepare")
    for place in ("train.jsonl:1", "train.jsonl:2", "test.jsonl:1", "test.jsonl:2"):
        assert place in str(caught.value)


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_an_empty_split_is_an_error(tmp_path: Path, split: str) -> None:
    folder = tones(tmp_path)
    (folder / "corpus" / f"{split}.jsonl").write_text("")
    with pytest.raises(DataError, match=rf"{split}\.jsonl: the manifest is empty"):
        run_recipe(folder, work=tmp_path / "work", last="prepare")


def test_utterances_shorter_than_a_frame_do_no_harm(tmp_path: Path) -> None:
    import soundfile

    folder = tones(tmp_path)
    for split in ("train", "dev", "test"):
        spoken = write_split(folder / "corpus", split, 3)
        samples, rate = soundfile.read(spoken[1].audio)
        soundfile.write(spoken[1].audio, samples[:200], rate)
    run_recipe(folder, work=tmp_path / "work")
    assert (tmp_path / "work" / "report.html").is_file()


# Phones


def test_phones_of_timit_end_to_end(shared: Path, tmp_path: Path) -> None:
    tree = {
        "name": "phones",
        "data": {"corpus": "timit", "options": {"phones": 48}, "units": "phones"},
        "model": {"cell": "sru", "layers": 2, "hidden": 48},
        "train": {"epochs": 3, "batch_seconds": 60, "max_rows": 16, "learning_rate": 0.01, "workers": 1},
        "retrain": {"schemes": ["w4a8"], "methods": ["adaptive"], "epochs": 1},
    }
    folder, work = write_recipe(tmp_path, tree), tmp_path / "work"
    source = shared / "data" / "timit_sample"
    source = source / "timit" if (source / "timit").is_dir() else source
    run_recipe(folder, data=source, work=work)
    result = json.loads((work / "evaluate" / "w4a8-adaptive-s1" / "result.json").read_text())
    assert (result["unit"], result["fold"]) == ("phone", 39)
    assert set(result["utterances"][0]["reference"].split()) <= set(_phones())
    rows = [row for row in wer_table(work) if row["model"].startswith("float")]
    assert all(0.3 < row["wer"] < 1.0 for row in rows)


def _phones() -> tuple[str, ...]:
    from speechq.text.phones import PHONES_48

    return tuple(PHONES_48)
