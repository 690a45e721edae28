"""Training on streams of text."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_speech import Watch
from tiny_text import LANGUAGE, SENTENCES, make_text_job

from speechq.errors import TrainingError
from speechq.lm.symbols import Symbols, encode_text
from speechq.nn.layer import State
from speechq.train.checkpoint import load_network, read_checkpoint
from speechq.train.loop import Trainer
from speechq.train.retrain import start_network
from speechq.train.steps import Steps
from speechq.train.text import TextJob, calibration_sample, cross_entropy

CPU = torch.device("cpu")
KINDS: list[dict[str, Any]] = [
    {"cell": "lstm", "peepholes": True},
    {"cell": "sru"},
    {"hierarchy": "b", "layers": 4, "peepholes": True},
]
LONG = {"epochs": 6, "learning_rate": 0.04, "steps": 20}


def epochs(folder: Path) -> list[dict[str, float]]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [row for row in rows if "dev_bpc" in row]


def slow_bits(job: TextJob) -> float:
    """Bits per character of the dev text, one symbol at a time."""
    state: list[State] | None = None
    total, before = 0.0, 0
    for symbol in job.dev.symbols.tolist():
        logits, state = job.model(torch.tensor([[before]]), torch.tensor([1]), state, False)
        total -= float(torch.log_softmax(logits[0, 0].double(), -1)[symbol]) / math.log(2)
        before = symbol
    return total / len(job.dev.symbols)


def whole(plan: list[tuple[Symbols, Symbols]], side: int) -> Symbols:
    """The rows of an epoch's batches joined again."""
    return np.concatenate([batch[side] for batch in plan], axis=1).reshape(-1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_sentences_are_learned_by_heart(tmp_path: Path, kind: dict[str, Any]) -> None:
    job = make_text_job(tmp_path, repeats=24, model=kind | {"hidden": 48}, train=LONG)
    best = Trainer(job).run()
    log = epochs(job.folder)
    assert log[0]["dev_bpc"] > 0.7
    assert min(row["dev_bpc"] for row in log) < 0.6
    network, info = load_network(best)
    assert info.features is None and info.units == LANGUAGE
    job.model = network
    with torch.no_grad():
        assert slow_bits(job) == pytest.approx(min(row["dev_bpc"] for row in log), abs=0.02)


def test_figures_follow_from_each_other(tmp_path: Path) -> None:
    job = make_text_job(tmp_path)
    score = job.score(CPU)
    bits = score.figures["dev_bpc"]
    assert score.error == bits == pytest.approx(score.loss / math.log(2))
    words = sum(len(sentence.split()) for sentence in SENTENCES)
    characters = sum(len(sentence) + 1 for sentence in SENTENCES)
    assert score.figures["dev_word_perplexity"] == pytest.approx(2 ** (bits * characters / words))
    with torch.no_grad():
        assert bits == pytest.approx(slow_bits(job), abs=1e-5)


@pytest.mark.parametrize("steps", [50, 77, 5000])
def test_a_dev_text_in_parallel_streams_is_scored_once_and_whole(tmp_path: Path, steps: int) -> None:
    job = make_text_job(tmp_path)
    text = encode_text("\n".join(SENTENCES * 55), LANGUAGE)
    assert len(text.symbols) > 3 * 2048
    job.model.eval()
    loss = cross_entropy(job.model, text, steps, CPU)
    # The same streams by hand.
    rows = len(text.symbols) // 2048
    length = -(-len(text.symbols) // rows)
    inputs = np.concatenate([[0], text.symbols[:-1]])
    total = 0.0
    for first in range(0, len(text.symbols), length):
        x = torch.from_numpy(inputs[first : first + length].astype(np.int64))[:, None]
        with torch.no_grad():
            logits, _ = job.model(x, torch.tensor([len(x)]))
        wanted = torch.from_numpy(text.symbols[first : first + length].astype(np.int64))
        total -= float(torch.log_softmax(logits[:, 0].double(), -1)[torch.arange(len(x)), wanted].sum())
    assert loss == pytest.approx(total / len(text.symbols), rel=1e-5)


# Streams


def test_an_epoch_is_the_shuffled_text_in_parallel_streams(tmp_path: Path) -> None:
    job = make_text_job(tmp_path, train={"rows": 3, "steps": 10})
    text = job.train.shuffled(np.random.default_rng([1, 0]))
    plan = list(job.plan(0))
    length = len(text) // 3
    assert [x.shape[1] for x, _ in plan] == [min(10, length - t) for t in range(0, length, 10)]
    np.testing.assert_array_equal(whole(plan, 1), text[: 3 * length])
    np.testing.assert_array_equal(whole(plan, 0), [0, *text[: 3 * length - 1]])
    assert not np.array_equal(whole(list(job.plan(1)), 1), whole(plan, 1))
    np.testing.assert_array_equal(whole(list(job.plan(0)), 1), whole(plan, 1))
    batch = job.batch(plan[1], (1, 0, 1))
    assert batch.x.shape == (10, 3)
    assert batch.x[:, 2].tolist() == plan[1][0][2].tolist()
    assert batch.lengths.tolist() == [10, 10, 10]


def test_parts_of_a_pass_are_the_whole_text(tmp_path: Path) -> None:
    job = make_text_job(tmp_path, train={"rows": 1, "parts": 3, "epochs": 6})
    text = job.train.shuffled(np.random.default_rng([1, 1]))
    pieces = [whole(list(job.plan(epoch)), 1) for epoch in (3, 4, 5)]
    size = len(text) // 3
    np.testing.assert_array_equal(np.concatenate(pieces), text[: 3 * size])


def test_states_are_never_reset(tmp_path: Path) -> None:
    job = make_text_job(tmp_path)
    given: list[torch.Tensor] = []
    left: list[torch.Tensor] = []
    job.model.register_forward_pre_hook(lambda m, inputs: given.append(inputs[2][1][1].clone()))
    job.model.register_forward_hook(lambda m, inputs, output: left.append(output[1][1][1].detach()))
    trainer = Trainer(job)
    for epoch in range(2):
        for position, planned in enumerate(job.plan(epoch)):
            seed = (1, epoch, position)
            trainer._step(job.batch(planned, seed), seed, 0.5)
    assert given[0].abs().sum() == 0
    assert len(given) > 20
    assert all(torch.equal(a, b) for a, b in zip(left, given[1:], strict=False))


def test_a_text_too_short_for_its_rows_is_an_error(tmp_path: Path) -> None:
    job = make_text_job(tmp_path, train={"rows": 3000})
    with pytest.raises(TrainingError, match=r"tiny: a part of the text has \d+ symbols, too few for"):
        Trainer(job).run()


# Resumed runs


def stop_at(trainer: Callable[[], Trainer[Any]], step: int) -> Callable[[Any, float], None]:
    """Ctrl-C during the ``step``-th update from now."""
    count = itertools.count(1)

    def before(network: Any, share: float) -> None:
        trainer()._stop = next(count) == step

    return before


@pytest.mark.parametrize(
    "settings", [{}, {"optimizer": "adadelta_nesterov", "schedule": "retry", "retries": 0, "parts": 2}]
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_stopped_run_goes_on_to_the_same_bits(
    tmp_path: Path, kind: dict[str, Any], settings: dict[str, Any]
) -> None:
    train = {"epochs": 3, "checkpoint_seconds": 1e9, **settings}
    model = kind | {"dropout": 0.3}
    Trainer(make_text_job(tmp_path / "whole", model=model, train=train)).run()
    stops = [3, 11, 1]
    while stops:
        job = make_text_job(tmp_path / "parts", model=model, train=train)
        job.techniques = [Watch(stop_at(lambda: trainer, stops.pop()))]  # noqa: B023
        trainer = Trainer(job)
        with pytest.raises(KeyboardInterrupt):
            trainer.run()
    Trainer(make_text_job(tmp_path / "parts", model=model, train=train)).run()
    for name in ("last.ckpt", "best.ckpt"):
        _, progress, tensors = read_checkpoint(tmp_path / "whole" / "run" / name)
        _, other_progress, others = read_checkpoint(tmp_path / "parts" / "run" / name)
        assert progress == other_progress
        assert tensors.keys() == others.keys()
        assert [key for key in tensors if not torch.equal(tensors[key], others[key])] == []
    first, second = (epochs(tmp_path / name / "run") for name in ("whole", "parts"))
    assert [row["dev_bpc"] for row in first] == [row["dev_bpc"] for row in second]


# Retraining


@pytest.mark.parametrize("method", ["adaptive", "lsq"])
@pytest.mark.parametrize("kind", KINDS)
def test_retraining_recovers_what_two_bits_cost(tmp_path: Path, kind: dict[str, Any], method: Any) -> None:
    job = make_text_job(tmp_path, repeats=24, model=kind | {"hidden": 48}, train=LONG)
    start = Trainer(job).run()
    sample = calibration_sample(job.train, job.config)
    bits = {"float": job.score(CPU).error}
    for name in ("direct", method):
        job.folder = tmp_path / name
        job.model, job.info = start_network(start, "w2a8", name, True, sample)
        if name != "direct":
            job.techniques, job.keep_best = [Steps(0.25)], False
            Trainer(job).run()
        bits[name] = job.score(CPU).error
    assert bits["float"] + 0.3 < bits["direct"]
    assert bits[method] < bits["direct"] - 0.3


def test_the_calibration_sample_is_a_piece_of_the_text(tmp_path: Path) -> None:
    job = make_text_job(tmp_path)
    for rows, steps in ((4, 16), (1, 5), (64, 9), (4, 5000)):
        config = job.config.model_copy(update={"rows": rows, "steps": steps})
        sample = calibration_sample(job.train, config)
        assert sample.x.shape == sample.y.shape
        assert sample.lengths.tolist() == [len(sample.x)] * sample.x.shape[1]
        assert torch.equal(sample.x[1:], sample.y[:-1])
        text = job.train.symbols.tolist()
        row = sample.x[:, -1].tolist()
        assert any(text[k : k + len(row)] == row for k in range(len(text)))
