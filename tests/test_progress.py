from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console

from speechq import progress as module
from speechq.progress import AUDIO, progress, say


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_a_pipe_gets_a_plain_line_now_and_then(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with progress("float epoch 1/3", 100, "batches") as bar:
        bar.resume(10)
        for _ in range(30):
            clock[0] += 1.0
            bar.advance(1, "loss 2.5")
    assert (
        capsys.readouterr().err == "float epoch 1/3: 30 of 100 batches  1.0 batches/s  loss 2.5  70 s left\n"
    )


def test_audio_is_counted_in_hours(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with progress("features", 7200, AUDIO) as bar:
        clock[0] += 25.0
        bar.advance(3600)
    assert capsys.readouterr().err == "features: 1.00 of 2.00 h  144 x real time  25 s left\n"


def test_what_is_quick_says_nothing(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with progress("features", 2, AUDIO) as bar:
        clock[0] += 3.0
        bar.advance(2)
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(module, "console", Console(file=out, force_terminal=True, width=100))
    with progress("features", 7200, AUDIO) as bar:
        bar.advance(3600, "note")
        say("a [line] between")
    shown = out.getvalue()
    assert "50%" in shown
    assert "1.00 of 2.00 h" in shown
    assert "x real time  note" in shown
    assert "a [line] between" in shown


def test_results_on_their_way_to_a_file_do_not_end_on_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = io.StringIO()
    monkeypatch.setattr(module, "console", Console(file=out, force_terminal=True, width=100))
    with progress("transcribe", 10, AUDIO):
        sys.stdout.write("a.wav\tWORDS\n")
    assert capsys.readouterr().out == "a.wav\tWORDS\n"
    assert "WORDS" not in out.getvalue()


def test_long_lines_are_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(module, "console", Console(file=out, width=20))
    say("word " * 30)
    assert out.getvalue().count("\n") == 1


def test_the_other_processes_of_torchrun_are_silent(
    clock: list[float], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "1")
    with progress("features", 7200, AUDIO) as bar:
        clock[0] += 25.0
        bar.advance(3600)
    say("hello")
    assert capsys.readouterr().err == ""
