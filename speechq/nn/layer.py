"""What all layers share: named weight groups, quantizers attached to them, explicit state.

Sequences are time-major ``[T, B, features]``; ``lengths`` int64 ``[B]`` counts the valid frames of each
row. Padded frames are zero in the output, and the returned state is the one at the row's length, so
batched, single and chunk-by-chunk evaluation agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from speechq.nn.norm import MaskedBatchNorm
from speechq.quant.quantizers import SignalQuantizer, StepRule, WeightQuantizer
from speechq.quant.rounding import code
from speechq.quant.scheme import SIGNAL_ROLES, Scheme
from speechq.runtime.graph import Layer, Matrix, Signal

State = tuple[Tensor, ...]
FloatArray = NDArray[np.float32]


def valid_frames(lengths: Tensor, frames: int) -> Tensor:
    """Mask ``[T, B, 1]``: 1 where a frame belongs to its row."""
    index = torch.arange(frames, device=lengths.device)
    return (index[:, None] < lengths[None, :]).unsqueeze(-1)


def product(x: Tensor, weight: Tensor) -> Tensor:
    """``x W^T``, computed in the autocast type if one is on, returned as float32."""
    return functional.linear(x, weight).to(weight.dtype)


class QuantizedLayer(nn.Module):
    """A layer with weight groups (``weight_<role>``) and signal groups; quantizers can attach to each."""

    kind = ""
    weight_roles: tuple[str, ...] = ()
    signal_roles: tuple[str, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        self.weight_quantizers = nn.ModuleDict()
        self.signal_quantizers = nn.ModuleDict()
        self.norms = nn.ModuleDict()
        self.recorded: dict[str, Tensor] | None = (
            None  # a calibration puts a dictionary here to see the signals
        )

    def matrix(self, role: str) -> nn.Parameter:
        """The float master weights of a group, ``[rows, columns]``."""
        return cast(nn.Parameter, getattr(self, f"weight_{role}"))

    def present_roles(self) -> list[str]:
        """Weight groups that this layer has."""
        return [role for role in self.weight_roles if getattr(self, f"weight_{role}", None) is not None]

    def weight(self, role: str) -> Tensor:
        """A group's weights as the forward pass sees them: quantized if a quantizer is attached."""
        master = self.matrix(role)
        if role in self.weight_quantizers:
            return cast(Tensor, self.weight_quantizers[role](master))
        return master

    def grid(self, role: str) -> tuple[Tensor, int, bool] | None:
        """(step, qmax, learned) of a signal inside a recurrence; None: float."""
        if role in self.signal_quantizers:
            return cast(SignalQuantizer, self.signal_quantizers[role]).grid()
        return None

    def gate_qmax(self) -> int:
        """Largest gate code (step 1/qmax for values up to 1), 0 for float gates."""
        if "gate" in self.signal_quantizers:
            return cast(SignalQuantizer, self.signal_quantizers["gate"]).qmax
        return 0

    def quantize_signal(self, role: str, signal: Tensor) -> Tensor:
        """A signal outside a recurrence on its grid, if it has one."""
        if self.recorded is not None:
            self.recorded[role] = signal
        if role in self.signal_quantizers:
            return cast(Tensor, self.signal_quantizers[role](signal))
        return signal

    def normalize(self, role: str, values: Tensor, lengths: Tensor) -> Tensor:
        """Batch normalization behind a matrix or convolution, if the layer has it."""
        if role in self.norms:
            return cast(Tensor, self.norms[role](values, lengths))
        return values

    def attach(self, name: str, scheme: Scheme, rule: StepRule, per_row: bool) -> None:
        """Attach quantizers as ``scheme`` says for the layer ``name`` (``l0``, ``l1``, ..., or ``out``).

        Steps of weights are set from the current weights; steps of signals wait for the calibration,
        except gates, whose grid is fixed to [-1, 1].
        """
        self.weight_quantizers = nn.ModuleDict()
        self.signal_quantizers = nn.ModuleDict()
        for role in self.present_roles():
            bits = scheme.weight(name if name == "out" else f"{name}.{role}")
            if bits is not None:
                rows, columns = self.matrix(role).shape
                quantizer = WeightQuantizer(bits, rows, columns, per_row=per_row, rule=rule)
                quantizer.initialize(self.matrix(role))
                self.weight_quantizers[role] = quantizer
        for role in self.signal_roles:
            # The output of the convolution feeds a matrix like any layer output and follows its word length.
            bits = scheme.signal(f"{name}.{role if role in SIGNAL_ROLES else 'h'}")
            if bits is not None:
                step = 1.0 / (2 ** (bits - 1) - 1) if role == "gate" else 0.0
                signal_rule: StepRule = "lsq" if rule == "lsq" and role != "gate" else "fixed"
                self.signal_quantizers[role] = SignalQuantizer(
                    bits, self.width(role), rule=signal_rule, step=step
                )

    def width(self, role: str) -> int:
        """Values per frame of a signal."""
        raise AssertionError(f"{type(self).__name__} does not say the width of {role}")

    def initial_state(self, rows: int) -> State:
        """Zero state for ``rows`` streams."""
        return ()

    def options(self) -> dict[str, Any]:
        """What the packed layer needs beside its weights."""
        return {}

    def vectors(self) -> Mapping[str, Tensor]:
        """Float vectors of the packed layer, without the shift of a folded normalization."""
        return {}

    def export(self) -> Layer:
        """The layer as it is packed: codes, steps, vectors and signal grids; normalization folded."""
        matrices = {role: self._export_matrix(role) for role in self.present_roles()}
        vectors = {name: _numpy(vector) for name, vector in self.vectors().items()}
        for role, norm in self.norms.items():
            factor, shift = (_numpy(part) for part in cast(MaskedBatchNorm, norm).folded())
            matrices[role] = _scale_rows(matrices[role], factor)
            self.fold_shift(role, shift, vectors)
        signals = {}
        for role, module in self.signal_quantizers.items():
            quantizer = cast(SignalQuantizer, module)
            signals[role] = Signal(quantizer.bits, float(quantizer.step.detach()))
        return Layer(self.kind, self.options(), matrices, vectors, signals)

    def fold_shift(self, role: str, shift: FloatArray, vectors: dict[str, FloatArray]) -> None:
        """Add the shift of a folded normalization, one value per row of ``role``, to the packed vectors."""
        name = "conv_bias" if role == "conv" else "bias"
        vectors[name] = vectors[name] + shift.reshape(vectors[name].shape)

    def _export_matrix(self, role: str) -> Matrix:
        master = _numpy(self.matrix(role))
        if role not in self.weight_quantizers:
            return Matrix(32, master, np.zeros(0, np.float32))
        quantizer = cast(WeightQuantizer, self.weight_quantizers[role])
        steps = _numpy(quantizer.step)
        codes = code(master, steps[:, None] if len(steps) > 1 else steps[0], quantizer.qmax)
        return Matrix(quantizer.bits, codes.astype(np.int8), steps)


def _numpy(tensor: Tensor) -> FloatArray:
    return tensor.detach().cpu().to(torch.float32).numpy().copy()


def _scale_rows(matrix: Matrix, factor: FloatArray) -> Matrix:
    if matrix.bits == 32:
        return Matrix(32, matrix.codes * factor[:, None], matrix.steps)
    return Matrix(matrix.bits, matrix.codes, np.broadcast_to(matrix.steps, factor.shape) * factor)
