from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from speechq.config import ModelConfig, TrainConfig
from speechq.nn.acoustic import AcousticModel
from speechq.train.optimizers import (
    AdaDeltaNesterov,
    forget_changes,
    make_optimizer,
    optimizer_tensors,
    restore_optimizer,
)

TARGET = np.array([0.3, -2.0, 5.0, 0.0])
CURVATURE = np.array([1.0, 30.0, 0.01, 1e6])


def gradient(w: np.ndarray, step: int) -> np.ndarray:
    return CURVATURE * (w - TARGET) + np.sin(step)


def slow_adadelta(
    w: np.ndarray, rates: list[float], momentum: float, decay: float
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """One value at a time; the weights proper are kept apart from the look-ahead ones. Returns both."""
    n = len(w)
    ms_g, ms_d, velocity = [1.0] * n, [0.0] * n, [0.0] * n
    weight = [float(value) for value in w]
    proper, ahead = [], []
    for step, rate in enumerate(rates):
        look = np.array([weight[k] + momentum * velocity[k] for k in range(n)])
        g = gradient(look, step)
        for k in range(n):
            ms_g[k] = decay * ms_g[k] + (1 - decay) * g[k] ** 2
            ratio = min(10.0, max(-10.0, g[k] / (ms_g[k] ** 0.5 + 1e-20)))
            change = -((ms_d[k] + rate**2) ** 0.5) * ratio
            ms_d[k] = decay * ms_d[k] + (1 - decay) * change**2
            velocity[k] = momentum * velocity[k] + change
            weight[k] += velocity[k]
        proper.append(np.array(weight))
        ahead.append(np.array([weight[k] + momentum * velocity[k] for k in range(n)]))
    return proper, ahead


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.floats(1e-5, 1e-1), min_size=1, max_size=25),
    st.sampled_from([0.0, 0.5, 0.9, 0.99]),
    st.sampled_from([0.9, 0.99]),
)
def test_adadelta_is_the_recipe_of_fractal(rates: list[float], momentum: float, decay: float) -> None:
    start = np.array([1.0, 1.0, -1.0, 0.5])
    _, ahead = slow_adadelta(start, rates, momentum, decay)
    parameter = nn.Parameter(torch.from_numpy(start.copy()))
    optimizer = AdaDeltaNesterov([parameter], 1.0, momentum, decay)
    for step, (rate, expected) in enumerate(zip(rates, ahead, strict=True)):
        for group in optimizer.param_groups:
            group["lr"] = rate
        parameter.grad = torch.from_numpy(gradient(parameter.detach().numpy(), step))
        optimizer.step()
        np.testing.assert_allclose(parameter.detach().numpy(), expected, rtol=1e-9, atol=1e-12)


def test_adadelta_clips_what_suddenly_grows() -> None:
    parameter = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = AdaDeltaNesterov([parameter], 0.1, momentum=0.0, decay=1.0 - 1e-6)
    parameter.grad = torch.tensor([1e3], dtype=torch.float64)
    optimizer.step()
    assert float(parameter.detach()) == pytest.approx(-0.1 * 10.0)


def test_momentum_is_forgotten_but_not_the_size_of_gradients() -> None:
    parameter = nn.Parameter(torch.zeros(2))
    optimizer = AdaDeltaNesterov([parameter], 0.1)
    parameter.grad = torch.ones(2) * 3
    optimizer.step()
    forget_changes(optimizer)
    state = optimizer.state[parameter]
    assert torch.equal(state["velocity"], torch.zeros(2))
    assert torch.equal(state["ms_d"], torch.zeros(2))
    assert (state["ms_g"] > 1).all()


def network() -> AcousticModel:
    torch.manual_seed(3)
    return AcousticModel(ModelConfig(cell="sru", layers=2, hidden=8), 12, 5)


def step(model: AcousticModel, optimizer: torch.optim.Optimizer, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=draw)
    optimizer.step()


@pytest.mark.parametrize("name", ["adamw", "adadelta_nesterov"])
def test_the_state_of_an_optimizer_goes_through_tensors(name: str) -> None:
    config = TrainConfig(optimizer=name)  # type: ignore[arg-type]
    model = network()
    optimizer = make_optimizer(config, model)
    for seed in range(3):
        step(model, optimizer, seed)
    kept: dict[str, Tensor] = {k: v.clone() for k, v in optimizer_tensors(optimizer, model).items()}
    other = network()
    other.load_state_dict(model.state_dict())
    fresh = make_optimizer(config, other)
    restore_optimizer(fresh, other, kept)
    for seed in range(3, 6):
        step(model, optimizer, seed)
        step(other, fresh, seed)
    for (key, value), (_, expected) in zip(
        model.state_dict().items(), other.state_dict().items(), strict=True
    ):
        assert torch.equal(value, expected), key


def test_weight_decay_pulls_matrices_only() -> None:
    model = network()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1.0)
    optimizer = make_optimizer(TrainConfig(weight_decay=0.5, learning_rate=0.1), model)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for key, parameter in model.named_parameters():
        shrunk = bool((parameter < 1).all())
        assert shrunk == (key.rpartition(".")[2] in ("weight_in", "weight_out", "weight_skip")), key
