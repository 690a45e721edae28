from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tiny_speech import (
    FEATURES,
    SOME_AUGMENT,
    Watch,
    environment,
    make_job,
    make_retraining,
    write_corpus,
)

from speechq.config import AugmentConfig
from speechq.errors import TrainingError
from speechq.train import loop
from speechq.train.checkpoint import read_checkpoint
from speechq.train.loop import Trainer


def metrics(folder: Path) -> list[dict[str, Any]]:
    """Rows of a run without the time of day."""
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def steps(folder: Path) -> list[int]:
    return [row["step"] for row in metrics(folder) if "loss" in row]


def assert_same_run(folder: Path, other: Path) -> None:
    """Weights, optimizer and streams are equal to the bit, and so is what was logged."""
    for name in ("last.ckpt", "best.ckpt"):
        _, progress, tensors = read_checkpoint(folder / name)
        _, expected_progress, expected = read_checkpoint(other / name)
        assert tensors.keys() == expected.keys()
        assert [key for key in tensors if not torch.equal(tensors[key], expected[key])] == []
        assert progress == expected_progress
    assert metrics(folder) == metrics(other)


# Learning


@pytest.mark.parametrize("cell", ["sru", "lstm"])
def test_a_handful_of_utterances_is_learned_by_heart(tmp_path: Path, cell: str) -> None:
    settings = {"epochs": 60, "learning_rate": 0.03, "carry_state": False}
    job = make_job(tmp_path, model={"cell": cell, "hidden": 48}, train=settings)
    assert Trainer(job).run() == tmp_path / "run" / "best.ckpt"
    epochs = [row for row in metrics(job.folder) if "dev_cer" in row]
    assert len(epochs) == 60
    assert epochs[0]["dev_cer"] > 0.5
    assert min(row["dev_cer"] for row in epochs) < 0.05


def test_the_same_seed_gives_the_same_bits_and_another_does_not(tmp_path: Path) -> None:
    model = {"dropout": 0.2}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        torch.rand(3)  # what the process drew before does not matter
        Trainer(make_job(tmp_path / name, model=model, augment=SOME_AUGMENT, seed=seed)).run()
    assert_same_run(tmp_path / "a" / "run", tmp_path / "b" / "run")
    _, _, first = read_checkpoint(tmp_path / "a" / "run" / "last.ckpt")
    _, _, other = read_checkpoint(tmp_path / "c" / "run" / "last.ckpt")
    assert not torch.equal(first["model/out.weight_out"], other["model/out.weight_out"])


def test_a_row_goes_on_with_its_state_unless_it_starts_afresh(tmp_path: Path) -> None:
    for share, carried in ((0.0, True), (1.0, False)):
        job = make_job(tmp_path, train={"fresh_share": share})
        trainer = Trainer(job)
        seen: list[float] = []
        hook = job.model.register_forward_pre_hook(
            lambda module, inputs, seen=seen: seen.append(float(inputs[2][0][0].abs().sum()))
        )
        batch = job.batch([0, 1, 2], (1, 0, 0))
        trainer._step(batch, (1, 0, 0), 0.0)
        trainer._step(batch, (1, 0, 1), 0.5)
        hook.remove()
        assert seen[0] == 0.0
        assert (seen[1] > 0) == carried


# Killed runs


def _train(folder: Path, method: str | None, schedule: str) -> None:
    """The run of the tests below; every step writes a checkpoint."""
    train = {
        "epochs": 8,
        "checkpoint_seconds": 1e-6,
        "schedule": schedule,
        "retries": 0,
        "min_rate": 1e-5,
        "batch_seconds": 4.0,
    }
    if schedule == "retry":
        train |= {"optimizer": "adadelta_nesterov", "learning_rate": 0.01}
    common: dict[str, Any] = {"train": train, "model": {"dropout": 0.1}, "augment": SOME_AUGMENT}
    if method is None:
        job = make_job(folder, **common)
    else:
        job = make_retraining(
            folder, method, scheme="w3a4", settings={"speq": {"bits": 8}, "sparse": {"bits": 3}}, **common
        )  # type: ignore[arg-type]
    Trainer(job).run()


def _train_and_die(folder: Path, method: str | None, schedule: str, write: int, moment: str) -> None:
    """Die in the ``write``-th checkpoint: ``before``, ``amid`` (half the bytes written) or ``after`` it."""
    count = itertools.count(1)
    save_checkpoint = loop.save_checkpoint

    def save(path: Path, *arguments: Any) -> None:
        mine = next(count) == write
        if mine and moment == "amid":
            save_checkpoint(path.with_name("whole"), *arguments)
            whole = path.with_name("whole").read_bytes()
            path.with_name(f".{path.name}.x.tmp").write_bytes(whole[: len(whole) // 2])
        if not mine or moment == "after":
            save_checkpoint(path, *arguments)
        if mine:
            os.kill(os.getpid(), signal.SIGKILL)

    loop.save_checkpoint = save
    _train(folder, method, schedule)


def _run(context: Any, target: Callable[..., None], *arguments: Any) -> int | None:
    process = context.Process(target=target, args=arguments)
    process.start()
    process.join()
    return int(process.exitcode)


RUNS = [
    (None, "one_cycle"),
    (None, "retry"),
    ("adaptive", "one_cycle"),
    ("lsq", "one_cycle"),
    ("adaptive+kd+ssgd+sqwa+msqe", "one_cycle"),
    ("lsq+seqkd+sam+speq+swa+prune+sparse", "one_cycle"),
]


@pytest.mark.parametrize(("method", "schedule"), RUNS)
def test_a_run_killed_at_random_moments_ends_with_the_same_bits(
    tmp_path: Path, context: Any, method: str | None, schedule: str
) -> None:
    assert _run(context, _train, tmp_path / "whole", method, schedule) == 0
    draw = random.Random(f"{method}-{schedule}")
    folder = tmp_path / "killed"
    if method is not None:
        make_retraining(folder, method)  # type: ignore[arg-type]
    log = folder / "run" / "metrics.jsonl"
    kills = 0
    while kills < 5:
        process = context.Process(target=_train, args=(folder, method, schedule))
        process.start()
        begun, size = time.monotonic(), log.stat().st_size if log.is_file() else 0
        while process.is_alive() and time.monotonic() - begun < 30:
            if log.is_file() and log.stat().st_size != size:  # it is training
                break
            time.sleep(0.001)
        time.sleep(draw.uniform(0.0, 0.08))
        process.kill()
        process.join()
        if process.exitcode == 0:
            break  # it was faster than its killer
        assert process.exitcode == -signal.SIGKILL
        kills += 1
    assert kills >= 2
    assert _run(context, _train, folder, method, schedule) == 0
    assert_same_run(folder / "run", tmp_path / "whole" / "run")
    assert steps(folder / "run") == list(range(1, len(steps(folder / "run")) + 1))


@pytest.mark.parametrize(("method", "schedule"), [(None, "retry"), ("lsq", "one_cycle")])
def test_a_run_killed_around_any_checkpoint_ends_with_the_same_bits(
    tmp_path: Path, context: Any, method: str | None, schedule: str
) -> None:
    assert _run(context, _train, tmp_path / "whole", method, schedule) == 0
    folder = tmp_path / "killed"
    if method is not None:
        make_retraining(folder, method)  # type: ignore[arg-type]
    for moment, write in itertools.product(("before", "amid", "after"), (4, 5, 6, 7)):
        if _run(context, _train_and_die, folder, method, schedule, write, moment) == 0:
            break
    assert _run(context, _train, folder, method, schedule) == 0
    assert_same_run(folder / "run", tmp_path / "whole" / "run")


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    Trainer(make_job(tmp_path)).run()
    before = (tmp_path / "run" / "last.ckpt").read_bytes(), metrics(tmp_path / "run")
    Trainer(make_job(tmp_path)).run()
    assert ((tmp_path / "run" / "last.ckpt").read_bytes(), metrics(tmp_path / "run")) == before


def test_a_line_cut_off_by_a_kill_is_dropped(tmp_path: Path) -> None:
    job = make_job(tmp_path, train={"epochs": 2})
    Trainer(job).run()
    expected = metrics(job.folder)
    with (job.folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 99, "loss": 1.0}\n{"step": 5, "lo')
    Trainer(make_job(tmp_path, train={"epochs": 2})).run()
    assert metrics(job.folder) == expected


# Ctrl-C


def _recipe(folder: Path) -> Path:
    corpus = write_corpus(folder / "corpus", train=8)
    recipe = {
        "name": "tones",
        "data": {
            "corpus": "manifest",
            "source": str(corpus),
            "alphabet": " ABCDEF",
            "features": {"mels": 20},
        },
        "model": {"cell": "sru", "layers": 2, "hidden": 24, "dropout": 0.1},
        "train": {"epochs": 30, "batch_seconds": 2.0, "max_rows": 2, "workers": 1},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return folder


def _command(folder: Path, work: str) -> list[str]:
    command = [sys.executable, "-m", "speechq", "run", str(folder), "--work", str(folder / work)]
    return [*command, "--until", "train"]


def test_ctrl_c_leaves_a_checkpoint_and_the_same_command_goes_on(tmp_path: Path) -> None:
    folder = _recipe(tmp_path)
    run = folder / "stopped" / "train" / "float-s1"
    process = subprocess.Popen(
        _command(folder, "stopped"), env=environment(), stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    begun = time.monotonic()
    while time.monotonic() - begun < 60 and process.poll() is None:
        if (run / "metrics.jsonl").is_file() and len(steps(run)) > 20:
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, shown = process.communicate(timeout=60)
    assert process.returncode == 130, shown
    assert "Traceback" not in shown
    assert "goes on" in shown
    _, progress, _ = read_checkpoint(run / "last.ckpt")
    assert progress["step"] == steps(run)[-1] > 20
    assert not (run / "final.ckpt").is_file()
    again = subprocess.run(_command(folder, "stopped"), env=environment(), cwd=tmp_path, check=False)
    assert again.returncode == 0
    assert (run / "final.ckpt").is_file()
    assert steps(run) == list(range(1, len(steps(run)) + 1))


# Faults


def test_a_poisoned_layer_stops_the_run_and_is_named(tmp_path: Path) -> None:
    job = make_job(tmp_path, model={"layers": 3})

    def poison(model: Any, share: float) -> None:
        if share > 0.5:
            with torch.no_grad():
                model.layers[1].weight_in[3, 2] = torch.nan

    job.techniques = [Watch(poison)]
    with pytest.raises(TrainingError, match=r"tiny: step 5 \(epoch 3\): .* layer l1$"):
        Trainer(job).run()


def test_features_that_are_not_numbers_stop_the_run(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    job.train.scale[3] = float("nan")
    with pytest.raises(TrainingError, match=r"step 1 .*features of . of . utterances"):
        Trainer(job).run()


def test_a_gradient_that_is_not_a_number_names_the_parameter(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    job.model.out.bias.register_hook(lambda gradient: gradient * torch.inf)
    with pytest.raises(TrainingError, match=r"step 1 .*gradient of out.bias is not finite"):
        Trainer(job).run()


def test_utterances_too_short_for_their_transcript_are_counted_and_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    job = make_job(tmp_path, train={"epochs": 1})
    labels = list(job.train.labels)
    labels[2] = [1] * 200
    labels[5] = [1, 2] * 500
    job.train = type(job.train)(job.train.stores, labels, FEATURES, job.train.mean, job.train.scale)
    trainer = Trainer(job)
    trainer.run()
    shown = capfd.readouterr().err
    assert "2 utterances are too short for their transcript: train-2, train-5\n" in shown
    assert sorted(job.items) == [0, 1, 3, 4, 6, 7]
    _, progress, _ = read_checkpoint(job.folder / "last.ckpt")
    assert progress["skipped"] == ["train-2", "train-5"]


def test_an_utterance_that_just_fits_is_used(tmp_path: Path) -> None:
    job = make_job(
        tmp_path, augment=AugmentConfig(time_masks=0, frequency_masks=0, shift=True), train={"epochs": 4}
    )
    labels = list(job.train.labels)
    labels[3] = [1 + k % 2 for k in range(job.train.frames(3))]
    job.train = type(job.train)(job.train.stores, labels, FEATURES, job.train.mean, job.train.scale)
    trainer = Trainer(job)
    assert 3 in job.items
    trainer.run()  # any shift of its first frame would make the loss infinite


def test_a_corpus_without_a_usable_utterance_is_an_error(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    labels = [[1] * 999] * len(job.train)
    job.train = type(job.train)(job.train.stores, labels, FEATURES, job.train.mean, job.train.scale)
    with pytest.raises(TrainingError, match="every training utterance is too short"):
        Trainer(job)
