"""The acoustic network: recurrent layers and a linear output over the units, blank first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from speechq.config import ModelConfig
from speechq.nn.layer import State
from speechq.nn.stack import Network, valid_values
from speechq.quant.quantizers import SignalQuantizer, StepRule
from speechq.quant.scheme import Scheme
from speechq.runtime.graph import Layer, Signal


class AcousticModel(Network):
    """Normalized, stacked features ``[T, B, inputs]`` to logits ``[T, B, outputs]``, with explicit state."""

    def __init__(self, config: ModelConfig, inputs: int, outputs: int) -> None:
        super().__init__(config, [inputs] + [config.hidden] * (config.layers - 1), outputs)
        self.inputs = inputs
        self.feat = nn.ModuleDict()

    def forward(
        self, x: Tensor, lengths: Tensor, state: Sequence[State] | None = None, final: bool = True
    ) -> tuple[Tensor, list[State]]:
        """``(logits, new state)``. ``final=False``: a chunk of a stream that goes on (for look-ahead)."""
        if "grid" in self.feat:
            grid = cast(SignalQuantizer, self.feat["grid"])
            if self._calibrating:
                grid.initialize(valid_values(x, lengths))
            x = grid(x)
        h, after = self.run_layers(x, lengths, state, final)
        return self.out(h), after

    def attach(self, scheme: Scheme, rule: StepRule, *, per_row: bool) -> None:
        """As for every network; also the grid of the features."""
        super().attach(scheme, rule, per_row=per_row)
        self.feat = nn.ModuleDict()
        bits = scheme.signal("feat")
        if bits is not None:
            self.feat["grid"] = SignalQuantizer(bits, self.inputs, rule="lsq" if rule == "lsq" else "fixed")

    def export(self) -> tuple[tuple[Layer, ...], Signal | None]:
        """Packed layers and the grid of the features."""
        layers, feat = super().export()
        if "grid" in self.feat:
            quantizer = cast(SignalQuantizer, self.feat["grid"])
            feat = Signal(quantizer.bits, float(quantizer.step.detach()))
        return layers, feat
