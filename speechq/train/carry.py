"""The states of the streams that the rows of a batch belong to, kept from batch to batch."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speechq.nn.layer import State
from speechq.nn.stack import Network
from speechq.train import distributed


class Carry:
    """One state per stream. With several processes row r belongs to process ``r % world``."""

    def __init__(self, model: Network, streams: int) -> None:
        self._layers = model.initial_state(streams)

    def before(self, rows: list[int], fresh: NDArray[np.bool_]) -> list[State]:
        """The state that each row starts from: its stream's, or zero where it is ``fresh``."""
        zero = torch.tensor([[fresh[row]] for row in rows]).to(self._layers[0][0].device)
        return [tuple(part[..., rows, :].masked_fill(zero, 0.0) for part in layer) for layer in self._layers]

    def keep(self, rows: list[int], after: list[State]) -> None:
        """The states in which ``rows`` ended."""
        for kept, new in zip(self._layers, after, strict=True):
            for part, value in zip(kept, new, strict=True):
                part[..., rows, :] = value.detach().to(part.dtype)

    def tensors(self) -> dict[str, Tensor]:
        """All states, for a checkpoint; all processes must call this."""
        owned = [part for layer in self._layers for part in layer]
        if distributed.world() > 1:
            owned = [part.clone() for part in owned]
            for part in owned:
                mask = torch.zeros(part.shape[-2], 1, device=part.device)
                mask[distributed.rank() :: distributed.world()] = 1.0
                part.mul_(mask)
            distributed.sum_in_place(owned)
        return {str(k): part for k, part in enumerate(owned)}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put back what ``tensors`` gave."""
        for k, part in enumerate(part for layer in self._layers for part in layer):
            part.copy_(tensors[str(k)])
