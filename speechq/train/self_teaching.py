"""SPEQ (2009.14502): the network teaches itself with finer signals in some of its layers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from speechq.errors import ConfigError
from speechq.methods import SelfTeachingConfig
from speechq.nn.acoustic import AcousticModel
from speechq.nn.stack import valid_values
from speechq.quant.quantizers import SignalQuantizer
from speechq.quant.rounding import qmax_of
from speechq.train.job import Job
from speechq.train.technique import Pass, Technique, precision

_DRAW = 5  # keeps what is drawn here apart from the other draws of a step


def cosine_distance(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """``tau^2 * sum of 1 - cos(softmax(teacher / tau), softmax(student / tau))`` over frames, ``[n, V]``."""
    p, q = torch.softmax(teacher / temperature, -1), torch.softmax(student / temperature, -1)
    return temperature**2 * (1.0 - torch.cosine_similarity(p, q, -1)).sum()


@contextmanager
def finer(quantizers: list[SignalQuantizer], bits: int) -> Iterator[None]:
    """The same range in ``bits`` bits, for as long as the context lasts."""
    before = [(quantizer, quantizer.qmax, quantizer.step.detach().clone()) for quantizer in quantizers]
    for quantizer, qmax, step in before:
        quantizer.qmax = qmax_of(bits)
        quantizer.step.data.copy_(step * (qmax / quantizer.qmax))
    try:
        yield
    finally:
        for quantizer, qmax, step in before:
            quantizer.qmax = qmax
            quantizer.step.data.copy_(step)


class SelfTeaching(Technique):
    """``H(labels, student) + weight * cosine distance`` to the same weights with finer signals.

    Per step each layer's signals (and the features, as a layer of their own) have ``bits`` bits in the
    teacher with the given probability. The teacher runs without dropout and without gradient from the
    student's state.
    """

    name = "speq"

    def __init__(self, config: SelfTeachingConfig) -> None:
        self.config = config

    def prepare(self, job: Job[Any], optimizer: torch.optim.Optimizer, device: torch.device) -> None:
        super().prepare(job, optimizer, device)
        if not any(self._groups()):
            bits, scheme = self.config.bits, job.info.scheme
            raise ConfigError(f"retrain.speq.bits: {bits}: the scheme {scheme} has no signal of fewer bits")

    def _groups(self) -> list[list[SignalQuantizer]]:
        """The quantizers of each layer that can become finer, the features first."""
        feat = self.model.feat.values() if isinstance(self.model, AcousticModel) else ()
        layers = [layer.signal_quantizers.values() for layer in self.model.recurrent_layers()]
        signals = [[cast(SignalQuantizer, quantizer) for quantizer in layer] for layer in (feat, *layers)]
        return [[q for q in layer if q.bits < self.config.bits] for layer in signals]

    def loss(self, loss: Tensor, seen: Pass) -> Tensor:
        groups = self._groups()
        chosen = np.random.default_rng([*seen.seed, _DRAW]).random(len(groups)) < self.config.probability
        raised = [q for group, take in zip(groups, chosen, strict=True) for q in group if take]
        teacher = self._judgement(raised, seen)
        values = [valid_values(logits.float(), seen.lengths) for logits in (seen.logits, teacher)]
        distance = cosine_distance(values[0], values[1], self.config.temperature)
        return loss + self.config.weight * distance / self.job.labels(seen.batch)

    @torch.no_grad()
    def _judgement(self, raised: list[SignalQuantizer], seen: Pass) -> Tensor:
        self.model.eval()
        try:
            with finer(raised, self.config.bits), precision(self.job.config, self.device):
                logits, _ = self.model(seen.x, seen.lengths, seen.state)
        finally:
            self.model.train()
        return cast(Tensor, logits)
