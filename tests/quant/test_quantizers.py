"""Quantizers of training against loops, the papers' formulas, and autograd of the plain form."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from speechq.quant.quantizers import SignalQuantizer, StepRule, WeightQuantizer
from speechq.quant.rounding import code, optimal_step, optimal_steps, qmax_of


def weights(rows: int = 6, columns: int = 50, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, columns, generator=generator) * torch.linspace(0.1, 2.0, rows)[:, None]


def quantizer(bits: int, weight: Tensor, rule: StepRule, *, per_row: bool = True) -> WeightQuantizer:
    made = WeightQuantizer(bits, *weight.shape, per_row=per_row, rule=rule)
    made.initialize(weight)
    return made


@pytest.mark.parametrize("per_row", [True, False])
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_weights_lie_on_the_grid_of_the_best_steps(bits: int, per_row: bool) -> None:
    weight = weights()
    weight[2] = 0.0
    made = quantizer(bits, weight, "fixed", per_row=per_row)
    steps = optimal_steps(weight.numpy(), bits, per_row=per_row)
    np.testing.assert_array_equal(made.step.numpy(), steps)
    column = steps[:, None] if per_row else steps
    expected = column * code(weight.numpy(), column, qmax_of(bits)).astype(np.float32)
    np.testing.assert_array_equal(made(weight).numpy(), expected)


def test_gradient_passes_saturated_weights_unmasked() -> None:
    weight = torch.tensor([[0.1, -9.0, 0.6, 30.0]], requires_grad=True)
    made = WeightQuantizer(2, 1, 4, per_row=True, rule="adaptive")
    made.step.fill_(0.5)
    out = made(weight)
    assert out.tolist() == [[0.0, -0.5, 0.5, 0.5]]
    upstream = torch.tensor([[1.0, 2.0, 3.0, -4.0]])
    out.backward(upstream)
    assert torch.equal(weight.grad, upstream)
    assert not made.step.requires_grad


@pytest.mark.parametrize("per_row", [True, False])
@pytest.mark.parametrize("bits", [2, 4])
def test_adaptive_step_is_one_iteration_of_the_search(bits: int, per_row: bool) -> None:
    made = quantizer(bits, weights(), "adaptive", per_row=per_row)
    moved = weights() * 1.3 + 0.05 * weights(seed=1)
    old = made.step.clone()
    made.adapt(moved)
    for group, values in enumerate(moved.numpy().astype(np.float64) if per_row else [moved.numpy().ravel()]):
        above = below = 0.0
        for value in values:
            z = math.copysign(min(math.floor(abs(value) / float(old[group]) + 0.5), qmax_of(bits)), value)
            above, below = above + value * z, below + z * z
        assert float(made.step[group]) == pytest.approx(above / below, rel=1e-5)
    assert not torch.equal(made.step, old)


def test_adaptive_step_of_a_row_without_codes_stays() -> None:
    made = quantizer(3, weights(), "adaptive")
    old = made.step.clone()
    moved = weights()
    moved[1] = 0.0
    moved[3] = 1e-6
    made.adapt(moved)
    assert torch.equal(made.step[[1, 3]], old[[1, 3]])
    assert bool((made.step > 0).all())


def test_repeated_adaption_ends_at_the_best_step() -> None:
    weight = torch.randn(1, 4000, generator=torch.Generator().manual_seed(2))
    made = quantizer(2, 0.5 * weight, "adaptive")
    for _ in range(60):
        made.adapt(weight)
    assert float(made.step) == pytest.approx(1.226, rel=0.02)  # ternary of a unit Gaussian, papers.md 0.1
    np.testing.assert_allclose(made.step.numpy(), optimal_steps(weight.numpy(), 2, per_row=True), rtol=1e-3)


@pytest.mark.parametrize("rule", ["fixed", "adaptive", "lsq"])
def test_a_frozen_step_never_moves(rule: StepRule) -> None:
    weight = torch.nn.Parameter(weights())
    made = quantizer(4, weight.detach(), rule)
    optimizer = torch.optim.AdamW([weight, *made.parameters()], lr=0.01)
    steps = []
    for update in range(6):
        if update == 3:
            made.freeze()
        made.adapt(weight.detach() * 1.1)
        optimizer.zero_grad(set_to_none=False)
        made(weight).square().sum().backward()
        optimizer.step()
        made.keep_positive()
        steps.append(made.step.detach().clone())
    assert torch.equal(steps[2], steps[5])
    assert torch.equal(steps[0], steps[2]) == (rule == "fixed")
    assert not made.learned


def lsq_plain(v: Tensor, s: Tensor, qmax: int, scale: float) -> Tensor:
    """LSQ as its paper writes it: straight-through rounding, clipping, scaled gradient of the step."""
    s = s * scale + (s - s * scale).detach()
    ratio = (v / s).clamp(-qmax, qmax)
    rounded = torch.sign(ratio) * torch.floor(ratio.abs() + 0.5)
    return (rounded.detach() - ratio.detach() + ratio) * s


@pytest.mark.parametrize("per_row", [True, False])
@pytest.mark.parametrize("bits", [2, 4])
def test_learned_step_has_the_gradients_of_the_plain_form(bits: int, per_row: bool) -> None:
    weight = weights().requires_grad_()
    made = quantizer(bits, weight.detach(), "lsq", per_row=per_row)
    qmax = qmax_of(bits)
    step = made.step.detach().clone().requires_grad_()
    count = weight.shape[1] if per_row else weight.numel()
    assert made.grad_scale == pytest.approx(1 / math.sqrt(count * qmax))
    # Between qmax and qmax + 1/2 the plain form clips what here is still a code; its gradients differ there.
    with torch.no_grad():
        column = step[:, None] if per_row else step
        between = (weight.abs() / column - qmax - 0.25).abs() < 0.3
        weight[between] = weight[between] * 3
    upstream = weights(seed=3)
    ours = made(weight)
    plain = lsq_plain(weight, step[:, None] if per_row else step, qmax, made.grad_scale)
    torch.testing.assert_close(ours, plain, rtol=1e-6, atol=1e-6)
    a = torch.autograd.grad((ours * upstream).sum(), (weight, made.step))
    b = torch.autograd.grad((plain * upstream).sum(), (weight, step))
    torch.testing.assert_close(a[0], b[0])
    torch.testing.assert_close(a[1], b[1], rtol=1e-4, atol=1e-4)
    assert 0 < int((a[0] == 0).sum()) < weight.numel()  # saturated weights get none


def test_learned_signal_step_is_the_same_inside_and_outside_a_recurrence() -> None:
    made = SignalQuantizer(6, 50, rule="lsq", step=0.1)
    assert made.grad_scale == pytest.approx(1 / math.sqrt(50 * 31))
    x = weights()
    outside = torch.autograd.grad((made(x) * x).sum(), made.step)[0]
    step, qmax, learned = made.grid()
    assert learned and float(step.detach()) == float(made.step.detach()) and qmax == 31
    ratio = (x / 0.1).detach()
    rounded = torch.sign(ratio) * torch.floor(ratio.abs() + 0.5)
    slope = torch.where(rounded.abs() > 31, 31 * torch.sign(ratio), rounded - ratio)
    inside = torch.autograd.grad((step * (slope * x).sum()).sum(), made.step)[0]
    torch.testing.assert_close(outside, inside, rtol=1e-4, atol=1e-5)
    made.freeze()
    assert made.grid()[2] is False and not made(x).requires_grad


def test_a_learned_step_is_kept_positive() -> None:
    made = SignalQuantizer(8, 4, rule="lsq", step=0.1)
    made.step.data.fill_(-0.3)
    made.keep_positive()
    assert 0 < float(made.step.detach()) < 1e-3
    fixed = SignalQuantizer(8, 4, rule="fixed", step=0.1)
    fixed.keep_positive()
    assert float(fixed.step) == np.float32(0.1)


def test_signal_step_is_the_best_for_its_samples() -> None:
    samples = weights(20, 300)
    made = SignalQuantizer(5, 300, rule="fixed")
    made.initialize(samples)
    assert float(made.step) == float(optimal_step(samples.numpy(), 5))
    ratio = made(samples) / made.step
    torch.testing.assert_close(ratio, ratio.round(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("rule", ["fixed", "adaptive", "lsq"])
def test_steps_survive_a_checkpoint(rule: StepRule, frozen: bool) -> None:
    made = quantizer(3, weights(), rule)
    made.adapt(weights() * 1.2)
    if frozen:
        made.freeze()
    saved = {name: value.clone() for name, value in made.state_dict().items()}
    assert {"step", "frozen"} <= saved.keys()
    other = WeightQuantizer(3, 6, 50, per_row=True, rule=rule)
    other.load_state_dict(saved)
    other.thaw_as_saved()
    assert torch.equal(other(weights()), made(weights()))
    assert other.learned == made.learned == (rule == "lsq" and not frozen)
    assert other.step.requires_grad == made.step.requires_grad
    other.adapt(weights() * 1.5)
    made.adapt(weights() * 1.5)
    assert torch.equal(other.step, made.step)
    assert torch.equal(made.step, saved["step"]) == (frozen or rule != "adaptive")
