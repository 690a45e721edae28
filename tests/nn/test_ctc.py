"""The CTC loss against the sum over all alignments."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from speechq.nn.ctc import ctc_loss, least_frames


def collapse(path: tuple[int, ...]) -> list[int]:
    """Labels of an alignment: repeats merged, then blanks removed."""
    return [unit for unit, _ in itertools.groupby(path) if unit != 0]


def by_alignments(log_probs: torch.Tensor, labels: list[int]) -> float:
    frames, units = log_probs.shape
    total = 0.0
    for path in itertools.product(range(units), repeat=frames):
        if collapse(path) == labels:
            total += math.exp(sum(float(log_probs[t, unit]) for t, unit in enumerate(path)))
    return -math.log(total)


def test_loss_is_the_sum_over_alignments_of_ragged_rows() -> None:
    torch.manual_seed(0)
    labels = [[1, 2], [2, 2], [1], [], [2, 1, 2]]
    lengths = torch.tensor([5, 4, 1, 3, 3])
    logits = torch.randn(5, 5, 3, requires_grad=True)
    loss = ctc_loss(logits, labels, lengths)
    log_probs = logits.detach().log_softmax(dim=-1)
    expected = sum(by_alignments(log_probs[:n, b], labels[b]) for b, n in enumerate(lengths.tolist()))
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-5)
    loss.backward()
    assert logits.grad is not None
    # Each valid frame gets exactly one error: probabilities minus occupations sum to zero; padding gets none.
    assert logits.grad.sum(-1).abs().max() < 1e-5
    for row, length in enumerate(lengths.tolist()):
        assert torch.count_nonzero(logits.grad[length:, row]) == 0
        assert logits.grad[:length, row].abs().sum() > 0


@pytest.mark.parametrize("labels", [[], [1], [1, 2], [1, 1], [2, 2, 2, 1, 1], [1, 2, 1]])
def test_least_frames_is_where_the_first_alignment_appears(labels: list[int]) -> None:
    possible = [
        frames
        for frames in range(len(labels) * 2 + 1)
        if any(collapse(path) == labels for path in itertools.product(range(3), repeat=frames))
    ]
    assert least_frames(labels) == min(possible)
