"""Fixed-point retraining: from a float network to a quantized one, by a method of ``methods.py``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

from torch import Tensor

from speechq.config import FixedPointConfig, LoopConfig
from speechq.data.batches import Batch, Dataset, collate
from speechq.data.features import stack_frames
from speechq.methods import parse_method
from speechq.nn.stack import Network
from speechq.quant.quantizers import StepRule
from speechq.quant.scheme import parse_scheme
from speechq.train.averaging import Averaging
from speechq.train.checkpoint import NetworkInfo, load_network
from speechq.train.distillation import Distillation
from speechq.train.noise import SharpnessAware, SymmetricNoise
from speechq.train.regularization import GridPenalty, Pruning
from speechq.train.self_teaching import SelfTeaching
from speechq.train.sparse import Sparse
from speechq.train.steps import Steps
from speechq.train.technique import Technique

_RULES: dict[str, StepRule] = {
    "direct": "fixed",
    "fixed": "fixed",
    "adaptive": "adaptive",
    "gradual": "adaptive",
    "lsq": "lsq",
}


C = TypeVar("C", bound=LoopConfig)


class Sample(Protocol):
    """Input that shows the ranges of the signals: ``x`` [T, B, ...] and ``lengths`` [B]."""

    @property
    def x(self) -> Tensor: ...
    @property
    def lengths(self) -> Tensor: ...


def retrain_settings(train: C, config: FixedPointConfig, seed: int) -> C:
    """Training settings of retraining and of ``float+``: epochs, rate, and what the recipe changes."""
    changed = {"epochs": config.epochs, "learning_rate": config.learning_rate, "patience": 0}
    return type(train).model_validate(train.model_dump() | changed | config.train | {"seed": seed})


def calibration_batch(data: Dataset, count: int) -> Batch:
    """Utterances spread evenly over the training set, for the ranges of the signals."""
    count = min(count, len(data))
    items = [k * len(data) // count for k in range(count)]
    return collate(data, items, [stack_frames(data.normalized(i), data.features) for i in items])


def start_network(
    checkpoint: Path, scheme: str, method: str, per_row: bool, sample: Sample, *, live_norms: bool = False
) -> tuple[Network, NetworkInfo]:
    """The float master weights of ``checkpoint`` with the quantizers of ``scheme``, calibrated.

    ``live_norms``: batch normalization is left as in training, not frozen.
    """
    model, info = load_network(checkpoint)
    rule = _RULES[parse_method(method)[0]]
    model.attach(parse_scheme(scheme), rule, per_row=per_row)
    model.calibrate(sample.x, sample.lengths)
    if not live_norms:
        model.freeze_norms()
    if method == "direct":
        model.freeze_steps()
    return model, replace(info, scheme=scheme, rule=rule, per_row=per_row, groups=None)


def set_dropout(network: Network, info: NetworkInfo, dropout: float | None) -> NetworkInfo:
    """Train ``network`` with this dropout from now on; None leaves it as it is."""
    if dropout is None:
        return info
    network.config = network.config.model_copy(update={"dropout": dropout})
    return replace(info, model=network.config)


def make_techniques(method: str, config: FixedPointConfig, teacher: Path) -> list[Technique]:
    """What joins the training of ``method``; ``teacher`` is the checkpoint that teaches if none is named."""
    makers: dict[str, Callable[[], Technique]] = {
        "kd": lambda: Distillation(config.kd, config.kd.teacher or teacher, sequences=False),
        "seqkd": lambda: Distillation(config.kd, config.kd.teacher or teacher, sequences=True),
        "ssgd": lambda: SymmetricNoise(config.ssgd),
        "speq": lambda: SelfTeaching(config.speq),
        "swa": lambda: Averaging(config.averaging, quantized=False),
        "sqwa": lambda: Averaging(config.averaging, quantized=True),
        "sam": lambda: SharpnessAware(config.sam),
        "msqe": lambda: GridPenalty(config.msqe),
        "prune": lambda: Pruning(config.prune),
        "sparse": lambda: Sparse(config.sparse),
    }
    return [Steps(config.freeze_share), *(makers[name]() for name in parse_method(method)[1])]


def weight_bits(scheme: str) -> int:
    """Word length of the weights, for ordering schemes from fine to coarse."""
    parsed = parse_scheme(scheme)
    return 32 if parsed.weight_bits is None else parsed.weight_bits
