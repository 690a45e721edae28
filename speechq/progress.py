"""Progress: a bar with rate and time left on a terminal, a plain line now and then otherwise."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

AUDIO = "s of audio"
_PLAIN_SECONDS = 20.0
console = Console(stderr=True)


def _silent() -> bool:
    """Under torchrun only the first process speaks."""
    return os.environ.get("RANK", "0") != "0"


class Bar:
    """What a caller advances; ``note`` is shown behind the rate. The unit ``AUDIO`` is shown as hours
    or minutes."""

    def __init__(self, title: str, total: float, unit: str, shown: Progress | None) -> None:
        self.title, self.total, self.unit = title, total, unit
        self.done = 0.0
        self._shown = shown
        self._task = shown.add_task(title, total=total, note="") if shown else None
        self._start = self._said = time.monotonic()
        self._begun = 0.0

    def advance(self, amount: float = 1.0, note: str = "") -> None:
        """Count ``amount`` units more."""
        self.done += amount
        now = time.monotonic()
        rate = (self.done - self._begun) / max(now - self._start, 1e-9)
        text = f"{self._rate(rate)}  {note}".rstrip()
        if self._shown is not None and self._task is not None:
            self._shown.update(self._task, completed=self.done, note=f"{self._share()}  {text}")
        elif now - self._said >= _PLAIN_SECONDS and not _silent():
            self._said = now
            left = max(self.total - self.done, 0.0) / max(rate, 1e-9)
            print(f"{self.title}: {self._share()}  {text}  {left:.0f} s left", file=sys.stderr, flush=True)

    def resume(self, done: float) -> None:
        """Start from ``done`` units that an earlier run did; they do not count in the rate."""
        self.done = self._begun = done
        if self._shown is not None and self._task is not None:
            self._shown.update(self._task, completed=done)

    def _rate(self, rate: float) -> str:
        return f"{rate:,.0f} x real time" if self.unit == AUDIO else f"{rate:,.1f} {self.unit}/s"

    def _share(self) -> str:
        if self.unit == AUDIO:
            name, seconds = ("h", 3600) if self.total >= 3600 else ("min", 60)
            return f"{self.done / seconds:,.2f} of {self.total / seconds:,.2f} {name}"
        return f"{self.done:,.0f} of {self.total:,.0f} {self.unit}"


@contextmanager
def progress(title: str, total: float, unit: str) -> Iterator[Bar]:
    """Show progress while the block runs."""
    if not console.is_terminal or _silent():
        yield Bar(title, total, unit, None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    with Progress(
        *columns,
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        redirect_stdout=sys.stdout.isatty(),  # else results on their way to a file would end on the screen
    ) as shown:
        yield Bar(title, total, unit, shown)


def say(text: str) -> None:
    """A line for the person at the terminal, on standard error: tables on standard output stay clean."""
    if not _silent():
        console.print(text, highlight=False, markup=False, soft_wrap=True)
