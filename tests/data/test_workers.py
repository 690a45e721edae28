from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_speech import environment

from speechq.data.workers import run_all
from speechq.errors import DataError


def square(number: int, refuse: int = -1) -> int:
    if number == refuse:
        raise DataError(f"job {number} is refused")
    return number * number


def die(number: int) -> None:
    os._exit(3)


@pytest.mark.parametrize("workers", [1, 2])
def test_every_job_is_done_once(workers: int) -> None:
    assert sorted(run_all(square, [(k,) for k in range(5)], workers)) == [(k, k * k) for k in range(5)]


def test_an_error_of_a_worker_comes_back() -> None:
    with pytest.raises(DataError, match="job 1 is refused"):
        list(run_all(square, [(0, 1), (1, 1), (2, 1)], 2))


def test_a_worker_that_dies_is_an_error() -> None:
    with pytest.raises(DataError, match="a process died"):
        list(run_all(die, [(0,), (1,)], 2))


SCRIPT = """
import os, sys, time
from pathlib import Path
from speechq.data.workers import run_all

def job(folder, k):
    Path(folder, str(os.getpid())).touch()
    time.sleep(60)

if __name__ == "__main__":
    list(run_all(job, [(sys.argv[1], k) for k in range(4)], 2))
"""


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to look for processes")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_survives(tmp_path: Path, how: signal.Signals) -> None:
    script, marks = tmp_path / "script.py", tmp_path / "marks"
    script.write_text(SCRIPT)
    marks.mkdir()
    process = subprocess.Popen(
        [sys.executable, str(script), str(marks)],
        env=environment(),
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    begun = time.monotonic()
    while len(list(marks.iterdir())) < 2 and time.monotonic() - begun < 30:
        time.sleep(0.02)
    workers = [int(mark.name) for mark in marks.iterdir()]
    assert len(workers) == 2
    if how is signal.SIGINT:
        os.killpg(process.pid, how)  # as a terminal does
    else:
        process.kill()
    process.wait(timeout=20)
    begun = time.monotonic()
    while any(alive(pid) for pid in workers) and time.monotonic() - begun < 10:
        time.sleep(0.02)
    assert not [pid for pid in workers if alive(pid)]
