"""Units of work in a folder: each is done once for what it depends on, and goes on if it was killed."""

from __future__ import annotations

import fcntl
import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speechq.errors import ConfigError
from speechq.files import remove_stale, write_json
from speechq.progress import say
from speechq.train import distributed

STAGES = ("prepare", "train", "retrain", "lm", "pack", "tune", "evaluate", "report")


@dataclass(frozen=True)
class Work:
    """A work folder. Every unit of work has a folder in it, with a stamp of what made it."""

    folder: Path

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Within, no other run works in the folder; ConfigError if one does already.

        The system gives the lock back when its process ends, however that ends. Of the processes of
        ``torchrun`` the first holds it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("ab") as file:
            if distributed.is_first():
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise ConfigError(
                        f"{self.folder}: another speechq is at work in this folder; wait, or take another"
                    ) from None
                except OSError:
                    pass  # a file system without locks
            yield

    def unit(
        self,
        name: str,
        key: str,
        make: Callable[[Path], None],
        outputs: Iterable[Path] = (),
    ) -> None:
        """Run ``make(folder)`` unless the folder's stamp says that it was done with the same ``key``.

        A folder that was begun with the same key is handed over as it is, so that a killed run goes on; one
        made with another key is cleared first. If one of ``outputs`` is missing, the unit is made again. All
        processes of ``torchrun`` that work together call this; the first decides, clears and stamps.
        """
        folder = self.folder / name
        done = self.is_done(name, key) and all(path.exists() for path in outputs)
        if distributed.first_decides(done):
            return
        spent = self._begin(folder, key) if distributed.is_first() else 0.0
        distributed.barrier()
        begun = time.monotonic()
        finished = False
        try:
            make(folder)
            finished = True
        finally:
            if distributed.is_first():
                spent += time.monotonic() - begun
                write_json(folder / "stamp.json", {"key": key, "done": finished, "seconds": round(spent, 3)})
        if spent >= 1.0:
            say(f"{name}: done in {spent:.0f} s")

    def _begin(self, folder: Path, key: str) -> float:
        """Clear what another key made, stamp the folder as begun; the seconds spent on it before."""
        stamp = folder / "stamp.json"
        found = _read(stamp)
        if found.get("key") != key and folder.exists():
            stamp.unlink(missing_ok=True)  # first: a folder half cleared must not look done
            shutil.rmtree(folder)
        remove_stale(folder)
        spent = float(found.get("seconds", 0.0)) if found.get("key") == key else 0.0
        write_json(stamp, {"key": key, "done": False, "seconds": spent})
        return spent

    def is_done(self, name: str, key: str) -> bool:
        """Whether the unit was finished with this key."""
        found = _read(self.folder / name / "stamp.json")
        return found.get("key") == key and found.get("done") is True

    def require(self, name: str, key: str, stage: str) -> None:
        """ConfigError unless the unit, made by an earlier stage that was left out, is up to date."""
        if not self.is_done(name, key):
            raise ConfigError(
                f"{self.folder / name}: is missing, or made with other settings; run the stage {stage} first"
            )

    def seconds(self, stage: str) -> float:
        """Time spent so far in the units of a stage."""
        stamps = sorted((self.folder / stage).rglob("stamp.json"))
        return sum(float(_read(stamp).get("seconds", 0.0)) for stamp in stamps)


def _read(stamp: Path) -> dict[str, Any]:
    """The content of a stamp; nothing if there is none, or a damaged one."""
    try:
        found = json.loads(stamp.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def selected(first: str | None, last: str | None) -> tuple[str, ...]:
    """The stages from ``first`` to ``last``; ConfigError for an unknown one."""
    for stage in (first, last):
        if stage is not None and stage not in STAGES:
            raise ConfigError(f"{stage}: no such stage; expected one of {', '.join(STAGES)}")
    start = STAGES.index(first) if first else 0
    stop = STAGES.index(last) if last else len(STAGES) - 1
    if stop < start:
        raise ConfigError(f"--from {first} --until {last}: the first stage comes after the last")
    return STAGES[start : stop + 1]
