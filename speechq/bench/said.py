"""Long recordings made of a test set: its utterances with quiet pauses between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speechq.data.audio import read_audio

_QUIET = 1e-3  # of full scale: what a room sounds like; digital silence is nothing that a network has heard


def with_pauses(paths: Iterable[Path], seconds: float, rate: int) -> Iterator[NDArray[np.float32]]:
    """Each recording at ``rate`` per second, followed by ``seconds`` of pause."""
    rng = np.random.default_rng(1)
    for path in paths:
        pause = _QUIET * rng.standard_normal(int(seconds * rate))
        yield np.concatenate([read_audio(path, rate), pause.astype(np.float32)])
