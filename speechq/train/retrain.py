"""Fixed-point retraining: from a float network to a quantized one, by one of several methods.

``direct`` quantizes and does not train. ``fixed`` keeps the L2-optimal steps (paper 1), ``adaptive``
re-estimates them before every update (paper 2), ``gradual`` is adaptive retraining that starts from the
master weights of the next higher word length (paper 2), ``lsq`` learns weight and signal steps by gradient
(1902.08153).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

from torch import Tensor

from speechq.config import FixedPointConfig, LoopConfig, Method
from speechq.data.batches import Batch, Dataset, collate
from speechq.data.features import stack_frames
from speechq.nn.stack import Network
from speechq.quant.quantizers import StepRule
from speechq.quant.scheme import parse_scheme
from speechq.train.checkpoint import NetworkInfo, load_network

RULES: dict[Method, StepRule] = {
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
    checkpoint: Path, scheme: str, method: Method, per_row: bool, sample: Sample
) -> tuple[Network, NetworkInfo]:
    """The float master weights of ``checkpoint`` with the quantizers of ``scheme``, calibrated."""
    model, info = load_network(checkpoint)
    rule = RULES[method]
    model.attach(parse_scheme(scheme), rule, per_row=per_row)
    model.calibrate(sample.x, sample.lengths)
    model.freeze_norms()
    if method == "direct":
        model.freeze_steps()
    return model, replace(info, scheme=scheme, rule=rule, per_row=per_row)


def stepper(freeze_share: float) -> Callable[[Network, float], None]:
    """Before each update: steps adapt, until they are frozen for the last share of the training."""

    def before(model: Network, share: float) -> None:
        if share < 1.0 - freeze_share:
            model.adapt_steps()
        else:
            model.freeze_steps()

    return before


def weight_bits(scheme: str) -> int:
    """Word length of the weights, for ordering schemes from fine to coarse."""
    parsed = parse_scheme(scheme)
    return 32 if parsed.weight_bits is None else parsed.weight_bits
