from __future__ import annotations

import io
import sys
import threading
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr
from commands import speechq
from rich.console import Console
from tiny_speech import RATE, tones

from speechq import Recognizer, Transcript
from speechq.cli.listen import follow, listen, present
from speechq.errors import ConfigError, DataError, ModelError
from speechq.runtime.microphone import level


def test_segments_are_written_as_they_end(tones_model: Path) -> None:
    samples = np.concatenate([tones(text, np.random.default_rng(1), 0.5, 1.5) for text in ("ACE B", "FAD")])
    written = io.StringIO()
    pieces = [samples[k : k + 1600] for k in range(0, len(samples), 1600)]
    follow(Recognizer.load(tones_model), pieces, RATE, Console(file=written, width=80))
    assert [line for line in written.getvalue().splitlines() if line.strip()][:2] == ["ACE B", "FAD"]


def test_ctrl_c_finishes_the_segment(tones_model: Path) -> None:
    def pieces():
        yield tones("ACE B", np.random.default_rng(1), 0.5, 0.3)
        raise KeyboardInterrupt

    written = io.StringIO()
    follow(Recognizer.load(tones_model), pieces(), RATE, Console(file=written, width=80))
    assert "ACE B" in written.getvalue()


def test_what_may_change_is_grey() -> None:
    shown = present(Transcript("ABC DE", (), "ABC", 0, 1, False), 0.5)
    assert shown.plain == "█" * 10 + "·" * 10 + "  ABC DE"
    assert any(
        str(span.style) == "dim" and shown.plain[span.start : span.end] == " DE" for span in shown.spans
    )


def test_the_meter_covers_sixty_decibels() -> None:
    assert level(np.zeros(100, np.float32)) == level(np.zeros(0, np.float32)) == 0.0
    assert level(np.ones(100, np.float32)) == 1.0
    assert level(np.full(100, 10 ** (-30 / 20), np.float32)) == pytest.approx(0.5, abs=1e-6)


class FakePortAudio(types.ModuleType):
    """The module sounddevice as far as used: a device that plays samples, and may live on after them."""

    class PortAudioError(Exception):
        pass

    def __init__(self, samples: np.ndarray, rate: int, end: Callable[[], bool] = lambda: False) -> None:
        super().__init__("sounddevice")
        self.samples, self.rate, self.end = samples, rate, end
        self.asked: list[object] = []
        self.opened: list[FakeStream] = []

    def query_devices(self, device: object = None, kind: str | None = None) -> object:
        names = ["Speakers", "Desk microphone"]
        if kind is None:
            return [{"name": name, "max_input_channels": k} for k, name in enumerate(names)]
        self.asked.append(device)
        if device not in (None, 1, "Desk"):
            raise ValueError(f"No input device matching {device!r}")
        return {"name": names[1], "default_samplerate": float(self.rate)}

    def InputStream(self, rate: int, **options: object) -> FakeStream:
        assert (rate, options["channels"], options["dtype"]) == (self.rate, 1, "float32")
        self.opened.append(FakeStream(self, options["callback"]))
        return self.opened[-1]


class FakeStream:
    """Calls back from a thread of its own, with a buffer that it uses again, as PortAudio does."""

    def __init__(self, device: FakePortAudio, callback: Any) -> None:
        self.device, self.callback = device, callback
        self.played = self.closed = False

    @property
    def active(self) -> bool:
        return self.device.end() if self.played else True

    def start(self) -> None:
        threading.Thread(target=self._play, daemon=True).start()

    def _play(self) -> None:
        buffer = np.empty((512, 1), np.float32)
        for start in range(0, len(self.device.samples), 512):
            part = self.device.samples[start : start + 512]
            buffer[: len(part), 0] = part
            self.callback(buffer[: len(part)], len(part), None, None)
            time.sleep(1e-4)
        self.played = True

    def close(self) -> None:
        self.closed = True


def fake(monkeypatch: pytest.MonkeyPatch, **options: Any) -> FakePortAudio:
    rng = np.random.default_rng(1)
    said = np.concatenate([tones(text, rng, 0.5, pause) for text, pause in (("ACE B", 1.5), ("FAD", 0.3))])
    module = FakePortAudio(soxr.resample(said, RATE, 48000), 48000, **options)
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return module


def test_a_microphone_is_heard_until_ctrl_c(
    tones_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ctrl_c() -> bool:
        raise KeyboardInterrupt

    module = fake(monkeypatch, end=ctrl_c)
    listen(tones_model, "1")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert lines[:1] == ["ACE B"]
    assert lines[-1] == "FAD"
    assert module.asked == [1]
    assert module.opened[0].closed


def test_a_microphone_that_is_unplugged_ends_with_the_words_and_a_sentence(
    tones_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = fake(monkeypatch)
    with pytest.raises(DataError, match="unplugged"):
        listen(tones_model, None)
    assert "FAD" in capsys.readouterr().out
    assert module.opened[0].closed


def test_a_microphone_that_is_not_there_is_named_with_those_that_are(
    tones_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = fake(monkeypatch)
    with pytest.raises(ConfigError, match=r"'Kitchen' cannot be used .*there are: Desk microphone$"):
        listen(tones_model, "Kitchen")
    with pytest.raises(ModelError, match="no such model"):
        listen(tmp_path / "none.sqm", None)

    def busy(*arguments: object, **options: object) -> None:
        raise module.PortAudioError("Device unavailable")

    monkeypatch.setattr(FakeStream, "start", busy)
    with pytest.raises(ConfigError, match=r"the default microphone cannot be used .Device unavailable"):
        listen(tones_model, None)
    monkeypatch.setattr(module, "query_devices", busy)
    with pytest.raises(ConfigError, match="there is no microphone"):
        listen(tones_model, None)


def test_a_missing_microphone_is_a_sentence(tones_model: Path) -> None:
    """On a machine without package, PortAudio or device; elsewhere there is nothing to see."""
    try:
        import sounddevice

        if any(device["max_input_channels"] for device in sounddevice.query_devices()):
            pytest.skip("there is a microphone")
    except (ImportError, OSError):
        pass
    done = speechq("listen", tones_model)
    assert done.returncode == 2
    assert done.stderr.startswith("speechq: ")
    assert "sounddevice" in done.stderr or "PortAudio" in done.stderr
    assert "Traceback" not in done.stderr
