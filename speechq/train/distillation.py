"""Knowledge distillation: a float or larger network teaches the quantized one (1909.01688)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from speechq.errors import ConfigError
from speechq.methods import DistillationConfig
from speechq.nn.ctc import ctc_loss
from speechq.nn.layer import State
from speechq.nn.stack import valid_values
from speechq.train.carry import Carry
from speechq.train.checkpoint import load_network
from speechq.train.job import Job
from speechq.train.technique import Pass, Technique, precision

_DRAW = 4  # keeps what is drawn here apart from the other draws of a step


def frame_distillation(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """``tau^2 * sum over frames of H(softmax(teacher / tau), softmax(student / tau))``, both ``[n, V]``.

    The factor makes the gradient's size independent of the temperature (papers.md 12).
    """
    soft = torch.softmax(teacher / temperature, -1)
    return -(temperature**2) * (soft * torch.log_softmax(student / temperature, -1)).sum()


def collapse(path: Sequence[int]) -> list[int]:
    """The labels of an alignment: repeats joined, blanks (0) dropped."""
    return [unit for k, unit in enumerate(path) if unit != 0 and (k == 0 or unit != path[k - 1])]


def drawn_labels(
    teacher: Tensor, lengths: Tensor, temperature: float, rng: np.random.Generator
) -> list[list[int]]:
    """A labelling of each row, drawn from what the teacher's ``logits`` [T, B, V] say of whole utterances.

    A CTC network's frames are independent, so an alignment drawn frame by frame and collapsed is a draw from
    its distribution of labellings.
    """
    cumulative = torch.softmax(teacher.double() / temperature, -1).cumsum(-1).cpu().numpy()
    draws = rng.random(cumulative.shape[:2])
    paths = (cumulative < draws[..., None]).sum(-1).clip(max=cumulative.shape[2] - 1)
    return [collapse(paths[: int(n), row].tolist()) for row, n in enumerate(lengths)]


class Distillation(Technique):
    """``(1 - w) * H(labels, student) + w * H(teacher, student)``, the second frame by frame (``kd``).

    With ``seqkd`` the second is the cross entropy between the distributions of whole labellings that the two
    CTC networks define, ``-sum P_teacher(y | x) log P_student(y | x)``, estimated on labellings drawn from
    the teacher. The weight falls to 0 over the training (gradual soft loss reducing) unless the recipe says
    otherwise.
    """

    name = "kd"

    def __init__(self, config: DistillationConfig, teacher: Path, *, sequences: bool) -> None:
        self.config, self.path, self.sequences = config, teacher, sequences

    def prepare(self, job: Job[Any], optimizer: torch.optim.Optimizer, device: torch.device) -> None:
        super().prepare(job, optimizer, device)
        self.teacher, info = load_network(self.path)
        if info.units.symbols != job.info.units.symbols or info.features != job.info.features:
            raise ConfigError(
                f"retrain.kd.teacher: {self.path}: other units or features than the network it teaches"
            )
        if self.sequences and info.features is None:
            raise ConfigError(
                "retrain.methods: seqkd is for networks with CTC; a language network learns by kd"
            )
        self.teacher.to(device).requires_grad_(False)
        self.carry = Carry(self.teacher, job.streams)
        self._seen: dict[tuple[int, ...], tuple[Tensor, list[State]]] = {}

    def weight(self, share: float) -> float:
        """The teacher's share of the loss."""
        return self.config.weight * (1.0 - share if self.config.reduce else 1.0)

    def loss(self, loss: Tensor, seen: Pass) -> Tensor:
        weight = self.weight(seen.share)
        teacher = self._judgement(seen)
        tau = self.config.temperature
        if self.sequences:
            soft = self._sequence_loss(teacher, seen)
        else:
            student = valid_values(seen.logits.float(), seen.lengths)
            soft = frame_distillation(student, valid_values(teacher.float(), seen.lengths), tau)
        return (1.0 - weight) * loss + weight * soft / self.job.labels(seen.batch)

    def _sequence_loss(self, teacher: Tensor, seen: Pass) -> Tensor:
        total = seen.logits.new_zeros(())
        for k in range(self.config.samples):
            labels = []
            for column, row in enumerate(seen.rows):  # each row draws for itself, whoever else is in the pass
                rng = np.random.default_rng([*seen.seed, _DRAW, row, k])
                part = teacher[:, column : column + 1], seen.lengths[column : column + 1]
                labels += drawn_labels(*part, self.config.temperature, rng)
            total = total + ctc_loss(seen.logits, labels, seen.lengths)
        return total / self.config.samples

    @torch.no_grad()
    def _judgement(self, seen: Pass) -> Tensor:
        """The teacher's logits, computed once for the same rows of a step."""
        key = tuple(seen.rows)
        if key not in self._seen:
            state = self.carry.before(seen.rows, seen.fresh)
            with precision(self.job.config, self.device):
                self._seen[key] = self.teacher(seen.x, seen.lengths, state)
        return self._seen[key][0]

    def after_step(self) -> None:
        for rows, (_, after) in self._seen.items():
            self.carry.keep(list(rows), after)
        self._seen.clear()

    def state(self) -> dict[str, Tensor]:
        return self.carry.tensors()

    def restore(self, state: dict[str, Tensor]) -> None:
        self.carry.restore(state)
