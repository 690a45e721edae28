"""The training loop: from a job to a checkpoint; a run killed at any moment goes on to the same bits."""

from __future__ import annotations

import contextlib
import math
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from speechq.config import LoopConfig
from speechq.errors import TrainingError
from speechq.nn.layer import State
from speechq.nn.norm import MaskedBatchNorm
from speechq.progress import Bar, progress, say
from speechq.train import distributed
from speechq.train.carry import Carry
from speechq.train.checkpoint import read_checkpoint, restore, save_checkpoint
from speechq.train.faults import blame_gradient, blame_loss
from speechq.train.job import Job
from speechq.train.memory import keep_freed_memory
from speechq.train.metrics import Log, metrics_log
from speechq.train.optimizers import forget_changes, make_optimizer, optimizer_tensors, restore_optimizer
from speechq.train.schedule import rate_at
from speechq.train.technique import Pass, precision

_GO_ON, _SAVE, _STOP = range(3)


B = TypeVar("B")


@dataclass
class Position:
    """Where the run stands: ``batch`` of ``epoch`` comes next. ``*_epoch`` count from 1; -1: none."""

    epoch: int = 0
    batch: int = 0
    step: int = 0
    best: float = math.inf
    best_epoch: int = -1
    retries: int = 0
    rate: float = 0.0
    previous: float = math.inf
    accepted_epoch: int = -1
    pivot: float = math.inf
    pivot_epoch: int = -1
    finished: bool = False
    skipped: list[str] = field(default_factory=list)


class Trainer(Generic[B]):
    """Runs a ``Job``. Files in its folder: ``last.ckpt``, ``best.ckpt``, ``metrics.jsonl``.

    Everything random is drawn from the seed, the epoch and the position of the batch, so a resumed run needs
    no state of a generator.
    """

    def __init__(self, job: Job[B]) -> None:
        self.job = job
        self.device = training_device()
        self.model = job.model.to(self.device)
        self.optimizer = make_optimizer(job.config, self.model)
        self.position = Position(rate=job.config.learning_rate, skipped=job.skipped())
        self.carry = Carry(self.model, job.streams)
        self._after: list[tuple[list[int], list[State]]] = []
        for technique in job.techniques:
            technique.prepare(job, self.optimizer, self.device)
        self._stop = False
        self._saved = time.monotonic()

    @property
    def config(self) -> LoopConfig:
        """The settings of the job."""
        return self.job.config

    def run(self) -> Path:
        """Train to the end and return the checkpoint to use."""
        job, config = self.job, self.config
        keep_freed_memory()
        self._resume()
        if self.position.step == 0:
            job.announce()
        with self._interruptible(), metrics_log(job.folder, self.position.step, self.position.epoch) as log:
            while self.position.epoch < config.epochs and not self.position.finished:
                batches = job.plan(self.position.epoch)
                title = f"{job.name} epoch {self.position.epoch + 1}/{config.epochs}"
                with progress(title, len(batches), "batches") as bar:
                    bar.resume(self.position.batch)
                    self._epoch(batches, bar, log)
                self._end_epoch(log)
                self._save("last.ckpt")
                self._drop_left_behind()
                self._end_if(self._level())
        best = job.folder / "best.ckpt"
        return best if job.keep_best and best.is_file() else job.folder / "last.ckpt"

    def _epoch(self, batches: Sequence[Any], bar: Bar, log: Log) -> None:
        config, position = self.config, self.position
        self.model.train()
        while position.batch < len(batches):
            share = (position.epoch + position.batch / len(batches)) / config.epochs
            rate = position.rate if config.schedule == "retry" else rate_at(config, share)
            for technique in self.job.techniques:
                technique.before_step(share)
                rate = technique.rate(rate, share)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            seed = (config.seed, position.epoch, position.batch)
            loss, norm = self._step(self.job.batch(batches[position.batch], seed), seed, share)
            position.batch += 1
            position.step += 1
            epoch = share * config.epochs
            row = {"step": position.step, "epoch": epoch, "loss": loss, "rate": rate, "grad_norm": norm}
            log(row | {k: v for technique in self.job.techniques for k, v in technique.figures().items()})
            bar.advance(1, f"loss {loss:.3f}")
            level = self._level()
            if level >= _SAVE:
                self._save("last.ckpt")
            self._end_if(level)

    def _level(self) -> int:
        """What is to be done now; all processes agree."""
        due = time.monotonic() - self._saved > self.config.checkpoint_seconds
        return distributed.largest(_STOP if self._stop else _SAVE if due else _GO_ON)

    def _end_if(self, level: int) -> None:
        if level >= _STOP:
            raise KeyboardInterrupt

    def _step(self, batch: B, seed: tuple[int, ...], share: float) -> tuple[float, float]:
        """One update; the loss per label of the whole batch and the gradient's norm."""
        job = self.job

        def measure(rows: range) -> tuple[Tensor, list[Tensor]]:
            return self._measure(batch, rows, seed, share)

        rows = job.rows(batch)
        elsewhere = next((technique for technique in job.techniques if technique.moves_weights), None)
        loss, gradients = elsewhere.gradients(measure, rows, seed) if elsewhere else measure(range(rows))
        parameters = self._trained()
        for penalty in [p for technique in job.techniques if (p := technique.penalty()) is not None]:
            found = torch.autograd.grad(penalty, parameters, allow_unused=True)
            gradients = [g if more is None else g + more for g, more in zip(gradients, found, strict=True)]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        norm = nn.utils.get_total_norm(gradients)
        if not torch.isfinite(norm):
            raise TrainingError(f"{self._where()}: {blame_gradient(self.model)}")
        nn.utils.clip_grads_with_norm_(parameters, self.config.clip, norm)
        self.optimizer.step()
        for quantizer in self.model.quantizers():
            quantizer.keep_positive()
        for own, after in self._after:
            self.carry.keep(own, after)
        self._after.clear()
        for technique in job.techniques:
            technique.after_step()
        return float(loss), float(norm)

    def _measure(
        self, batch: B, rows: range, seed: tuple[int, ...], share: float
    ) -> tuple[Tensor, list[Tensor]]:
        """Loss and gradients of some rows at the present weights, summed over all processes."""
        job = self.job
        own = [row for row in rows if row % distributed.world() == distributed.rank()]
        fresh = job.fresh(batch, seed)
        # Masks of dropout and zoneout come from torch's generator, the same in all passes of a step.
        # torch.manual_seed would seed every kind of device and note the stack for each, which takes its time.
        drawn = int(np.random.default_rng([*seed, 2, distributed.rank()]).integers(2**62))
        torch.default_generator.manual_seed(drawn)
        if self.device.type == "cuda":
            torch.cuda.manual_seed_all(drawn)
        loss = torch.zeros((), device=self.device)
        self.optimizer.zero_grad()
        if own:
            x, lengths = (part.to(self.device) for part in job.inputs(batch, own))
            state = self.carry.before(own, fresh)
            with precision(self.config, self.device):
                logits, after = self.model(x, lengths, state)
            loss = job.loss(logits, batch, own, lengths)
            seen = Pass(batch, own, x, lengths, fresh, state, logits, seed, share)
            for technique in job.techniques:
                loss = technique.loss(loss, seen)
            if not torch.isfinite(loss):
                reason = blame_loss(self.model, x, lengths, state, job.loss_name)
                raise TrainingError(f"{self._where()}: {reason}")
            torch.autograd.backward(loss)
            self._after.append((own, after))
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in self._trained()]
        whole = loss.detach().clone()
        distributed.sum_in_place([*gradients, *self._running_statistics(), whole])
        return whole, gradients

    def _trained(self) -> list[nn.Parameter]:
        # A frozen step keeps no gradient: its optimizer state would go on moving it.
        return [p for p in self.model.parameters() if p.requires_grad]

    def _where(self) -> str:
        return f"{self.job.name}: step {self.position.step + 1} (epoch {self.position.epoch + 1})"

    def _running_statistics(self) -> list[torch.Tensor]:
        """Those of batch normalization, scaled so that their sum over all processes is their mean."""
        norms = [m for m in self.model.modules() if isinstance(m, MaskedBatchNorm) and not m.frozen]
        found = [buffer for norm in norms for buffer in (norm.mean, norm.variance)]
        for buffer in found if distributed.world() > 1 else ():
            buffer.div_(distributed.world())
        return found

    def _end_epoch(self, log: Log) -> None:
        position, config, job = self.position, self.config, self.job
        if position.epoch + 1 == config.epochs:
            for technique in job.techniques:
                technique.end()
        result = job.score(self.device)
        position.epoch += 1
        position.batch = 0
        log({"step": position.step, "epoch": position.epoch, **result.figures})
        say(f"{job.name}: epoch {position.epoch}/{config.epochs}  dev loss {result.loss:.3f}  {result.text}")
        if result.error < position.best:
            position.best, position.best_epoch = result.error, position.epoch
            self._save("best.ckpt")
        elif config.patience and position.epoch - position.best_epoch >= config.patience:
            position.finished = True
        if config.schedule == "retry":
            self._retry(result.loss)

    def _retry(self, loss: float) -> None:
        """Fractal's schedule: after too many worse evaluations go back to the pivot with a lower rate.

        The pivot is the state accepted before the last accepted one. States are named by their epoch, so that
        a resumed run can repeat the end of an epoch.
        """
        position, config = self.position, self.config
        if loss <= position.previous:
            position.pivot, position.pivot_epoch = position.previous, position.accepted_epoch
            position.previous, position.accepted_epoch = loss, position.epoch
            position.retries = 0
            self._save(_accepted(position.epoch))
            return
        position.retries += 1
        if position.retries <= config.retries:
            return
        if position.pivot_epoch < 0:  # nothing was accepted before the last accepted state
            position.pivot, position.pivot_epoch = position.previous, position.accepted_epoch
        _, _, tensors = read_checkpoint(self.job.folder / _accepted(position.pivot_epoch))
        restore(self.model, tensors)
        forget_changes(self.optimizer)
        position.previous, position.accepted_epoch = position.pivot, position.pivot_epoch
        position.rate *= config.rate_factor
        position.retries = 0
        position.finished = position.finished or position.rate < config.min_rate

    def _drop_left_behind(self) -> None:
        """Remove accepted states that nothing can go back to."""
        if distributed.is_first():
            needed = {_accepted(self.position.accepted_epoch), _accepted(self.position.pivot_epoch)}
            for path in self.job.folder.glob(_accepted("*")):
                if path.name not in needed:
                    path.unlink()

    def _save(self, name: str) -> None:
        self._saved = time.monotonic()
        extra = {f"carry/{k}": part for k, part in self.carry.tensors().items()}
        for technique in self.job.techniques:
            extra |= {f"{technique.name}/{k}": part for k, part in technique.state().items()}
        if not distributed.is_first():
            return
        extra |= {f"optimizer/{k}": v for k, v in optimizer_tensors(self.optimizer, self.model).items()}
        save_checkpoint(self.job.folder / name, self.model, self.job.info, vars(self.position), extra)

    def _resume(self) -> None:
        path = self.job.folder / "last.ckpt"
        if not path.is_file():
            return
        _, progress_made, tensors = read_checkpoint(path)
        restore(self.model, tensors)
        restore_optimizer(self.optimizer, self.model, _under("optimizer", tensors))
        self.carry.restore(_under("carry", tensors))
        for technique in self.job.techniques:
            technique.restore(_under(technique.name, tensors))
        self.position = Position(**progress_made)

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Ctrl-C ends the run after the current step, with a checkpoint; a second Ctrl-C ends it at once."""

        def stop(signum: int, frame: Any) -> None:
            if self._stop:
                raise KeyboardInterrupt
            self._stop = True

        try:
            before = signal.signal(signal.SIGINT, stop)
        except ValueError:  # not the main thread
            yield
            return
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def training_device() -> torch.device:
    """The GPU of this process if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a checkpoint whose names begin with ``prefix/``, without it."""
    return {k.removeprefix(f"{prefix}/"): v for k, v in tensors.items() if k.startswith(f"{prefix}/")}


def _accepted(epoch: int | str) -> str:
    return f"accepted-{epoch}.ckpt"
