"""The command line in a process of its own, and a small recipe for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from tiny_speech import environment

SMALL: dict[str, Any] = {
    "name": "small",
    "data": {
        "corpus": "synth",
        "options": {"train_utterances": 40, "dev_utterances": 6, "test_words": 40},
        "augment": {"time_mask": 10, "frequency_mask": 4},
    },
    "model": {"cell": "sru", "layers": 2, "hidden": 24, "dropout": 0.1},
    "train": {"epochs": 2, "batch_seconds": 40, "max_rows": 8, "workers": 1},
    "retrain": {
        "schemes": ["w8a8", "w3a8"],
        "methods": ["direct", "adaptive", "gradual", "lsq"],
        "epochs": 1,
        "seeds": [1, 2],
        "calibration_utterances": 8,
    },
}


def speechq(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """``speechq ARGUMENTS``; standard output and standard error are kept."""
    command = [sys.executable, "-m", "speechq", *map(str, arguments)]
    return subprocess.run(
        command, env=environment(), cwd=cwd, capture_output=True, text=True, timeout=300, check=False
    )


def times(folder: Path) -> dict[str, int]:
    """When each file was written last."""
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}
