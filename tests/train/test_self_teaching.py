"""SPEQ: cosine distance, and a teacher that is the network with finer signals."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_speech import make_retraining

from speechq.errors import ConfigError
from speechq.quant.quantizers import SignalQuantizer
from speechq.train.loop import Trainer
from speechq.train.self_teaching import cosine_distance, finer

SEED = (1, 0, 2)
SCHEME = "w2a4,gate=a6,cell=a8"


def test_the_distance_is_one_minus_the_cosine_of_tempered_softmaxes() -> None:
    student, teacher = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(1))
    expected = 0.0
    for s, t in zip(student.tolist(), teacher.tolist(), strict=True):
        p = [math.exp(v / 3.0) / sum(math.exp(w / 3.0) for w in t) for v in t]
        q = [math.exp(v / 3.0) / sum(math.exp(w / 3.0) for w in s) for v in s]
        dot = sum(a * b for a, b in zip(p, q, strict=True))
        expected += 9.0 * (1 - dot / math.hypot(*p) / math.hypot(*q))
    assert float(cosine_distance(student, teacher, 3.0)) == pytest.approx(expected, rel=1e-4)
    assert float(cosine_distance(student, student, 3.0)) == pytest.approx(0.0, abs=1e-5)


def test_a_finer_grid_has_the_same_range_and_is_undone() -> None:
    quantizer = SignalQuantizer(3, 5, rule="fixed", step=0.37)
    before = quantizer.step.clone()
    with finer([quantizer], 8):
        assert quantizer.qmax == 127
        assert float(quantizer.step) * 127 == pytest.approx(0.37 * 3, rel=1e-6)
        values = quantizer(torch.tensor([0.2, -5.0]))
        assert float(values[0]) == pytest.approx(0.2, abs=0.006)
        assert float(values[1]) == pytest.approx(-1.11, rel=1e-5)
    assert quantizer.qmax == 3
    assert torch.equal(quantizer.step, before)


@pytest.mark.parametrize("method", ["adaptive+speq", "lsq+speq"])
@pytest.mark.parametrize("cell", ["sru", "lstm"])
def test_the_loss_adds_the_distance_to_the_finer_self(tmp_path: Path, cell: str, method: str) -> None:
    settings = {"speq": {"bits": 8, "weight": 2.0, "temperature": 1.5}}
    more: dict[str, Any] = {"model": {"cell": cell, "dropout": 0.2}}
    job = make_retraining(tmp_path, method, scheme=SCHEME, settings=settings, **more)
    plain = make_retraining(tmp_path, method.partition("+")[0], scheme=SCHEME, **more)
    trainer, without = Trainer(job), Trainer(plain)
    batch = job.batch([0, 1, 2], SEED)
    trainer.model.train()
    without.model.train()
    loss, gradients = trainer._measure(batch, range(3), SEED, 0.5)
    hard, _ = without._measure(batch, range(3), SEED, 0.5)
    # the same by hand: every quantizer of the drawn layers replaced by a finer one
    teacher = make_retraining(tmp_path, method.partition("+")[0], scheme=SCHEME, **more).model.eval()
    drawn = np.random.default_rng([*SEED, 5]).random(3) < 0.5
    assert drawn.any()
    assert not drawn.all()
    groups: list[Any] = [layer.signal_quantizers for layer in teacher.recurrent_layers()]
    for group, take in zip([teacher.feat, *groups], drawn, strict=True):
        for quantizer in group.values():
            if take and quantizer.bits < 8:
                quantizer.step.data.mul_(quantizer.qmax / 127)
                quantizer.qmax = 127
    x, lengths = job.inputs(batch, [0, 1, 2])
    torch.manual_seed(int(np.random.default_rng([*SEED, 2, 0]).integers(2**62)))
    student, _ = plain.model.train()(x, lengths)
    judged, _ = teacher(x, lengths)
    expected = 0.0
    for row, frames in enumerate(lengths.tolist()):
        p, q = (torch.softmax(logits[:frames, row] / 1.5, -1) for logits in (student, judged))
        expected += float((1.5**2 * (1 - (p * q).sum(-1) / p.norm(dim=-1) / q.norm(dim=-1))).sum().detach())
    expected = 2.0 * expected / job.labels(batch)
    assert expected > 1e-4
    assert float(loss - hard) == pytest.approx(expected, rel=2e-3)
    assert trainer.model.training
    assert all(g.isfinite().all() for g in gradients)


def test_signals_that_are_fine_already_are_refused(tmp_path: Path) -> None:
    job = make_retraining(tmp_path, "adaptive+speq", scheme="w2a8", settings={"speq": {"bits": 8}})
    with pytest.raises(
        ConfigError, match=r"retrain.speq.bits: 8: the scheme w2a8 has no signal of fewer bits"
    ):
        Trainer(job)
