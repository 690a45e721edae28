"""Batch normalization over valid frames, and its folding into the packed matrices."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import CELLS, batch, network, packed, quantized, rows_of
from torch.nn import functional

from speechq import _native
from speechq.nn.norm import MaskedBatchNorm, normalize
from speechq.quant.reference import forward


def test_statistics_are_those_of_the_valid_frames() -> None:
    norm = MaskedBatchNorm(6, momentum=0.25)
    x, lengths = batch(7, 4, 1, width=6)
    padded = x + (x == 0) * 99.0  # what lies behind a row's end must not matter
    out = norm(padded, lengths)
    valid = np.concatenate(rows_of(x, lengths))
    mean, variance = valid.mean(0), valid.var(0)
    expected = (valid - mean) / np.sqrt(variance + norm.eps)
    np.testing.assert_allclose(np.concatenate(rows_of(out.detach(), lengths)), expected, atol=2e-5)
    np.testing.assert_allclose(norm.mean.numpy(), 0.25 * mean, atol=1e-6)
    np.testing.assert_allclose(norm.variance.numpy(), 0.75 + 0.25 * variance, atol=1e-6)


def test_equals_torch_on_full_rows_in_both_modes() -> None:
    torch.manual_seed(0)
    norm, x = MaskedBatchNorm(5, momentum=0.1), torch.randn(9, 4, 5, requires_grad=True)
    lengths = torch.full((4,), 9)
    norm.gain.data.uniform_(0.5, 2)
    norm.shift.data.normal_()
    theirs = torch.nn.BatchNorm1d(5, momentum=0.1)
    theirs.load_state_dict({"weight": norm.gain, "bias": norm.shift}, strict=False)
    flat = x.view(-1, 5)
    a, b = norm(x, lengths), theirs(flat).view_as(x)
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)
    weight = torch.randn_like(x)
    for one, two in zip(*(torch.autograd.grad((y * weight).sum(), x) for y in (a, b)), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)
    running = functional.batch_norm(flat, norm.mean, norm.variance, norm.gain, norm.shift, eps=norm.eps)
    torch.testing.assert_close(norm.eval()(x, lengths), running.view_as(x), rtol=1e-5, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 90), min_size=1, max_size=5),
    features=st.integers(1, 40),
    seed=st.integers(0, 2**32 - 1),
)
def test_native_norm_equals_plain_torch(lengths: list[int], features: int, seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    frames, rows = max(1, *lengths), torch.tensor(lengths)
    x = torch.randn(frames, len(lengths), features, generator=rng, dtype=torch.float64) * 3 + 1
    weight = torch.randn(x.shape, generator=rng, dtype=torch.float64)
    weight *= (torch.arange(frames)[:, None] < rows)[..., None]
    vectors = [torch.randn(features, generator=rng, dtype=torch.float64) for _ in range(2)]

    def outcome(reference: bool) -> list[torch.Tensor]:
        inputs = [tensor.clone().requires_grad_() for tensor in (x, *vectors)]
        out, mean, variance = normalize(inputs[0], rows, *inputs[1:], 1e-5, reference=reference)
        return [out, mean, variance, *torch.autograd.grad((out * weight).sum(), inputs)]

    plain, before = outcome(True), torch.get_num_threads()
    try:
        for isa in _native.available_isas():
            for threads in (1, 2):
                _native.set_isa(isa)
                torch.set_num_threads(threads)
                for ours, theirs in zip(outcome(False), plain, strict=True):
                    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
    finally:
        torch.set_num_threads(before)
        _native.set_isa(_native.available_isas()[-1])


def test_gradients_of_the_native_norm() -> None:
    torch.manual_seed(3)
    x = torch.randn(6, 3, 4, dtype=torch.float64, requires_grad=True)
    gain, shift = (torch.randn(4, dtype=torch.float64, requires_grad=True) for _ in range(2))

    def valid(*inputs: torch.Tensor) -> torch.Tensor:
        out, _, _ = normalize(inputs[0], torch.tensor([6, 4, 1]), inputs[1], inputs[2], 1e-3)
        return torch.cat([out[:6, 0], out[:4, 1], out[:1, 2]])

    assert torch.autograd.gradcheck(valid, (x, gain, shift))


def test_frozen_norm_keeps_its_statistics_in_training() -> None:
    model = network("sru", batch_norm=True)
    x, lengths = batch(9, 5)
    before = {name: value.clone() for name, value in model.named_buffers()}
    expected, _ = model(x, lengths)
    model.freeze_norms()
    out, _ = model.train()(x, lengths)
    torch.testing.assert_close(out, expected)
    assert all(torch.equal(value, before[name]) for name, value in model.named_buffers())


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("name", CELLS)
def test_packed_float_network_equals_the_network(name: str, norm: bool) -> None:
    model = network(name, batch_norm=norm)
    x, lengths = batch(11, 6, 1)
    with torch.no_grad():
        expected = functional.log_softmax(model(x, lengths)[0], dim=-1)
    outputs = forward(packed(model), rows_of(x, lengths))
    for ours, theirs in zip(outputs, rows_of(expected, lengths), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("per_row", [True, False])
@pytest.mark.parametrize("name", CELLS)
def test_folding_changes_steps_and_biases_but_no_code(name: str, per_row: bool) -> None:
    model = quantized(network(name, batch_norm=True), "w3a8", per_row=per_row)
    for layer in model.recurrent_layers():
        folded = layer.export()
        norms, layer.norms = layer.norms, torch.nn.ModuleDict()
        plain = layer.export()
        layer.norms = norms
        assert folded.matrices.keys() == plain.matrices.keys()
        for role, matrix in folded.matrices.items():
            np.testing.assert_array_equal(matrix.codes, plain.matrices[role].codes)
            if role in norms:
                factor, _ = norms[role].folded()
                expected = plain.matrices[role].steps * factor.numpy()
                np.testing.assert_allclose(matrix.steps, expected, rtol=1e-6)
                assert matrix.steps.shape == (len(matrix.codes),)
            else:
                np.testing.assert_array_equal(matrix.steps, plain.matrices[role].steps)
        assert folded.signals == plain.signals
        assert any(not np.array_equal(folded.vectors[key], plain.vectors.get(key)) for key in folded.vectors)
        same = {"v", "peepholes"} & folded.vectors.keys()
        assert all(np.array_equal(folded.vectors[key], plain.vectors[key]) for key in same)
