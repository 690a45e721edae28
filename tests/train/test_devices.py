"""Training on a device whose memory is not the processor's, simulated where there is no GPU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from far_device import DEVICE, FarDevice, FarTensor
from tiny_speech import make_job, make_retraining

from speechq.methods import TECHNIQUES
from speechq.train import loop
from speechq.train.loop import Trainer
from speechq.train.speech import SpeechJob

CELLS = ("lstm", "residual_lstm", "sru", "qrnn", "isru")


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "training_device", lambda: DEVICE)


def losses(folder: Path) -> list[float]:
    """Of every step, and on dev."""
    rows = [json.loads(line) for line in (folder / "run" / "metrics.jsonl").read_text().splitlines()]
    return [row.get("dev_loss", row.get("loss")) for row in rows]


def test_memories_do_not_mix() -> None:
    with FarDevice():
        near = torch.ones(3)
        far = near.to(DEVICE)
        assert isinstance(far, FarTensor)
        assert float((far + far * 2.0).sum()) == 9.0
        with pytest.raises(RuntimeError, match="same device"):
            far + near
        assert torch.equal((far + 1).cpu(), near + 1)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.usefixtures("far")
def test_every_cell_learns_there_what_it_learns_here(
    tmp_path: Path, cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = {"cell": cell, "batch_norm": cell != "residual_lstm", "hidden": 8, "dropout": 0.0}
    train = {"epochs": 1}
    with FarDevice():
        Trainer(make_job(tmp_path / "far", utterances=6, model=model, train=train)).run()
    monkeypatch.undo()
    Trainer(make_job(tmp_path / "near", utterances=6, model=model, train=train)).run()
    assert losses(tmp_path / "far") == pytest.approx(losses(tmp_path / "near"), rel=1e-3)


METHODS = ("adaptive+kd+swa+sam+msqe+sparse", "fixed+seqkd+sqwa+ssgd+prune", "lsq+speq")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.usefixtures("far")
def test_every_method_retrains_there_and_goes_on(tmp_path: Path, method: str) -> None:
    def job(epochs: int) -> SpeechJob:
        return make_retraining(tmp_path, method, scheme="w2a8", train={"epochs": epochs})

    with FarDevice():
        Trainer(job(1)).run()
        Trainer(job(2)).run()
    assert len(losses(tmp_path)) == 2 * (len(job(2).plan(0)) + 1)


def test_no_method_is_left_out() -> None:
    named = {part for method in METHODS for part in method.split("+")[1:]}
    assert named == set(TECHNIQUES)
