from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from commands import speechq
from rich.console import Console
from tiny_speech import RATE, tones

from speechq import Recognizer, Transcript
from speechq.cli.listen import follow, present
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
