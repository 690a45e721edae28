"""SWA and SQWA: cycles of the rate, captures, the mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_speech import Watch, make_retraining

from speechq.errors import ConfigError
from speechq.quant.rounding import code, optimal_steps
from speechq.train.checkpoint import load_network, read_checkpoint
from speechq.train.loop import Trainer

SETTINGS = {"averaging": {"cycles": 3, "share": 0.6, "low_rate": 0.2, "fine_rate": 0.05}}
TRAIN = {"epochs": 5, "batch_seconds": 4.0, "learning_rate": 0.02}


def test_the_rate_falls_in_a_line_within_each_cycle(tmp_path: Path) -> None:
    job = make_retraining(tmp_path, "adaptive+sqwa", settings=SETTINGS, train=TRAIN)
    technique = Trainer(job).job.techniques[-1]
    assert technique.rate(9.9, 0.0) == pytest.approx(0.02)
    assert technique.rate(9.9, 0.1) == pytest.approx(0.02 * 0.6)
    assert technique.rate(9.9, 0.1999) == pytest.approx(0.02 * 0.2, rel=1e-2)
    assert technique.rate(9.9, 0.21) == pytest.approx(0.02 * (1 - 0.8 * 0.05))
    assert technique.rate(9.9, 0.6) == technique.rate(9.9, 0.99) == pytest.approx(0.02 * 0.05)


@pytest.mark.parametrize("share", [0.6, 1.0])
@pytest.mark.parametrize("method", ["adaptive+swa", "fixed+sqwa", "lsq+sqwa"])
def test_the_mean_of_the_captures_takes_the_place_of_the_weights(
    tmp_path: Path, method: str, share: float
) -> None:
    settings = {"averaging": SETTINGS["averaging"] | {"share": share}}
    job = make_retraining(tmp_path, method, scheme="w2a8", settings=settings, train=TRAIN)
    seen: list[tuple[float, dict[str, Any], dict[str, Any]]] = []

    def look(model: Any, at: float) -> None:
        masters = {n: p.detach().clone() for n, p in model.named_parameters() if not n.endswith("step")}
        grids = {f"layers.{k}": layer for k, layer in enumerate(model.recurrent_layers())} | {
            "out": model.out
        }
        rounded = {
            f"{name}.weight_{role}": layer.weight(role).detach().clone()
            for name, layer in grids.items()
            for role in layer.present_roles()
        }
        seen.append((at, masters, rounded))

    before = Watch(look)
    before.name = "before"
    after = Watch(look)
    # steps, before, averaging, after: the two see the weights on both sides of a capture
    job.techniques = [job.techniques[0], before, job.techniques[1], after]
    trainer = Trainer(job)
    last = trainer.run()
    around = list(zip(seen[::2], seen[1::2], strict=True))
    ends = [next(k for k, (a, _) in enumerate(around) if a[0] >= share / 3 * c) for c in (1, 2)]
    captured = [around[k][0] for k in ends]
    if share < 1.0:
        final = next(k for k, (a, _) in enumerate(around) if a[0] >= share)
        captured.append(around[final][0])
        _, found, _ = around[final][1]
        tensors = None
    else:
        _, _, tensors = read_checkpoint(last)
        found = {name: tensors[f"model/{name}"] for name in captured[0][1]}
    if share < 1.0:
        for name, value in found.items():
            kept = [(r if name in r and method.endswith("sqwa") else m)[name] for _, m, r in captured]
            torch.testing.assert_close(value, torch.stack(kept).mean(0), rtol=1e-5, atol=1e-7)
        if method.endswith("sqwa"):
            row = found["layers.0.weight_in"][3]
            assert len(row.unique()) > 3  # more levels than any of the ternary captures had
    # what is saved is on the grid of optimal steps of the mean
    model, _ = load_network(last)
    if tensors is not None:
        for layer in model.recurrent_layers():
            for role, quantizer in layer.weight_quantizers.items():
                steps = optimal_steps(layer.matrix(role).detach().numpy(), 2, per_row=True)
                np.testing.assert_allclose(quantizer.step.detach().numpy(), steps, rtol=1e-6)
                rounded = layer.weight(role).detach().numpy()
                codes = code(layer.matrix(role).detach().numpy(), steps[:, None], 1)
                np.testing.assert_allclose(rounded, codes * steps[:, None], rtol=1e-6)


@pytest.mark.parametrize("technique", ["swa", "sqwa", "prune", "sparse"])
@pytest.mark.parametrize("more", [{"schedule": "retry"}, {"patience": 2}])
def test_a_training_that_may_end_early_is_refused(
    tmp_path: Path, technique: str, more: dict[str, Any]
) -> None:
    job = make_retraining(tmp_path, f"adaptive+{technique}", scheme="w2a8", train=TRAIN | more)
    with pytest.raises(ConfigError, match=f"{technique} needs the whole training; .* nor patience"):
        Trainer(job)
