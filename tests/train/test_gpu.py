"""Training on real GPUs: ``SPEECHQ_TEST_GPU=1 pytest tests/train/test_gpu.py``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from test_devices import CELLS, METHODS, losses
from test_distributed import together
from tiny_speech import make_job, make_retraining

from speechq.train import loop
from speechq.train.loop import Trainer

pytestmark = pytest.mark.skipif(
    not (os.environ.get("SPEECHQ_TEST_GPU") and torch.cuda.is_available()),
    reason="needs a GPU and SPEECHQ_TEST_GPU=1",
)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_learns_there_what_it_learns_here(
    tmp_path: Path, cell: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = {"cell": cell, "batch_norm": cell != "residual_lstm", "hidden": 8, "dropout": 0.0}
    train = {"epochs": 1, "precision": precision}
    Trainer(make_job(tmp_path / "gpu", utterances=6, model=model, train=train)).run()
    monkeypatch.setattr(loop, "training_device", lambda: torch.device("cpu"))
    Trainer(make_job(tmp_path / "cpu", utterances=6, model=model, train=train)).run()
    near = 1e-3 if precision == "float32" else 5e-2
    assert losses(tmp_path / "gpu") == pytest.approx(losses(tmp_path / "cpu"), rel=near)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_retrains_there_and_goes_on(tmp_path: Path, method: str) -> None:
    for epochs in (1, 2):
        job = make_retraining(tmp_path, method, scheme="w2a8", train={"epochs": epochs})
        Trainer(job).run()
    assert len(losses(tmp_path)) == 2 * (len(job.plan(0)) + 1)


def _train(folder: Path) -> None:
    Trainer(make_job(folder, utterances=6, train={"epochs": 1})).run()


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_two_gpus_learn_what_one_does(context: Any, tmp_path: Path) -> None:
    assert together(context, _train, tmp_path / "two") == [0, 0]
    _train(tmp_path / "one")
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-3)
