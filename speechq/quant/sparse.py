"""Structured sparsity: at most k of n neighbouring weights of a row are not zero (1707.03684)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def largest_of_groups(weight: Tensor, group: int, kept: int) -> Tensor:
    """Mask of ``weight`` [rows, columns]: 1 for the ``kept`` largest magnitudes of every ``group`` columns.

    Groups lie along the inputs; the last one of a row may be shorter. Of equal magnitudes the first counts.
    """
    rows, columns = weight.shape
    size = functional.pad(weight.detach().abs(), (0, -columns % group), value=-1.0).view(rows, -1, group)
    order = torch.sort(size, dim=-1, descending=True, stable=True).indices
    mask = torch.zeros_like(size).scatter_(-1, order[..., :kept], 1.0)
    return mask.view(rows, -1)[:, :columns]
