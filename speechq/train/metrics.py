"""The log of a training run: ``metrics.jsonl``, one line per step and one per epoch."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from speechq.files import naming, write_text
from speechq.train import distributed

Log = Callable[[dict[str, Any]], None]


@contextmanager
def metrics_log(folder: Path, step: int, epoch: int) -> Iterator[Log]:
    """Append to ``folder/metrics.jsonl``, and to TensorBoard where it is installed.

    Lines behind ``step`` and ``epoch`` (those done so far), which a killed run wrote after its last
    checkpoint, are dropped: the resumed run writes them again. ``seconds`` counts the time in training over
    all sessions.
    """
    if not distributed.is_first():
        yield lambda row: None
        return
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "metrics.jsonl"
    kept = _kept(path, step, epoch)
    write_text(path, "".join(json.dumps(row) + "\n" for row in kept))
    begun = time.monotonic() - (float(kept[-1].get("seconds", 0.0)) if kept else 0.0)
    board = _board(folder, step)
    with path.open("a", encoding="utf-8") as file:

        def log(row: dict[str, Any]) -> None:
            with naming(path):
                file.write(json.dumps({**row, "seconds": round(time.monotonic() - begun, 3)}) + "\n")
                file.flush()
            if board is not None:
                for key in row.keys() - {"step", "epoch"}:
                    board.add_scalar(key, row[key], row["step"])

        try:
            yield log
        finally:
            if board is not None:
                board.close()


def _kept(path: Path, step: int, epoch: int) -> list[dict[str, Any]]:
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            row = json.loads(line)
            if row["step"] <= step and not ("dev_loss" in row and row["epoch"] > epoch):
                rows.append(row)
        except (ValueError, KeyError, TypeError):
            continue  # cut off by a kill
    return rows


def _board(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "tensorboard"), purge_step=step or None)
