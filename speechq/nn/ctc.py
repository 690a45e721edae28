"""Connectionist temporal classification: the loss, and the lattice's shortest length."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional


def least_frames(labels: Sequence[int]) -> int:
    """Frames that a label sequence needs at least: one per label, and one blank between repeats."""
    repeats = sum(a == b for a, b in pairwise(labels))
    return len(labels) + repeats


def ctc_loss(logits: Tensor, labels: Sequence[Sequence[int]], lengths: Tensor) -> Tensor:
    """Sum over utterances of ``-log P(labels | logits)``; ``logits`` [T, B, V], blank 0; ``lengths`` [B].

    Graves et al. 2006. An utterance too long for its lattice must have been taken out before
    (``least_frames``).
    """
    log_probs = functional.log_softmax(logits.float(), dim=-1)
    counts = torch.tensor([len(label) for label in labels], dtype=torch.long)
    flat = torch.tensor([unit for label in labels for unit in label], dtype=torch.long).to(logits.device)
    return functional.ctc_loss(log_probs, flat, lengths.cpu(), counts, blank=0, reduction="sum")
