"""Checks of what the recurrences are given."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from speechq.errors import ModelError


def row_lengths(lengths: Tensor, batch: int) -> Tensor:
    """``lengths`` as a contiguous int64 CPU tensor."""
    if lengths.shape != (batch,):
        raise ModelError(
            f"lengths must have the shape [{batch}], one per row of the batch, not {tuple(lengths.shape)}"
        )
    return lengths.detach().to(device="cpu", dtype=torch.int64).contiguous()


def check_shape(name: str, tensor: Tensor, shape: Sequence[int]) -> None:
    """Raise ModelError unless ``tensor`` has ``shape``."""
    if tuple(tensor.shape) != tuple(shape):
        raise ModelError(f"{name} must have the shape {tuple(shape)}, not {tuple(tensor.shape)}")
