from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from commands import SMALL
from tiny_speech import ALPHABET, environment, write_corpus

RECIPE = {
    "name": "tones",
    "data": {"corpus": "manifest", "alphabet": ALPHABET, "features": {"mels": 20}},
    "model": {"cell": "sru", "layers": 2, "hidden": 96},
    "train": {"epochs": 1, "batch_seconds": 8, "max_rows": 4, "workers": 1},
    "retrain": {"schemes": ["w4a8"], "epochs": 1},
}


def run_with_room(folder: Path, room: int, recipe: dict[str, object]) -> subprocess.CompletedProcess[str]:
    """``speechq run`` where no file may become larger than ``room`` bytes, as if the disc were full then."""
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    command = [sys.executable, "-m", "speechq", "run", folder, "--work", folder / "work"]
    return subprocess.run(
        list(map(str, command)),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)),
    )


@pytest.mark.parametrize(
    ("room", "file"),
    [(4_000, "features/"), (200_000, "train/float-s1/best.ckpt")],
    ids=["features", "checkpoint"],
)
def test_a_full_disc_ends_a_run_with_a_sentence(tmp_path: Path, room: int, file: str) -> None:
    write_corpus(tmp_path / "corpus")
    data = {**RECIPE["data"], "source": "corpus"}  # type: ignore[dict-item]
    done = run_with_room(tmp_path, room, {**RECIPE, "data": data})
    assert done.returncode == 2, done.stderr
    said = done.stderr.splitlines()[-1]
    assert said.startswith(f"speechq: {tmp_path}/work/{file}")
    assert "cannot be written (File too large)" in said
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("*.tmp"))


def test_speech_that_does_not_fit_is_a_sentence_too(tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader", reason="needs eSpeak NG (pip install 'speechq[demo]')")
    done = run_with_room(tmp_path, 20_000, SMALL)
    assert done.returncode == 2, done.stderr
    said = done.stderr.splitlines()[-1]
    assert said == f"speechq: {tmp_path}/work/prepare/audio/train: cannot be written (File too large)"
    assert not list(tmp_path.rglob("*.tmp"))
