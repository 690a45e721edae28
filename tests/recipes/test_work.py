from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from speechq.errors import ConfigError
from speechq.recipes.work import STAGES, Work, selected


def stamp(folder: Path) -> dict[str, object]:
    value: dict[str, object] = json.loads((folder / "stamp.json").read_text())
    return value


class Maker:
    """Writes a file and counts how often."""

    def __init__(self, name: str = "made") -> None:
        self.count, self.name = 0, name

    def __call__(self, folder: Path) -> None:
        self.count += 1
        (folder / self.name).write_text(str(self.count))


def test_a_unit_is_made_once_per_key(tmp_path: Path) -> None:
    work, make = Work(tmp_path), Maker()
    for key, count in (("a", 1), ("a", 1), ("b", 2), ("b", 2), ("a", 3)):
        work.unit("train/x", key, make)
        assert make.count == count
        assert work.is_done("train/x", key)


def test_two_runs_do_not_work_in_one_folder(tmp_path: Path) -> None:
    with Work(tmp_path).alone():
        with (
            pytest.raises(ConfigError, match="another speechq is at work in this folder"),
            Work(tmp_path).alone(),
        ):
            pass
        with Work(tmp_path / "inner").alone():
            pass
    with Work(tmp_path).alone():
        pass


def test_another_key_clears_the_folder_and_the_same_goes_on(tmp_path: Path) -> None:
    work = Work(tmp_path)

    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise RuntimeError

    for _ in range(2):
        with pytest.raises(RuntimeError):
            work.unit("x", "a", fail)
        assert (tmp_path / "x" / "half").exists()
        assert not work.is_done("x", "a")
    seen = []
    work.unit("x", "a", lambda folder: seen.append((folder / "half").exists()))
    work.unit("x", "b", lambda folder: seen.append((folder / "half").exists()))
    assert seen == [True, False]


def test_what_a_killed_writer_left_is_removed_when_the_unit_goes_on(tmp_path: Path) -> None:
    work = Work(tmp_path)

    def die(folder: Path) -> None:
        (folder / "last.ckpt").touch()
        (folder / ".last.ckpt.k1ll3d.tmp").touch()
        (folder / ".audio.k1ll3d.tmp").mkdir()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work.unit("train/x", "a", die)
    work.unit("train/x", "a", lambda folder: None)
    assert {path.name for path in (tmp_path / "train" / "x").iterdir()} == {"last.ckpt", "stamp.json"}


def test_a_missing_output_is_made_again(tmp_path: Path) -> None:
    work, make, output = Work(tmp_path), Maker(), tmp_path / "models" / "a.sqm"

    def write(folder: Path) -> None:
        make(folder)
        output.parent.mkdir(exist_ok=True)
        output.touch()

    work.unit("pack/a", "k", write, outputs=[output])
    work.unit("pack/a", "k", write, outputs=[output])
    assert make.count == 1
    output.unlink()
    work.unit("pack/a", "k", write, outputs=[output])
    assert make.count == 2


def test_time_adds_up_over_interrupted_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    work = Work(tmp_path)

    def spend(folder: Path) -> None:
        now[0] += 5.0
        if now[0] < 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work.unit("train/x", "a", spend)
    assert stamp(tmp_path / "train" / "x") == {"key": "a", "done": False, "seconds": 5.0}
    work.unit("train/x", "a", spend)
    assert work.seconds("train") == 10.0
    assert work.seconds("pack") == 0.0


def test_a_kill_while_clearing_does_not_make_the_old_key_look_done(tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.unit("x", "a", Maker())
    child = os.fork()
    if child == 0:
        import shutil

        shutil.rmtree = lambda folder: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
        work.unit("x", "b", Maker())
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert not work.is_done("x", "a")
    make = Maker()
    work.unit("x", "a", make)
    assert make.count == 1


@pytest.mark.parametrize("text", ["", "{", "[1]", '"x"'])
def test_a_damaged_stamp_counts_as_none(tmp_path: Path, text: str) -> None:
    work, make = Work(tmp_path), Maker()
    work.unit("x", "a", make)
    (tmp_path / "x" / "stamp.json").write_text(text)
    work.unit("x", "a", make)
    assert make.count == 2


def test_what_is_required_is_named_with_its_stage(tmp_path: Path) -> None:
    work = Work(tmp_path)
    with pytest.raises(ConfigError, match=r"train/x: is missing, .* run the stage train first"):
        work.require("train/x", "a", "train")
    work.unit("train/x", "a", Maker())
    work.require("train/x", "a", "train")
    with pytest.raises(ConfigError):
        work.require("train/x", "b", "train")


def test_stages_are_selected_from_and_until() -> None:
    assert selected(None, None) == STAGES
    assert selected("retrain", "pack") == ("retrain", "lm", "pack")
    assert selected("report", None) == ("report",)
    assert selected(None, "prepare") == ("prepare",)
    with pytest.raises(ConfigError, match="tone: no such stage; expected one of prepare, train"):
        selected("tone", None)
    with pytest.raises(ConfigError, match="comes after"):
        selected("pack", "train")
