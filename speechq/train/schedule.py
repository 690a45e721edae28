"""Learning rates as a function of how much of the training is done."""

from __future__ import annotations

import math

from speechq.config import LoopConfig


def rate_at(config: LoopConfig, share: float) -> float:
    """The learning rate when ``share`` (0 to 1) of the training is done.

    ``one_cycle``: rises linearly during ``warmup``, then falls as a cosine to ``final_rate`` of the highest.
    ``constant`` and ``retry`` give the configured rate (``retry`` changes it by its own rule).
    """
    if config.schedule != "one_cycle":
        return config.learning_rate
    if share < config.warmup:
        return config.learning_rate * max(share / config.warmup, 0.04)
    fallen = (share - config.warmup) / max(1.0 - config.warmup, 1e-9)
    low = config.final_rate
    return config.learning_rate * (low + (1.0 - low) * 0.5 * (1.0 + math.cos(math.pi * min(fallen, 1.0))))
