"""The processor's event counters for a piece of this process, through the program ``perf`` where it works."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from speechq.errors import SpeechqError

# What Linux calls so: on most processors misses of the last cache, on some AMD ones of the second level.
CACHE_MISSES = "cache-misses"
LINE_BYTES = 64


class CountersMissing(SpeechqError):
    """Events cannot be counted here; the message says why."""


def count_events(event: str, work: Callable[[], object]) -> int:
    """How often ``event`` happened in this process while ``work`` ran.

    Raises CountersMissing where ``perf`` is missing, is not allowed to count, or the processor (often a
    virtual one) does not have the event.
    """
    program = shutil.which("perf")
    if program is None:
        raise CountersMissing("the program perf is not installed")
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "counts"
        command = [program, "stat", "-x,", "-o", str(output), "-e", event, "-p", str(os.getpid())]
        with _controlled(command) as (send, process):
            send("enable")
            work()
            send("disable")
            process.send_signal(signal.SIGINT)  # this is how perf is told to print
            process.wait()
        return _parse(output.read_text(encoding="utf-8"), event)


@contextmanager
def _controlled(command: list[str]) -> Iterator[tuple[Callable[[str], None], subprocess.Popen[str]]]:
    """Start ``perf stat`` with its counters off; what is sent to it has happened when ``send`` returns."""
    to_perf, commands = os.pipe()
    answers, from_perf = os.pipe()
    control = ["--delay=-1", f"--control=fd:{to_perf},{from_perf}"]
    process = subprocess.Popen(
        command + control,
        pass_fds=(to_perf, from_perf),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(to_perf)
    os.close(from_perf)

    def send(text: str) -> None:
        try:
            os.write(commands, f"{text}\n".encode())
        except BrokenPipeError:
            answer = b""
        else:
            answer = os.read(answers, 16)
        if not answer:  # perf has ended
            assert process.stderr is not None
            reason = " ".join(process.stderr.read().split("\n\n")[0].split())
            raise CountersMissing(f"perf cannot count here: {reason}")

    try:
        yield send, process
    finally:
        os.close(commands)
        os.close(answers)
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def _parse(text: str, event: str) -> int:
    """The count in the output of ``perf stat -x,``: ``count,unit,event,...``."""
    for line in text.splitlines():
        fields = line.split(",")
        if len(fields) > 2 and fields[2].startswith(event):
            if fields[0].isdigit():
                return int(fields[0])
            raise CountersMissing(f"this processor does not count {event}: perf says {fields[0]}")
    raise CountersMissing(f"perf gave no count of {event}")
