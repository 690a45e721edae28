"""Penalties with a learned coefficient."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_speech import make_retraining

from speechq.methods import PenaltyConfig
from speechq.quant.rounding import code
from speechq.train.checkpoint import load_network
from speechq.train.loop import Trainer
from speechq.train.regularization import Penalty, quantized_matrices

SEED = (1, 0, 0)


def prepared(tmp_path: Path, method: str, **settings: Any) -> Trainer[Any]:
    return Trainer(make_retraining(tmp_path, method, scheme="w3a8", settings=settings))


@pytest.mark.parametrize("rule", ["adaptive", "lsq"])
def test_the_error_of_the_grid_and_its_gradients(tmp_path: Path, rule: str) -> None:
    trainer = prepared(tmp_path, f"{rule}+msqe")
    technique: Any = trainer.job.techniques[-1]
    pairs = quantized_matrices(trainer.model)
    total, count = 0.0, 0
    expected: list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]] = []
    for master, quantizer in pairs:
        weight, step = master.detach().numpy(), quantizer.step.detach().numpy()[:, None]
        codes = code(weight, step, 3)
        error = weight.astype(np.float64) - step * codes
        total, count = total + float((error**2).sum()), count + weight.size
        expected.append((2 * error, (-2 * error * codes).sum(1)))
    value = technique.measure()
    assert float(value.detach()) == pytest.approx(total / count, rel=1e-5)
    value.backward()
    for (master, quantizer), (by_weight, by_step) in zip(pairs, expected, strict=True):
        assert master.grad is not None
        np.testing.assert_allclose(master.grad.numpy(), by_weight / count, atol=1e-8)
        if rule == "lsq":
            assert quantizer.step.grad is not None
            np.testing.assert_allclose(quantizer.step.grad.numpy(), by_step / count, atol=1e-7)


def test_partial_l2_sees_the_smallest_share_of_each_matrix(tmp_path: Path) -> None:
    trainer = prepared(tmp_path, "adaptive+prune", prune={"share": 0.4})
    technique: Any = trainer.job.techniques[-1]
    total, count = 0.0, 0
    for master, _ in quantized_matrices(trainer.model):
        sizes = sorted(abs(float(w)) for w in master.detach().flatten())
        sizes = sizes[: int(0.4 * len(sizes))]
        total, count = total + sum(w * w for w in sizes), count + len(sizes)
    assert float(technique.measure().detach()) == pytest.approx(total / count, rel=1e-5)


def test_the_coefficient_settles_where_the_paper_says() -> None:
    class Constant(Penalty):
        name = "constant"

        def measure(self) -> torch.Tensor:
            return torch.tensor(0.02)

    technique = Constant(PenaltyConfig(strength=3.0, rate=0.05))
    first = technique.penalty()
    assert first is not None
    assert float(first) == pytest.approx(0.01 * 3.0, rel=1e-5)
    slow = math.log(0.01 * 3.0 / 0.02)
    for step in range(300):
        technique.penalty()
        technique.after_step()
        slow -= 0.05 * (math.exp(slow) * 0.02 - 3.0)
        if step % 50 == 0:
            assert technique.figures()["constant_weight"] == pytest.approx(math.exp(slow), rel=1e-3)
    assert technique.figures()["constant_weight"] == pytest.approx(3.0 / 0.02, rel=1e-3)


def test_the_penalty_joins_the_gradient_of_the_batch(tmp_path: Path) -> None:
    trainer = prepared(tmp_path, "adaptive+msqe", msqe={"strength": 500.0, "initial": 1.0, "largest": 1e9})
    plain = prepared(tmp_path, "adaptive")
    batch = plain.job.batch([0, 1, 2], SEED)
    trainer.model.train()
    plain.model.train()
    _, expected = plain._measure(batch, range(3), SEED, 0.1)
    expected = [g.clone() for g in expected]
    technique: Any = trainer.job.techniques[-1]
    value = technique.measure()
    for_weights = torch.autograd.grad(value, trainer._trained(), allow_unused=True)
    found: list[torch.Tensor] = []

    def keep() -> None:
        found.extend(p.grad.clone() for p in trainer._trained() if p.grad is not None)

    trainer.optimizer.step = keep  # type: ignore[method-assign, assignment]
    trainer.job.config = trainer.job.config.model_copy(update={"clip": 1e9})
    trainer._step(batch, SEED, 0.1)
    scale = 500.0 / float(value.detach())
    assert any(g is not None for g in for_weights)
    for g, e, more in zip(found, expected, for_weights, strict=True):
        torch.testing.assert_close(g, e if more is None else e + scale * more, rtol=1e-4, atol=1e-5)


def test_weights_gather_on_their_grid(tmp_path: Path) -> None:
    train = {"epochs": 8, "batch_seconds": 4.0}
    errors = []
    for method in ("fixed", "fixed+msqe"):
        job = make_retraining(
            tmp_path,
            method,
            scheme="w2a8",
            settings={"msqe": {"strength": 30.0, "initial": 1.0}},
            train=train,
        )
        job.folder = tmp_path / method
        Trainer(job).run()
        pairs = quantized_matrices(job.model)
        errors.append(sum(float((m - q(m)).detach().square().sum()) for m, q in pairs))
    assert errors[1] < 0.5 * errors[0]


def test_what_is_pruned_has_the_code_zero(tmp_path: Path) -> None:
    job = make_retraining(tmp_path, "adaptive+prune", scheme="w8a8", settings={"prune": {"share": 0.6}})
    model, _ = load_network(Trainer(job).run())
    for master, quantizer in quantized_matrices(model):
        zero = float((quantizer(master) == 0).float().mean())
        assert 0.59 <= zero < 0.7
