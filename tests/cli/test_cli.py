from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from tiny_speech import ALPHABET, environment, write_corpus

from speechq import __version__
from speechq.cli.main import app, main
from speechq.recipes.run import run_recipe

CONTRACT = {
    *(
        "model",
        "scheme",
        "method",
        "corpus",
        "split",
        "seed",
        "decoder",
        "size_bytes",
        "wer",
        "cer",
        "wer_low",
    ),
    *("wer_high", "substitutions", "deletions", "insertions", "words", "delta_vs_float", "delta_low"),
    *("delta_high", "rtf"),
}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work folder of a small recipe with two seeds."""
    folder = tmp_path_factory.mktemp("cli")
    write_corpus(folder / "corpus", train=6, dev=2, test=4)
    recipe = {
        "name": "tones",
        "data": {"corpus": "manifest", "source": "corpus", "alphabet": ALPHABET, "features": {"mels": 20}},
        "model": {"cell": "lstm", "layers": 2, "hidden": 16},
        "train": {"epochs": 2, "batch_seconds": 8.0, "max_rows": 4, "workers": 1},
        "retrain": {"schemes": ["w4a8"], "methods": ["direct", "adaptive"], "epochs": 1, "seeds": [1, 2]},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return run_recipe(folder, work=folder / "work")


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """``speechq ARGUMENTS`` in this process: (exit code, standard output, standard error)."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["speechq", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        shown = capsys.readouterr()
        return int(caught.value.code or 0), shown.out, shown.err

    return run


def commands(group: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """All commands and groups, as the words that call them."""
    found = [path]
    for name, command in getattr(group, "commands", {}).items():
        found += commands(command, (*path, name))
    return found


@pytest.mark.parametrize("path", commands(typer.main.get_command(app)), ids=" ".join)
def test_every_command_explains_itself_with_an_example(path: tuple[str, ...], call: Any) -> None:
    code, shown, _ = call(*path, "--help")
    assert code == 0
    example = re.search(r"Example: speechq ([a-z ]+)", shown)
    assert example
    assert example[1].split()[: len(path)] == list(path)
    assert call(*path, "-h")[0] == 0


def test_the_contracted_verbs_are_there() -> None:
    assert set(commands(typer.main.get_command(app))) >= {
        ("run",),
        ("pack",),
        ("info",),
        ("report",),
        ("bench", "wer"),
        ("bench", "engine"),
    }


def test_version(call: Any) -> None:
    assert call("--version") == (0, f"speechq {__version__}\n", "")


# bench wer


def test_wer_as_json_keeps_the_contract(work: Path, call: Any) -> None:
    code, shown, _ = call("bench", "wer", work, "--json")
    assert code == 0
    rows = json.loads(shown)
    assert all(row.keys() >= CONTRACT for row in rows)
    assert {row["corpus"] for row in rows} == {"tones", "all"}
    assert {row["method"] for row in rows} == {"float", "float+", "direct", "adaptive"}
    assert {row["seed"] for row in rows} >= {1, 2}
    for row in rows:
        assert row["wer"] == pytest.approx(
            (row["substitutions"] + row["deletions"] + row["insertions"]) / row["words"]
        )
    packed = {path.stem: path.stat().st_size for path in (work / "models").iterdir()}
    assert all(row["size_bytes"] == packed[row["model"]] for row in rows if row["model"] in packed)


def test_wer_as_markdown(work: Path, call: Any) -> None:
    code, shown, _ = call("bench", "wer", work, "--markdown")
    assert code == 0
    table = [line for line in shown.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1
    assert any("w4a8" in line for line in table)


def test_a_table_is_whole_in_a_narrow_pipe(work: Path, call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    code, shown, _ = call("bench", "wer", work)
    assert code == 0
    assert "…" not in shown
    assert "Change vs float" in shown
    assert "w4a8-adaptive-s2" in shown


# info and pack


def test_info_as_tables(work: Path, call: Any) -> None:
    code, shown, _ = call("info", work / "models" / "w4a8-adaptive-s1.sqm")
    assert code == 0
    assert "w4a8" in shown
    assert "2 x lstm, 1 x linear" in shown
    assert "feat 8 bit" in shown
    # 4 bits of 64 x (60 + 16 + 16 + 16) + 8 x 16 weights, 100 / 3 frames a second.
    assert "117 kB at block 1, 7.33 kB at block 16, per second of audio" in shown
    assert re.search(r"l1 .* rec .* 64 x 16 .* 4 .* 1,024", shown)
    assert "made by adaptive on the corpus manifest with seed 1" in " ".join(shown.split())


def test_info_as_json(work: Path, call: Any) -> None:
    code, shown, _ = call("info", work / "models" / "float-s1.sqm", "--json")
    assert code == 0
    facts = json.loads(shown)
    assert facts["scheme"] == "float"
    assert facts["provenance"]["method"] == "float"
    assert facts["features"]["dim"] == 60
    assert facts["weight_bytes"] == 4 * (64 * (60 + 16 + 16 + 16) + 8 * 16)


def test_pack_writes_what_the_recipe_packed(work: Path, call: Any, tmp_path: Path) -> None:
    from speechq.runtime.model_file import read_model

    out = tmp_path / "new" / "w4.sqm"
    code, shown, _ = call("pack", work / "train" / "w4a8-adaptive-s1" / "final.ckpt", "-o", out)
    assert code == 0
    first, second = shown.splitlines()
    assert first == f"{out}: {out.stat().st_size:,} bytes"
    pattern = r"dev WER [\d.]+ % packed, [\d.]+ % in training: [\d.]+ points apart \(2 utterances\)"
    assert re.fullmatch(pattern, second)
    one, two = read_model(out), read_model(work / "models" / "w4a8-adaptive-s1.sqm")
    for mine, theirs in zip(one.layers, two.layers, strict=True):
        for role, matrix in mine.matrices.items():
            assert (matrix.codes == theirs.matrices[role].codes).all()
            assert (matrix.steps == theirs.matrices[role].steps).all()


def test_pack_compares_on_what_it_is_given(work: Path, call: Any, tmp_path: Path) -> None:
    checkpoint, out = work / "train" / "w4a8-adaptive-s1" / "final.ckpt", tmp_path / "w4.sqm"
    code, shown, _ = call("pack", checkpoint, "-o", out, "--dev", work / "prepare" / "test.jsonl")
    assert code == 0
    assert "(4 utterances)" in shown
    code, _, problem = call("pack", checkpoint, "-o", out, "--dev", "nowhere.jsonl")
    assert code == 2
    assert "nowhere.jsonl" in problem


def test_pack_says_that_there_is_nothing_to_compare_on(work: Path, call: Any, tmp_path: Path) -> None:
    alone = tmp_path / "final.ckpt"
    alone.write_bytes((work / "train" / "w4a8-adaptive-s1" / "final.ckpt").read_bytes())
    code, shown, _ = call("pack", alone, "-o", tmp_path / "w4.sqm")
    assert code == 0
    assert (tmp_path / "w4.sqm").is_file()
    assert "not compared with the network in training" in shown
    assert "--dev MANIFEST" in shown


def test_pack_warns_of_a_difference(
    work: Path, call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speechq.recipes.compare.LARGEST", -1.0)
    checkpoint = work / "train" / "w4a8-adaptive-s1" / "final.ckpt"
    code, _, warned = call("pack", checkpoint, "-o", tmp_path / "w4.sqm")
    assert code == 0
    assert "warning: the packed model and the network in training differ" in warned


# report


def test_report_is_written_again(work: Path, call: Any, tmp_path: Path) -> None:
    picture = tmp_path / "bits.svg"
    code, shown, _ = call("report", work, "--picture", picture)
    assert code == 0
    assert shown == f"{work / 'report.html'}\n{picture}\n"
    assert picture.read_text().lstrip().startswith("<")


# Mistakes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["info", "nowhere.sqm"], "nowhere.sqm: no such model"),
        (["info", "text.sqm"], "text.sqm: not a readable safetensors file"),
        (["pack", "nowhere.ckpt", "-o", "x.sqm"], "nowhere.ckpt: no such checkpoint"),
        (["pack", "text.sqm", "-o", "x.sqm"], "text.sqm: not a checkpoint"),
        (["pack", "text.sqm"], "Missing option"),
        (["report", "nowhere"], "nowhere: no such work folder"),
        (["bench", "wer", "nowhere"], "nowhere"),
        (["bench", "wer", "."], "run the recipe's stage evaluate first"),
        (["run", "nowhere"], "nowhere: no such recipe"),
        (["frobnicate"], "No such command"),
    ],
)
def test_a_mistake_ends_with_2_and_a_sentence(
    call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.sqm").write_text("not a model")
    code, _, shown = call(*arguments)
    assert code == 2
    assert message in " ".join(shown.split())
    assert "Traceback" not in shown
    assert not Path("x.sqm").exists()


def test_a_folder_that_cannot_be_written_is_named(call: Any, work: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, _, shown = call(
        "pack", work / "train" / "float-s1" / "final.ckpt", "-o", tmp_path / "file" / "x.sqm"
    )
    assert code == 2
    assert shown.startswith("speechq: ")
    assert "file" in shown


def test_a_reader_that_has_enough_is_no_error(work: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "speechq", "bench", "wer", str(work), "--json"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, env=environment(), check=False)
    os.close(write)
    assert b"Traceback" not in done.stderr
    assert b"Exception" not in done.stderr


def test_what_is_not_installed_is_named(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "speechq.recipes.run", None)
    from speechq.cli.needs import training
    from speechq.errors import ConfigError

    with (
        pytest.raises(ConfigError, match=r"needs the package torch: pip install 'speechq\[train\]'"),
        training(),
    ):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")
    with pytest.raises(ModuleNotFoundError), training():
        raise ModuleNotFoundError(name="speechq.recipes.run")
