"""Gradual pruning to structured sparse ternary weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_speech import Watch, make_job, make_retraining

from speechq.errors import ConfigError
from speechq.runtime.model_file import read_model
from speechq.train.loop import Trainer
from speechq.train.pack import pack

SETTINGS = {"sparse": {"stages": [4, 3, 2], "share": 0.6}}
SCHEME = "w2a8,out=w8"
TRAIN = {"epochs": 10, "batch_seconds": 4.0}


def most(codes: np.ndarray[Any, Any]) -> int:
    """The largest number of non-zeros in 8 neighbouring columns from a multiple of 8."""
    padded = np.pad(codes != 0, ((0, 0), (0, -codes.shape[1] % 8)))
    return int(padded.reshape(len(codes), -1, 8).sum(-1).max())


@pytest.mark.parametrize("rule", ["adaptive", "lsq"])
def test_fewer_and_fewer_of_a_group_stay_and_the_packed_model_has_them(tmp_path: Path, rule: str) -> None:
    job = make_retraining(tmp_path, f"{rule}+sparse", scheme=SCHEME, settings=SETTINGS, train=TRAIN)
    seen: list[tuple[float, int]] = []

    def look(model: Any, share: float) -> None:
        seen.append((share, max(most(layer.weight("in").detach().numpy()) for layer in model.layers)))

    job.techniques = [*job.techniques, Watch(look)]
    last = Trainer(job).run()
    assert all(count <= (4 if share < 0.2 else 3 if share < 0.4 else 2) for share, count in seen)
    assert {count for _, count in seen} == {2, 3, 4}
    pack(last, tmp_path / "model.sqm")
    packed = read_model(tmp_path / "model.sqm")
    for layer in packed.layers[:-1]:
        for matrix in layer.matrices.values():
            assert most(matrix.codes) <= 2
            assert (matrix.codes != 0).any()
            assert matrix.groups == (8, 2)
    assert most(packed.layers[-1].matrices["in"].codes) > 2  # 8 bits: not sparse
    assert packed.layers[-1].matrices["in"].groups is None


def test_two_of_eight_weights_are_enough_for_a_handful_of_utterances(tmp_path: Path) -> None:
    settings = {"epochs": 40, "learning_rate": 0.03, "carry_state": False}
    job = make_job(tmp_path, model={"hidden": 48}, train=settings)
    job.folder = tmp_path / "float"
    Trainer(job).run().rename(tmp_path / "float" / "final.ckpt")
    train = {"epochs": 40, "learning_rate": 0.01, "carry_state": False}
    job = make_retraining(
        tmp_path,
        "adaptive+sparse",
        scheme="w2a8,out=w8",
        settings=SETTINGS,
        train=train,
        model={"hidden": 48},
    )
    Trainer(job).run()
    assert job.score(torch.device("cpu")).error < 0.1


def test_a_scheme_without_few_bits_is_refused(tmp_path: Path) -> None:
    job = make_retraining(tmp_path, "adaptive+sparse", scheme="w4a8")
    with pytest.raises(
        ConfigError, match=r"retrain.sparse.bits: 2: the scheme w4a8 has no weights of so few"
    ):
        Trainer(job)
