"""Gradients beside the present weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_speech import make_retraining
from torch import Tensor

from speechq.methods import NoiseConfig, SharpnessConfig
from speechq.train.loop import Trainer
from speechq.train.noise import SharpnessAware, SymmetricNoise

SEED = (1, 0, 0)
ROWS = 6


def prepared(tmp_path: Path, method: str, settings: dict[str, Any]) -> tuple[Trainer[Any], Any]:
    """A trainer whose last technique is the one in question, and a batch of rows for it."""
    job = make_retraining(tmp_path, method, settings=settings, train={"max_rows": ROWS})
    trainer = Trainer(job)
    trainer.model.train()
    return trainer, job.batch(list(range(ROWS)), SEED)


def slow_gradient(
    trainer: Trainer[Any], batch: Any, rows: list[int], moved: dict[str, Tensor]
) -> list[Tensor]:
    """The gradient of the loss of ``rows`` at ``moved`` weights, the network rebuilt at them."""
    model = trainer.model
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(kept | moved)
    model.zero_grad()
    x, lengths = trainer.job.inputs(batch, rows)
    state = trainer.carry.before(rows, np.ones(ROWS, np.bool_))
    loss = trainer.job.loss(model(x, lengths, state)[0], batch, rows, lengths)
    torch.autograd.backward(loss)
    found = [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in trainer._trained()]
    model.load_state_dict(kept)
    return found


def measured(trainer: Trainer[Any], batch: Any) -> list[Tensor]:
    technique = trainer.job.techniques[-1]
    _, found = technique.gradients(lambda rows: trainer._measure(batch, rows, SEED, 0.5), ROWS, SEED)
    return [gradient.clone() for gradient in found]


def assert_close(found: list[Tensor], expected: list[Tensor]) -> None:
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    assert sum(float(g.norm()) for g in found) > 0


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("method", ["adaptive+ssgd", "lsq+ssgd"])
def test_symmetric_noise_takes_the_gradient_at_two_opposite_points(
    tmp_path: Path, method: str, half: bool
) -> None:
    settings = {"ssgd": {"magnitude": 0.3, "batch": "half" if half else "full"}}
    trainer, batch = prepared(tmp_path, method, settings)
    before = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    found = measured(trainer, batch)
    for name, p in trainer.model.named_parameters():
        assert torch.equal(p, before[name]), name
    rng = np.random.default_rng([*SEED, 3])
    above, below = {}, {}
    matrices = {id(m) for m in trainer.model.matrices()}
    order = [id(m) for m in trainer.model.matrices()]
    named = {id(p): name for name, p in trainer.model.named_parameters() if id(p) in matrices}
    for key in order:
        weight = before[named[key]]
        signs = rng.integers(0, 2, weight.shape, np.int8) * 2 - 1
        assert 0.2 < (signs > 0).mean() < 0.8
        sigma = 0.3 * float(np.sqrt(np.mean(weight.numpy().astype(np.float64) ** 2)))
        noise = torch.from_numpy(signs.astype(np.float32)) * sigma
        above[named[key]], below[named[key]] = weight + noise, weight - noise
    everything = list(range(ROWS))
    first, second = (everything[:3], everything[3:]) if half else (everything, everything)
    scale = 1.0 if half else 0.5
    up, down = slow_gradient(trainer, batch, first, above), slow_gradient(trainer, batch, second, below)
    assert_close(found, [scale * (a + b) for a, b in zip(up, down, strict=True)])


def test_the_first_order_effect_of_the_noise_cancels() -> None:
    """On a quadratic loss the mean of both gradients is the gradient at the middle."""
    rng = np.random.default_rng(5)
    hessian = rng.standard_normal((7, 7))
    hessian = torch.from_numpy((hessian + hessian.T).astype(np.float32))
    weight = torch.from_numpy(rng.standard_normal((1, 7)).astype(np.float32))

    class Quadratic:
        def matrices(self) -> list[torch.nn.Parameter]:
            return [parameter]

    class Job:
        model = Quadratic()

    parameter = torch.nn.Parameter(weight.clone())
    technique = SymmetricNoise(NoiseConfig(magnitude=0.5))
    technique.job = Job()  # type: ignore[assignment]
    points: list[Tensor] = []

    def measure(rows: range) -> tuple[Tensor, list[Tensor]]:
        points.append(parameter.detach().clone())
        return torch.zeros(()), [parameter.detach() @ hessian]

    _, found = technique.gradients(measure, 4, SEED)
    torch.testing.assert_close(found[0], weight @ hessian, rtol=1e-5, atol=1e-5)
    assert torch.equal(parameter, weight)
    torch.testing.assert_close(points[0] + points[1], 2 * weight)
    size = (points[0] - weight).abs()
    torch.testing.assert_close(size, torch.full_like(size, 0.5 * float(weight.square().mean().sqrt())))


def test_sharpness_takes_the_gradient_up_the_slope(tmp_path: Path) -> None:
    trainer, batch = prepared(tmp_path, "lsq+sam", {"sam": {"radius": 0.4}})
    before = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    found = measured(trainer, batch)
    for name, p in trainer.model.named_parameters():
        assert torch.equal(p, before[name]), name
    everything = list(range(ROWS))
    here = slow_gradient(trainer, batch, everything, {})
    norm = float(torch.sqrt(sum((g.double() ** 2).sum() for g in here)))  # type: ignore[arg-type]
    moved = {
        name: before[name] + 0.4 / norm * g
        for (name, _), g in zip(trainer.model.named_parameters(), here, strict=True)
        if "quantizers" not in name and "feat" not in name
    }
    assert len(moved) < len(here)
    assert_close(found, slow_gradient(trainer, batch, everything, moved))


def test_the_way_up_has_the_length_that_was_asked_for() -> None:
    technique = SharpnessAware(SharpnessConfig(radius=2.0))
    parameters = [torch.nn.Parameter(torch.tensor([1.0, 2.0])), torch.nn.Parameter(torch.tensor([[3.0]]))]

    class Model:
        def parameters(self) -> list[torch.nn.Parameter]:
            return parameters

        def quantizers(self) -> list[Any]:
            return []

    class Job:
        model = Model()

    technique.job = Job()  # type: ignore[assignment]
    seen: list[Tensor] = []

    def measure(rows: range) -> tuple[Tensor, list[Tensor]]:
        seen.append(torch.cat([p.detach().flatten() for p in parameters]))
        return torch.tensor(float(len(seen))), [torch.tensor([0.0, 3.0]), torch.tensor([[4.0]])]

    loss, _ = technique.gradients(measure, 1, SEED)
    assert float(loss) == 1.0  # that at the present weights
    torch.testing.assert_close(seen[1] - seen[0], torch.tensor([0.0, 1.2, 1.6]))
