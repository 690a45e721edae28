"""Small networks of every kind for the tests of nn, and their packed form."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from speechq.config import FeatureConfig, ModelConfig
from speechq.nn.acoustic import AcousticModel
from speechq.quant.quantizers import StepRule
from speechq.quant.scheme import parse_scheme
from speechq.runtime.graph import Model
from speechq.text.units import Units

FEATURES = FeatureConfig(mels=8, stack=2, stride=3)
UNITS = Units.characters(" 'ABC")

M = TypeVar("M", bound=nn.Module)

# These networks are too small to share among threads, which only wait for each other on a busy machine.
torch.set_num_threads(1)

# Every kind of layer, with and without its options.
CELLS: dict[str, dict[str, Any]] = {
    "sru": {"cell": "sru"},
    "sru_v1": {"cell": "sru", "sru_variant": 1, "sru_tanh": True},
    "lstm": {"cell": "lstm"},
    "lstm_peepholes": {"cell": "lstm", "peepholes": True},
    "residual_lstm": {"cell": "residual_lstm", "peepholes": True},
    "qrnn_fo": {"cell": "qrnn"},
    "qrnn_ifo": {"cell": "qrnn", "pooling": "ifo", "window": 3},
    "isru": {"cell": "isru", "taps_left": 3},
    "isru_ahead": {"cell": "isru", "taps_left": 2, "taps_right": 3},
}


def network(name: str, *, hidden: int = 12, layers: int = 2, seed: int = 0, **options: Any) -> AcousticModel:
    """A network of ``CELLS[name]`` in evaluation mode, its biases, peepholes and norms off their start."""
    torch.manual_seed(seed)
    config = ModelConfig(layers=layers, hidden=hidden, **(CELLS[name] | options))
    return off_start(AcousticModel(config, FEATURES.dim, len(UNITS))).eval()


@torch.no_grad()
def off_start(module: M) -> M:
    """``module`` with random values where a fresh network has zeros, ones and like statistics."""
    for path, value in [*module.named_parameters(), *module.named_buffers()]:
        if path.endswith(("bias", "shift", "peepholes", "mean")):
            value.normal_(0, 0.5)
        elif path.endswith("gain"):
            value.uniform_(0.5, 1.5).mul_(torch.randn_like(value).sign())
        elif path.endswith("variance"):
            value.uniform_(0.3, 2.0)
    return module


def batch(*lengths: int, width: int = FEATURES.dim, seed: int = 1) -> tuple[Tensor, Tensor]:
    """Random frames ``[T, B, width]``, zero beyond each row's length, and the lengths."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(max(lengths), len(lengths), width, generator=generator)
    counts = torch.tensor(lengths)
    return x * (torch.arange(len(x))[:, None, None] < counts[None, :, None]), counts


def quantized(
    model: AcousticModel, scheme: str, rule: StepRule = "fixed", *, per_row: bool = True
) -> AcousticModel:
    """``model`` with the quantizers of ``scheme``, calibrated and frozen."""
    model.attach(parse_scheme(scheme), rule, per_row=per_row)
    model.calibrate(*batch(40, 31, 22, 7, seed=2))
    model.freeze_steps()
    return model


def packed(model: AcousticModel) -> Model:
    """The network as it would be written to a model file."""
    layers, feat = model.export()
    mean, scale = np.zeros(FEATURES.base_dim, np.float32), np.ones(FEATURES.base_dim, np.float32)
    return Model(UNITS, FEATURES, mean, scale, layers, feat, model.scheme)


def rows_of(padded: Tensor, lengths: Tensor) -> list[Any]:
    """The valid frames of each row as arrays ``[T, width]``."""
    return [padded[:length, row].numpy() for row, length in enumerate(lengths.tolist())]
