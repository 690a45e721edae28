"""``speechq listen``"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from speechq.cli.arguments import MODEL

if TYPE_CHECKING:
    from speechq.runtime.microphone import FloatArray
    from speechq.runtime.recognizer import Recognizer
    from speechq.runtime.transcript import Transcript

HELP = """Write down what is said into the microphone, while it is said; Ctrl-C ends.

Words that may still change are grey. Needs the extra `mic`.

Example: **speechq listen**
"""
_METER = 20


def listen(
    model: Path | None = MODEL,
    device: str | None = typer.Option(None, help="Name or number of the microphone."),
) -> None:
    from speechq.runtime.microphone import microphone
    from speechq.runtime.recognizer import Recognizer

    recognizer = Recognizer.load(model)
    with microphone(device) as (pieces, rate):
        follow(recognizer, pieces, rate, Console())


def follow(recognizer: Recognizer, pieces: Iterable[FloatArray], rate: int, console: Console) -> None:
    """Show the words of ``pieces`` of sound at ``rate``: segments as lines, the current one below."""
    from speechq.runtime.microphone import level

    stream = recognizer.create_stream(endpointing=True)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        try:
            for samples in pieces:
                stream.accept_waveform(samples, rate)
                recognizer.decode([stream])
                for segment in stream.segments():
                    live.console.print(segment.text, highlight=False, markup=False)
                live.update(present(stream.result, level(samples)), refresh=True)
        except KeyboardInterrupt:
            pass
        finally:  # what was said last is written whatever ended the sound
            stream.input_finished()
            recognizer.decode([stream])
            for segment in stream.segments():
                live.console.print(segment.text, highlight=False, markup=False)


def present(transcript: Transcript, loudness: float) -> Text:
    """A level meter, and the text of a segment: what is stable, then what may change."""
    bar = round(_METER * loudness)
    return Text.assemble(
        ("█" * bar, "green" if loudness < 0.95 else "red"),
        ("·" * (_METER - bar), "dim"),
        "  ",
        transcript.stable_text,
        (transcript.partial, "dim"),
    )
