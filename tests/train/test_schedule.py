from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_speech import make_job

from speechq.config import TrainConfig
from speechq.train import speech
from speechq.train.loop import Trainer
from speechq.train.schedule import rate_at
from speechq.train.score import Score


def test_one_cycle_rises_linearly_and_falls_as_a_cosine() -> None:
    config = TrainConfig(learning_rate=2.0, warmup=0.2, final_rate=0.1)
    assert rate_at(config, 0.0) == pytest.approx(2.0 * 0.04)
    assert rate_at(config, 0.05) == pytest.approx(0.5)
    assert rate_at(config, 0.1) == pytest.approx(1.0)
    assert rate_at(config, 0.2) == pytest.approx(2.0)
    assert rate_at(config, 0.6) == pytest.approx(2.0 * (0.1 + 0.9 * 0.5))
    assert rate_at(config, 1.0) == pytest.approx(0.2)


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(0.001, 1.0))
def test_one_cycle_stays_within_its_bounds(share: float, warmup: float, final: float) -> None:
    config = TrainConfig(learning_rate=1.0, warmup=warmup, final_rate=final)
    rate = rate_at(config, share)
    assert math.isfinite(rate)
    assert min(0.04, final) * (1 - 1e-9) <= rate <= 1.0 + 1e-9


def test_a_constant_rate_is_constant() -> None:
    config = TrainConfig(learning_rate=0.3, schedule="constant")
    assert {rate_at(config, share) for share in (0.0, 0.5, 1.0)} == {0.3}


def scripted(
    folder: Path, monkeypatch: pytest.MonkeyPatch, losses: list[float], **train: Any
) -> tuple[Trainer, list[dict[str, Any]]]:
    """A run whose dev losses are given; after each epoch: epoch, rate, retries, and a weight."""
    script = iter(losses)
    monkeypatch.setattr(speech, "score", lambda *arguments: Score(next(script), 1.0, 1.0))
    settings = {
        "optimizer": "adadelta_nesterov",
        "schedule": "retry",
        "learning_rate": 0.01,
        "epochs": len(losses),
    }
    trainer = Trainer(make_job(folder, train=settings | train))
    seen: list[dict[str, Any]] = []
    save = trainer._save

    def spy(name: str) -> None:
        if name == "last.ckpt":
            row = {"weight": trainer.model.out.weight_out.detach().clone()}
            seen.append(
                row
                | vars(trainer.position)
                | {"files": sorted(p.name for p in (folder / "run").glob("acc*"))}
            )
        save(name)

    monkeypatch.setattr(trainer, "_save", spy)
    trainer.run()
    return trainer, seen


def test_retry_goes_back_to_the_state_before_the_last_accepted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    #          accepted       worse three times    accepted again
    losses = [5.0, 4.0, 3.0, 3.5, 3.2, 3.1, 3.9, 2.0, 2.5]
    _, seen = scripted(tmp_path, monkeypatch, losses, retries=2, rate_factor=0.5, min_rate=1e-9)
    assert [row["retries"] for row in seen] == [0, 0, 0, 1, 2, 0, 0, 0, 1]
    assert [row["rate"] for row in seen] == [0.01] * 5 + [0.005] * 4
    weights = [row["weight"] for row in seen]
    assert torch.equal(weights[5], weights[1])  # epoch 6 ends with the state of epoch 2
    assert [row["accepted_epoch"] for row in seen] == [1, 2, 3, 3, 3, 2, 7, 8, 8]
    assert [row["pivot_epoch"] for row in seen] == [-1, 1, 2, 2, 2, 2, 2, 7, 7]
    assert sorted(p.name for p in (tmp_path / "run").glob("accepted*")) == [
        "accepted-7.ckpt",
        "accepted-8.ckpt",
    ]


def test_after_going_back_the_bar_is_the_pivots_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, seen = scripted(tmp_path, monkeypatch, [5.0, 3.0, 4.0, 5.1, 4.9], retries=0, min_rate=1e-9)
    # epoch 3 is worse than 3.0: back to epoch 1; epoch 4 is worse than its 5.0: back again; epoch 5 is not
    assert [row["rate"] for row in seen] == [0.01, 0.01, 0.005, 0.0025, 0.0025]
    assert [row["accepted_epoch"] for row in seen] == [1, 2, 1, 1, 5]


def test_retry_with_a_single_accepted_state_goes_back_to_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, seen = scripted(tmp_path, monkeypatch, [5.0, 6.0, 4.0], retries=0, min_rate=1e-9)
    assert torch.equal(seen[1]["weight"], seen[0]["weight"])
    assert seen[1]["rate"] == 0.005


def test_retry_stops_below_the_least_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = [1.0] + [2.0] * 20
    trainer, seen = scripted(tmp_path, monkeypatch, losses, retries=1, rate_factor=0.1, min_rate=2e-4)
    # two worse evaluations each: 0.01, 0.001, and 0.0001 is too low
    assert trainer.position.epoch == 5
    assert trainer.position.finished
    assert len(seen) == 5


def test_patience_ends_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rates = iter([0.9, 0.5, 0.6, 0.5, 0.7, 0.4, 0.3])
    monkeypatch.setattr(speech, "score", lambda *arguments: Score(1.0, 1.0, next(rates)))
    trainer = Trainer(make_job(tmp_path, train={"epochs": 7, "patience": 3}))
    trainer.run()
    assert (trainer.position.epoch, trainer.position.best, trainer.position.best_epoch) == (5, 0.5, 2)
