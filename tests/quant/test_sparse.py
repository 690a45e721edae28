"""Structured sparsity: the largest of every group."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from speechq.quant.quantizers import WeightQuantizer
from speechq.quant.rounding import optimal_steps
from speechq.quant.sparse import largest_of_groups


def slow_mask(
    weight: np.ndarray[tuple[int, int], np.dtype[np.float32]], group: int, kept: int
) -> list[list[int]]:
    """Group by group, the magnitudes one after the other."""
    mask = []
    for row in weight:
        found = [0] * len(row)
        for start in range(0, len(row), group):
            columns = list(range(start, min(start + group, len(row))))
            for _ in range(min(kept, len(columns))):
                best = max(columns, key=lambda c: (abs(row[c]), -c))
                columns.remove(best)
                found[best] = 1
        mask.append(found)
    return mask


@given(
    st.integers(1, 4),
    st.integers(1, 20),
    st.integers(2, 9),
    st.integers(1, 9),
    st.integers(0, 2**31),
    st.booleans(),
)
def test_the_mask_keeps_the_largest_of_every_group(
    rows: int, columns: int, group: int, kept: int, seed: int, ties: bool
) -> None:
    rng = np.random.default_rng(seed)
    weight = rng.standard_normal((rows, columns)).astype(np.float32)
    weight = np.round(weight) if ties else weight
    kept = min(kept, group)
    found = largest_of_groups(torch.from_numpy(weight), group, kept)
    assert found.int().tolist() == slow_mask(weight, group, kept)


def test_the_forward_pass_sees_the_kept_weights_and_all_masters_learn() -> None:
    weight = torch.randn(5, 20, generator=torch.Generator().manual_seed(1)).requires_grad_()
    quantizer = WeightQuantizer(2, 5, 20, per_row=True, rule="adaptive")
    quantizer.sparsity = (8, 2)
    quantizer.initialize(weight)
    value = quantizer(weight)
    mask = torch.tensor(slow_mask(weight.detach().numpy(), 8, 2))
    masked = (weight.detach() * mask).numpy()
    steps = optimal_steps(masked, 2, per_row=True)
    expected = np.sign(masked) * (np.abs(masked) / steps[:, None] >= 0.5) * steps[:, None]
    np.testing.assert_allclose(value.detach().numpy(), expected, rtol=1e-6)
    assert int((value != 0).sum(1).max()) <= 6
    gradient = torch.randn(5, 20, generator=torch.Generator().manual_seed(2))
    value.backward(gradient)
    assert weight.grad is not None
    assert torch.equal(weight.grad, gradient)


def test_steps_adapt_to_the_kept_weights() -> None:
    weight = torch.randn(3, 16, generator=torch.Generator().manual_seed(3))
    for normalized in (False, True):
        quantizer = WeightQuantizer(2, 3, 16, per_row=True, rule="adaptive")
        quantizer.sparsity, quantizer.normalized = (8, 3), normalized
        quantizer.initialize(weight)
        before = quantizer.step.clone()
        quantizer.adapt(weight)
        mask = slow_mask(weight.numpy(), 8, 3)
        sums = []
        for row, allowed, step in zip(weight.tolist(), mask, before.tolist(), strict=True):
            spread = float(np.std(row)) if normalized else 1.0
            codes = [m * (abs(w) / step >= 0.5) for w, m in zip(row, allowed, strict=True)]
            sums.append(
                (sum(abs(w) / spread * z for w, z in zip(row, codes, strict=True)), sum(codes), spread)
            )
        if normalized:  # one share of every row's deviation
            share = sum(s for s, _, _ in sums) / sum(n for _, n, _ in sums)
            expected = [share * spread for _, _, spread in sums]
        else:
            expected = [s / n for s, n, _ in sums]
        torch.testing.assert_close(quantizer.step, torch.tensor(expected), rtol=1e-5, atol=1e-6)
