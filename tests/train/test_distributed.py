from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tiny_speech import Watch, environment, make_job, make_retraining, write_corpus

from speechq.errors import ConfigError
from speechq.methods import SharpnessConfig
from speechq.recipes.run import run_recipe
from speechq.train import distributed
from speechq.train.checkpoint import read_checkpoint
from speechq.train.loop import Trainer
from speechq.train.noise import SharpnessAware
from speechq.train.speech import SpeechJob


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _member(rank: int, port: int, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """What torchrun does for each of two processes."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    distributed.start()
    try:
        work(*arguments)
    finally:
        distributed.stop()


def together(context: Any, work: Callable[..., None], *arguments: Any) -> list[int]:
    """Run ``work`` in two processes; their exit codes."""
    port = free_port()
    members = [context.Process(target=_member, args=(rank, port, work, arguments)) for rank in range(2)]
    for member in members:
        member.start()
    for member in members:
        member.join(timeout=60)
    assert not any(member.is_alive() for member in members), "the processes wait for each other"
    return [member.exitcode for member in members]


# Gradients


def _job(folder: Path, kind: str) -> SpeechJob:
    if kind.startswith("float"):
        job = make_job(folder, model={"batch_norm": True})
        with torch.no_grad():
            for name, buffer in job.model.named_buffers():
                buffer.add_(0.3 if name.endswith("mean") else 0.5)
        job.model.freeze_norms()
        job.techniques = [SharpnessAware(SharpnessConfig())] if kind == "float+sam" else []
        return job
    return make_retraining(folder, kind)


def _gradients(folder: Path, kind: str, rows: int) -> None:
    """Two batches without an update between them, so that the second starts from carried states."""
    job = _job(folder / str(distributed.rank()), kind)
    trainer = Trainer(job)
    found: dict[str, torch.Tensor] = {}

    def keep() -> None:
        found.update({n: p.grad.clone() for n, p in trainer.model.named_parameters() if p.grad is not None})

    trainer.optimizer.step = keep  # type: ignore[method-assign, assignment]
    job.config = job.config.model_copy(update={"clip": 1e9, "fresh_share": 0.3})
    losses = []
    for position in range(2):
        seed = (1, 0, position)
        losses.append(trainer._step(job.batch(list(range(rows)), seed), seed, 0.1)[0])
    if distributed.is_first():
        name = f"gradients-{distributed.world()}.pt"
        torch.save({**found, "losses": torch.tensor(losses)}, folder / name)


KINDS = [("float", 4), ("float", 3), ("float", 1), ("lsq", 3)]
KINDS += [("lsq+kd+ssgd", 3), ("lsq+seqkd", 3), ("float+sam", 3)]


@pytest.mark.parametrize(("kind", "rows"), KINDS)
def test_two_processes_have_the_gradients_of_one(tmp_path: Path, context: Any, kind: str, rows: int) -> None:
    _gradients(tmp_path, kind, rows)
    shutil.copytree(tmp_path / "0", tmp_path / "1")  # both write the corpus: each process in its own folder
    assert together(context, _gradients, tmp_path, kind, rows) == [0, 0]
    one = torch.load(tmp_path / "gradients-1.pt", weights_only=True)
    two = torch.load(tmp_path / "gradients-2.pt", weights_only=True)
    assert one.keys() == two.keys()
    for name, expected in one.items():
        assert expected.norm() > 0, name
        error = (two[name] - expected).norm() / expected.norm()
        assert error < (1e-5 if "+" in kind else 1e-6), name


# Training


def _train(shared: Path, own: Path, schedule: str, stop_at: int | None) -> None:
    """``own`` is a folder of each process: only the first may write a run there."""
    settings = {"epochs": 4, "batch_seconds": 4.0, "schedule": schedule, "retries": 0, "learning_rate": 0.002}
    job = make_job(own / str(distributed.rank()), train=settings, model={"batch_norm": True})
    if shared != own:
        job.folder = shared
    if stop_at is not None:

        def interrupt(model: Any, share: float) -> None:
            if distributed.rank() == 1 and trainer.position.step == stop_at:
                trainer._stop = True  # as Ctrl-C does, in one of the processes only

        job.techniques = [Watch(interrupt)]
    trainer = Trainer(job)
    try:
        trainer.run()
    except KeyboardInterrupt:
        assert stop_at is not None
    same = [p.detach().clone() for p in [*trainer.model.parameters(), *trainer.model.buffers()]]
    total = [p.clone() for p in same]
    distributed.sum_in_place(total)
    for mine, both in zip(same, total, strict=True):
        assert torch.equal(both, mine * distributed.world()), "the processes have drifted apart"


def weights(path: Path) -> dict[str, torch.Tensor]:
    _, _, tensors = read_checkpoint(path)
    return {name: value for name, value in tensors.items() if name.startswith("model/")}


def test_two_processes_train_one_network_and_the_first_alone_writes(tmp_path: Path, context: Any) -> None:
    assert together(context, _train, tmp_path, tmp_path, "one_cycle", None) == [0, 0]
    assert {p.name for p in (tmp_path / "0" / "run").iterdir()} >= {"last.ckpt", "best.ckpt", "metrics.jsonl"}
    assert not (tmp_path / "1" / "run").exists()
    _, progress, _ = read_checkpoint(tmp_path / "0" / "run" / "last.ckpt")
    assert progress["epoch"] == 4


def test_a_short_training_ends_near_the_weights_of_one_process(tmp_path: Path, context: Any) -> None:
    assert together(context, _short, tmp_path / "two") == [0, 0]
    _short(tmp_path / "one")
    one, two = weights(tmp_path / "one/0/run/last.ckpt"), weights(tmp_path / "two/0/run/last.ckpt")
    for name, expected in one.items():
        assert (two[name] - expected).norm() <= 1e-3 * expected.norm(), name


def _short(folder: Path) -> None:
    Trainer(make_job(folder / str(distributed.rank()), train={"epochs": 2, "learning_rate": 0.002})).run()


@pytest.mark.parametrize("schedule", ["one_cycle", "retry"])
def test_an_interrupt_of_one_process_stops_both_and_the_run_goes_on(
    tmp_path: Path, context: Any, schedule: str
) -> None:
    whole, stopped = tmp_path / "whole" / "run", tmp_path / "stopped" / "run"
    assert together(context, _train, whole, whole.parent, schedule, None) == [0, 0]
    assert together(context, _train, stopped, stopped.parent, schedule, 4) == [0, 0]
    _, progress, _ = read_checkpoint(stopped / "last.ckpt")
    assert progress["step"] == 5
    assert together(context, _train, stopped, stopped.parent, schedule, None) == [0, 0]
    expected = weights(whole / "last.ckpt")
    for name, value in weights(stopped / "last.ckpt").items():
        assert torch.equal(value, expected[name]), name


def test_one_process_needs_no_group() -> None:
    assert (distributed.rank(), distributed.world(), distributed.is_first()) == (0, 1, True)
    tensor = torch.ones(2)
    distributed.sum_in_place([tensor])
    assert torch.equal(tensor, torch.ones(2))
    assert distributed.largest(2) == 2
    assert distributed.first_decides(True)
    distributed.barrier()


# A whole recipe


def test_a_recipe_runs_under_torchrun(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", train=8)
    recipe = {
        "name": "tones",
        "data": {
            "corpus": "manifest",
            "source": str(corpus),
            "alphabet": " ABCDEF",
            "features": {"mels": 20},
        },
        "model": {"cell": "sru", "layers": 1, "hidden": 16},
        "train": {"epochs": 2, "batch_seconds": 8.0, "max_rows": 4, "workers": 1},
        "retrain": {"schemes": ["w4a8"], "methods": ["direct", "lsq"], "epochs": 1},
        "sensitivity": {"bits": [3], "epochs": 1},  # trains in the first process while the other waits
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    work = tmp_path / "work"
    run_recipe(tmp_path, work=work, last="prepare")
    shutil.rmtree(work / "features")  # both processes need them, and one must wait for the other
    launch = ["torch.distributed.run", "--nproc-per-node", "2", "--master-addr", "127.0.0.1"]
    launch += ["--master-port", str(free_port()), "-m", "speechq", "run", str(tmp_path), "--work", str(work)]
    done = subprocess.run(
        [sys.executable, "-m", *launch, "--from", "train"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("epoch 1/2") == 1  # only the first process speaks
    assert len(list((work / "features").iterdir())) == 3
    assert len(list(work.glob("train/*/final.ckpt"))) == 4
    assert len(json.loads((work / "sensitivity" / "points.json").read_text())) == 6
    assert len(list(work.rglob("result.json"))) == 7
    assert (work / "report.html").is_file()
    assert not [path for path in work.rglob("*") if path.name.endswith(".tmp")]
    before = {path: path.stat().st_mtime_ns for path in work.rglob("*") if path.is_file()}
    run_recipe(tmp_path, work=work)
    assert {path: path.stat().st_mtime_ns for path in work.rglob("*") if path.is_file()} == before


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    for name, value in {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="process 2 of this machine has no GPU, there are 1"):
        distributed.start()
