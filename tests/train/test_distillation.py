"""Knowledge distillation: its formulas, and a teacher that runs beside the network."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_speech import make_job, make_retraining
from tiny_text import make_text_job

from speechq.config import RetrainConfig
from speechq.errors import ConfigError
from speechq.methods import DistillationConfig
from speechq.train.checkpoint import load_network
from speechq.train.distillation import Distillation, collapse, drawn_labels, frame_distillation
from speechq.train.loop import Trainer
from speechq.train.retrain import make_techniques, start_network
from speechq.train.text import calibration_sample

SEED = (1, 0, 0)


def softmax(values: list[float]) -> list[float]:
    total = sum(math.exp(v) for v in values)
    return [math.exp(v) / total for v in values]


@pytest.mark.parametrize("temperature", [0.7, 1.0, 4.0])
def test_the_soft_loss_is_the_cross_entropy_of_tempered_softmaxes(temperature: float) -> None:
    generator = torch.Generator().manual_seed(3)
    student, teacher = torch.randn(5, 4, generator=generator), torch.randn(5, 4, generator=generator)
    expected = 0.0
    for s, t in zip(student.tolist(), teacher.tolist(), strict=True):
        p, q = softmax([v / temperature for v in t]), softmax([v / temperature for v in s])
        expected -= temperature**2 * sum(a * math.log(b) for a, b in zip(p, q, strict=True))
    assert float(frame_distillation(student, teacher, temperature)) == pytest.approx(expected, rel=1e-5)


def test_its_gradient_keeps_its_size_over_temperatures() -> None:
    generator = torch.Generator().manual_seed(4)
    teacher = torch.randn(50, 6, generator=generator)
    sizes = []
    for temperature in (4.0, 16.0):
        student = torch.randn(50, 6, generator=torch.Generator().manual_seed(5)).requires_grad_()
        frame_distillation(student, teacher, temperature).backward()  # type: ignore[no-untyped-call]
        assert student.grad is not None
        sizes.append(float(student.grad.norm()))
    assert sizes[1] == pytest.approx(sizes[0], rel=0.2)


def test_an_alignment_collapses_to_its_labels() -> None:
    for path in itertools.product(range(3), repeat=4):
        joined = [unit for unit, _ in itertools.groupby(path)]
        assert collapse(path) == [unit for unit in joined if unit != 0]


def test_labellings_are_drawn_as_often_as_the_teacher_believes_in_them() -> None:
    logits = torch.tensor([[0.5, 1.0, -0.3], [0.2, -0.5, 0.9], [1.1, 0.3, 0.0]])
    for temperature in (1.0, 2.0):
        expected: Counter[tuple[int, ...]] = Counter()
        rows = [softmax([v / temperature for v in row]) for row in logits.tolist()]
        for path in itertools.product(range(3), repeat=3):
            expected[tuple(collapse(path))] += math.prod(row[k] for row, k in zip(rows, path, strict=True))  # type: ignore[assignment]
        count = 20000
        drawn = drawn_labels(
            logits[:, None].expand(3, count, 3),
            torch.full((count,), 3),
            temperature,
            np.random.default_rng(1),
        )
        found = Counter(tuple(labels) for labels in drawn)
        assert sum(expected.values()) == pytest.approx(1.0)
        for labels, share in expected.items():
            assert found[labels] / count == pytest.approx(share, abs=0.012), labels


def test_frames_behind_the_end_of_a_row_are_not_drawn_from() -> None:
    logits = torch.zeros(4, 2, 3)
    logits[:2, 0, 1] = 50.0
    logits[2:, 0, 2] = 50.0
    logits[:, 1, 2] = 50.0
    assert drawn_labels(logits, torch.tensor([2, 4]), 1.0, np.random.default_rng(1)) == [[1], [2]]


@pytest.mark.parametrize("reduce", [True, False])
def test_the_weight_of_the_teacher_falls(reduce: bool) -> None:
    technique = Distillation(DistillationConfig(weight=0.8, reduce=reduce), Path("x"), sequences=False)
    weights = [technique.weight(share) for share in (0.0, 0.25, 1.0)]
    assert weights == pytest.approx([0.8, 0.6, 0.0] if reduce else [0.8] * 3)


def slow_frame_loss(trainer: Trainer[Any], batch: Any, rows: list[int], weight: float, tau: float) -> float:
    """Row by row and frame by frame."""
    job = trainer.job
    teacher, _ = load_network(job.techniques[-1].path)  # type: ignore[attr-defined]
    total, hard = 0.0, 0.0
    for row in rows:
        x, lengths = job.inputs(batch, [row])
        student, _ = job.model(x, lengths)
        judged, _ = teacher(x, lengths)
        hard += float(job.loss(student, batch, [row], lengths).detach())
        for t in range(int(lengths[0])):
            p = softmax((judged[t, 0] / tau).tolist())
            q = softmax((student[t, 0] / tau).tolist())
            total -= tau**2 * sum(a * math.log(b) for a, b in zip(p, q, strict=True))
    return (1 - weight) * hard + weight * total / job.labels(batch)


def test_the_loss_of_a_step_mixes_labels_and_teacher(tmp_path: Path) -> None:
    settings = {"kd": {"weight": 0.6, "temperature": 3.0}}
    job = make_retraining(tmp_path, "adaptive+kd", settings=settings)
    trainer = Trainer(job)
    batch = job.batch([0, 1, 2, 3], SEED)
    loss, _ = trainer._measure(batch, range(4), SEED, 0.5)
    assert float(loss) == pytest.approx(slow_frame_loss(trainer, batch, [0, 1, 2, 3], 0.3, 3.0), rel=1e-4)


def test_the_teacher_goes_on_with_the_state_of_its_own_stream(tmp_path: Path) -> None:
    job = make_retraining(tmp_path, "adaptive+kd", train={"fresh_share": 0.0})
    trainer = Trainer(job)
    teacher, _ = load_network(job.techniques[-1].path)  # type: ignore[attr-defined]
    state = teacher.initial_state(4)
    for position in range(3):
        batch = job.batch([0, 1, 2, 3], (1, 0, position))
        trainer._step(batch, (1, 0, position), 0.0)
        with torch.no_grad():
            _, state = teacher(*job.inputs(batch, [0, 1, 2, 3]), state)
    kept = job.techniques[-1].state()
    expected = [part for layer in state for part in layer]
    assert len(kept) == len(expected)
    for k, part in enumerate(expected):
        torch.testing.assert_close(kept[str(k)], part)
        assert part.abs().sum() > 0


def test_the_whole_sequence_loss_is_that_of_the_drawn_transcripts(tmp_path: Path) -> None:
    settings = {"kd": {"weight": 1.0, "temperature": 1.0, "samples": 3, "reduce": False}}
    job = make_retraining(tmp_path, "adaptive+seqkd", settings=settings)
    trainer = Trainer(job)
    batch = job.batch([0, 1, 2], SEED)
    loss, _ = trainer._measure(batch, range(3), SEED, 0.5)
    teacher, _ = load_network(job.techniques[-1].path)  # type: ignore[attr-defined]
    expected = 0.0
    for row, k in itertools.product(range(3), range(3)):
        x, lengths = job.inputs(batch, [row])
        frames = int(lengths[0])
        posterior = torch.softmax(teacher(x, lengths)[0].double(), -1)[:, 0]
        rng = np.random.default_rng([*SEED, 4, row, k])
        draws = rng.random((batch.x.shape[0], 1))[:, 0]  # the padded frames are drawn too
        path = [int(np.searchsorted(np.cumsum(p.detach().numpy()), u)) for p, u in zip(posterior, draws)]  # noqa: B905
        labels = collapse(path[:frames])
        log_probs = torch.log_softmax(job.model(x, lengths)[0].detach(), -1)
        expected += float(
            torch.nn.functional.ctc_loss(
                log_probs, torch.tensor([labels]), lengths, torch.tensor([len(labels)]), reduction="sum"
            )
        )
    assert float(loss) == pytest.approx(expected / 3 / job.labels(batch), rel=1e-4)


def test_a_network_learns_from_its_teacher_alone(tmp_path: Path) -> None:
    """Without labels the loss against the teacher falls to that of the teacher against itself."""
    job = make_job(tmp_path, train={"epochs": 40, "learning_rate": 0.03, "carry_state": False})
    job.folder = tmp_path / "float"
    Trainer(job).run().rename(tmp_path / "float" / "final.ckpt")
    settings = {"kd": {"weight": 1.0, "reduce": False, "temperature": 1.0}}
    train = {"epochs": 25, "learning_rate": 0.01, "carry_state": False}
    job = make_retraining(tmp_path, "adaptive+kd", scheme="w2a8", settings=settings, train=train)
    before = job.score(torch.device("cpu"))
    Trainer(job).run()
    after = job.score(torch.device("cpu"))
    assert before.loss > 2 * after.loss
    assert after.error < 0.1


def test_a_language_network_learns_from_a_teacher_too(tmp_path: Path) -> None:
    train = {"epochs": 6, "learning_rate": 0.04, "steps": 20}
    job = make_text_job(tmp_path, repeats=16, train=train)
    start = Trainer(job).run()
    sample = calibration_sample(job.train, job.config)
    config = RetrainConfig.model_validate({"kd": {"weight": 1.0, "reduce": False}})
    job.model, job.info = start_network(start, "w2a8", "adaptive", True, sample)
    before = job.score(torch.device("cpu")).error
    job.techniques, job.folder, job.keep_best = (
        make_techniques("adaptive+kd", config, start),
        tmp_path / "kd",
        False,
    )
    Trainer(job).run()
    assert job.score(torch.device("cpu")).error < before - 0.1
    job.techniques = make_techniques("adaptive+seqkd", config, start)
    with pytest.raises(ConfigError, match="seqkd is for networks with CTC"):
        Trainer(job)


def test_a_teacher_must_speak_of_the_same_units(tmp_path: Path) -> None:
    job = make_retraining(tmp_path, "adaptive")
    text = make_text_job(tmp_path / "text", train={"epochs": 1})
    other = Trainer(text).run()
    job.techniques = [Distillation(DistillationConfig(), other, sequences=False)]
    with pytest.raises(ConfigError, match=r"retrain.kd.teacher: .*other units or features"):
        Trainer(job)
