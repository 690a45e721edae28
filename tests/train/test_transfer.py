"""Learning from what a teacher writes."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from packed_models import random_model
from tiny_speech import Watch
from tiny_text import LANGUAGE, make_text_job

from speechq.config import TransferConfig
from speechq.errors import ConfigError
from speechq.nn.layer import State
from speechq.quant.reference import Reference
from speechq.runtime.model_file import write_model
from speechq.text.units import Units
from speechq.train.checkpoint import load_network, read_checkpoint
from speechq.train.loop import Trainer
from speechq.train.pack import pack
from speechq.train.transfer import Taught, TransferJob, read_taught, transfer_sample, write_taught

BLANK = Units("characters", ("<blank>", *LANGUAGE.symbols[1:]))


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that knows the sentences by heart."""
    folder = tmp_path_factory.mktemp("teacher")
    train = {"epochs": 6, "learning_rate": 0.04, "steps": 20}
    job = make_text_job(folder, repeats=24, model={"hidden": 48}, train=train)
    pack(Trainer(job).run(), folder / "teacher.sqm")
    return folder / "teacher.sqm"


def written(
    teacher: Path, folder: Path, length: int, *, streams: int = 4, seed: int = 1, **options: Any
) -> Taught:
    folder.mkdir(exist_ok=True)
    transfer = TransferConfig(teacher=teacher, **options)
    write_taught(transfer, LANGUAGE, folder, streams, length, (seed, 0))
    return read_taught(folder, transfer.labels == "soft")


def job_of(taught: list[Taught], folder: Path, *, hidden: int = 24, **train: Any) -> TransferJob:
    like = make_text_job(folder, model={"hidden": hidden}, train=train)
    return TransferJob(
        name="tiny",
        folder=like.folder,
        model=like.model,
        info=like.info,
        config=like.config,
        dev=like.dev,
        taught=taught,
    )


def entropy(labels: Any) -> float:
    p = labels.astype(np.float64)
    return float(-(p * np.log(np.maximum(p, 1e-30))).sum(-1).mean())


def test_the_labels_are_the_teachers_probabilities(tmp_path: Path) -> None:
    model = random_model("lstm", layers=4, hierarchy="b", bits=4, features=None, units=BLANK)
    write_model(tmp_path / "t.sqm", model)
    taught = written(tmp_path / "t.sqm", tmp_path / "text", 60, streams=3)
    assert taught.symbols.shape == (61, 3) and taught.labels is not None
    assert taught.symbols[0].tolist() == [0, 0, 0]
    log_probs, _ = Reference(model).run([taught.symbols[:-1, s] for s in range(3)])
    for s, rows in enumerate(log_probs):
        np.testing.assert_array_equal(taught.labels[:, s], np.exp(rows).astype(np.float16))


def test_the_text_is_drawn_from_them(tmp_path: Path) -> None:
    model = random_model("sru", bits=None, features=None, units=BLANK, hidden=8)
    write_model(tmp_path / "t.sqm", model)
    found = {}
    for temperature in (0.5, 1.0, 2.0):
        taught = written(tmp_path / "t.sqm", tmp_path / "text", 400, streams=20, temperature=temperature)
        assert taught.labels is not None
        log_probs = np.log(np.maximum(taught.labels.astype(np.float64), 1e-7))
        drawn = taught.symbols[1:]
        found[temperature] = -float(np.take_along_axis(log_probs, drawn[..., None], 2).mean())
        if temperature == 1.0:
            assert found[1.0] == pytest.approx(entropy(taught.labels), rel=0.03)
            expected = taught.labels.astype(np.float64).sum((0, 1))
            counts = np.bincount(drawn.ravel(), minlength=len(LANGUAGE))
            assert np.abs(counts - expected).max() < 5 * np.sqrt(expected.max())
    assert found[0.5] < found[1.0] - 0.2 < found[2.0] - 0.4


def test_equal_seeds_give_equal_texts(teacher: Path, tmp_path: Path) -> None:
    texts = [written(teacher, tmp_path / str(k), 50, seed=seed).symbols for k, seed in enumerate((1, 1, 2))]
    assert np.array_equal(texts[0], texts[1])
    assert not np.array_equal(texts[0], texts[2])


def test_batches_are_the_streams_in_order(teacher: Path, tmp_path: Path) -> None:
    parts = [written(teacher, tmp_path / str(k), 45, seed=k) for k in range(2)]
    job = job_of(parts, tmp_path, steps=20, rows=4)
    assert job.streams == 4
    for epoch in (0, 1, 2):
        batches = [job.batch(planned, (1, 0, 0)) for planned in job.plan(epoch)]
        assert [len(batch.x) for batch in batches] == [20, 20, 5]
        part = parts[epoch % 2]
        assert part.labels is not None
        np.testing.assert_array_equal(torch.cat([batch.x for batch in batches]), part.symbols[:-1])
        np.testing.assert_array_equal(
            torch.cat([batch.y for batch in batches]), part.labels.astype(np.float32)
        )
        hard = Taught(part.symbols, None)
        np.testing.assert_array_equal(hard.batch(20, 20).y, part.symbols[21:41])
    assert transfer_sample(parts, job.config).x.shape == (20, 4)


def test_the_loss_is_the_cross_entropy_to_the_labels(teacher: Path, tmp_path: Path) -> None:
    taught = written(teacher, tmp_path / "text", 30)
    assert taught.labels is not None
    job = job_of([taught], tmp_path)
    batch = taught.batch(0, 30)
    with torch.no_grad():
        logits, _ = job.model(batch.x, batch.lengths)
        log_q = torch.log_softmax(logits.double(), -1).numpy()
        total = sum(float(job.loss(logits[:, rows], batch, rows, batch.lengths)) for rows in ([0, 2], [1, 3]))
    assert total == pytest.approx(-(taught.labels.astype(np.float64) * log_q).sum() / (30 * 4), rel=1e-5)


@pytest.mark.parametrize("labels", ["soft", "hard"])
def test_a_student_learns_what_its_teacher_knows(teacher: Path, tmp_path: Path, labels: Any) -> None:
    taught = written(teacher, tmp_path / "text", 1200, labels=labels)
    job = job_of([taught], tmp_path, hidden=40, epochs=6, learning_rate=0.04, steps=20)
    before = job.score(torch.device("cpu")).error
    job.model, _ = load_network(Trainer(job).run())
    assert before > 4
    assert job.score(torch.device("cpu")).error < 0.8


def test_a_stopped_run_goes_on_to_the_same_bits(teacher: Path, tmp_path: Path) -> None:
    taught = [written(teacher, tmp_path / str(k), 100, seed=k) for k in range(2)]
    settings = {"epochs": 3, "parts": 2, "checkpoint_seconds": 1e9}
    Trainer(job_of(taught, tmp_path / "whole", **settings)).run()
    for stop in (5, 9):
        job, count = job_of(taught, tmp_path / "parts", **settings), itertools.count(1)

        def before(network: Any, share: float, c: Any = count, at: int = stop) -> None:
            trainer._stop = next(c) == at  # noqa: B023

        job.techniques = [Watch(before)]
        trainer = Trainer(job)
        with pytest.raises(KeyboardInterrupt):
            trainer.run()
    Trainer(job_of(taught, tmp_path / "parts", **settings)).run()
    _, progress, tensors = read_checkpoint(tmp_path / "whole" / "run" / "last.ckpt")
    _, other, others = read_checkpoint(tmp_path / "parts" / "run" / "last.ckpt")
    assert progress == other
    assert [key for key in tensors if not torch.equal(tensors[key], others[key])] == []


def test_the_state_goes_on_from_batch_to_batch(teacher: Path, tmp_path: Path) -> None:
    job = job_of([written(teacher, tmp_path / "text", 60)], tmp_path)
    given: list[list[State]] = []
    job.model.register_forward_pre_hook(lambda m, inputs: given.append(inputs[2]))
    trainer = Trainer(job)
    for position, planned in enumerate(job.plan(0)):
        trainer._step(job.batch(planned, (1, 0, position)), (1, 0, position), 0.0)
    assert float(given[0][0][0].abs().sum()) == 0
    assert all(float(state[0][0].abs().sum()) > 0 for state in given[1:])


def test_a_teacher_must_speak_the_same_language(tmp_path: Path) -> None:
    for name, model in (
        ("audio", random_model("sru", units=BLANK)),
        ("other", random_model("sru", features=None, units=Units.characters(" ABC"))),
    ):
        write_model(tmp_path / f"{name}.sqm", model)
        with pytest.raises(ConfigError, match=rf"transfer\.teacher: .*{name}\.sqm: not a language model of"):
            written(tmp_path / f"{name}.sqm", tmp_path / "text", 5)
    with pytest.raises(ConfigError, match=r"transfer\.teacher: .*none\.sqm: there is no such file"):
        written(tmp_path / "none.sqm", tmp_path / "text", 5)
