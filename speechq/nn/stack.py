"""What acoustic and language networks share: recurrent layers, a linear output, quantizers on all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from speechq.config import ModelConfig
from speechq.errors import ConfigError
from speechq.nn.isru import ISRU
from speechq.nn.layer import QuantizedLayer, State, product
from speechq.nn.lstm import LSTM, ResidualLSTM
from speechq.nn.norm import MaskedBatchNorm
from speechq.nn.qrnn import QRNN
from speechq.nn.sru import SRU
from speechq.quant.quantizers import Quantizer, SignalQuantizer, StepRule, WeightQuantizer
from speechq.quant.scheme import Scheme
from speechq.runtime.graph import Hierarchy, Layer, Signal


class Output(QuantizedLayer):
    """The linear layer that gives one logit per unit."""

    kind = "linear"
    weight_roles = ("out",)

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1.0 / math.sqrt(inputs)
        self.weight_out = nn.Parameter(torch.empty(outputs, inputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Logits, ``[..., outputs]``."""
        return product(x, self.weight("out")) + self.bias

    def vectors(self) -> Mapping[str, Tensor]:
        return {"bias": self.bias}

    def export(self) -> Layer:
        packed = super().export()
        return replace(
            packed, matrices={"in": packed.matrices["out"]}
        )  # its only matrix, named as in all layers


def make_layer(config: ModelConfig, inputs: int) -> QuantizedLayer:
    """One recurrent layer of the kind that the recipe names."""
    hidden, norm = config.hidden, config.batch_norm
    if config.cell == "sru":
        return SRU(
            inputs,
            hidden,
            variant=config.sru_variant,
            tanh=config.sru_tanh,
            highway_bias=config.highway_bias,
            batch_norm=norm,
        )
    if config.cell == "qrnn":
        return QRNN(
            inputs,
            hidden,
            window=config.window,
            pooling=config.pooling,
            zoneout=config.zoneout,
            batch_norm=norm,
        )
    if config.cell == "isru":
        return ISRU(inputs, hidden, taps_left=config.taps_left, taps_right=config.taps_right, batch_norm=norm)
    if config.cell == "residual_lstm":
        return ResidualLSTM(inputs, hidden, peepholes=config.peepholes, batch_norm=norm)
    return LSTM(inputs, hidden, peepholes=config.peepholes, batch_norm=norm)


class Network(nn.Module):
    """Recurrent layers of the input widths ``sizes`` and an output; ``forward`` says how they are joined."""

    def __init__(self, config: ModelConfig, sizes: Sequence[int], outputs: int) -> None:
        super().__init__()
        self.config, self.outputs = config, outputs
        self.layers = nn.ModuleList(make_layer(config, size) for size in sizes)
        self.out = Output(config.hidden, outputs)
        self.scheme = "float"
        self._calibrating = False

    def recurrent_layers(self) -> list[QuantizedLayer]:
        """The layers below the output."""
        return [cast(QuantizedLayer, layer) for layer in self.layers]

    def initial_state(self, rows: int) -> list[State]:
        """Zero state for ``rows`` streams."""
        return [layer.initial_state(rows) for layer in self.recurrent_layers()]

    def forward(
        self, x: Tensor, lengths: Tensor, state: Sequence[State] | None = None, final: bool = True
    ) -> tuple[Tensor, list[State]]:
        """``(logits [T, B, outputs], new state)``. ``final=False``: a chunk of a stream that goes on."""
        raise AssertionError(f"{type(self).__name__} does not join its layers")

    def run_layer(
        self, k: int, x: Tensor, state: State, lengths: Tensor, final: bool = True
    ) -> tuple[Tensor, State]:
        """Layer ``k``; in a calibration its signals get their steps first."""
        layer = self.recurrent_layers()[k]
        if self._calibrating:
            _calibrate_layer(layer, x, state, lengths)
        output, after = layer(x, state, lengths, final)
        return output, after

    def run_layers(
        self, x: Tensor, lengths: Tensor, state: Sequence[State] | None, final: bool
    ) -> tuple[Tensor, list[State]]:
        """All layers, each on the output of the one below, with dropout above each."""
        state = self.initial_state(x.shape[1]) if state is None else state
        after = []
        for k, before in enumerate(state):
            frames = x.shape[0]
            x, new = self.run_layer(k, x, before, lengths, final)
            # Look-ahead holds back frames of a chunk, as many in every row, and gives them out at its end.
            lengths = lengths + (x.shape[0] - frames)
            after.append(new)
            x = self.dropped(x)
        return x, after

    def dropped(self, x: Tensor) -> Tensor:
        """``x`` [T, B, D] with dropout: one mask per row of a call, as SRU's and QRNN's authors do.

        With ``dropout_blocks`` contiguous blocks of units share their fate (macro-block dropout, 2212.14149).
        """
        if self.config.dropout == 0 or not self.training:
            return x
        share = 1 - self.config.dropout
        blocks = min(self.config.dropout_blocks, x.shape[2]) or x.shape[2]
        keep = torch.empty(1, x.shape[1], blocks, device=x.device).bernoulli_(share)
        if blocks < x.shape[2]:
            block = torch.arange(x.shape[2], device=x.device) * blocks // x.shape[2]
            keep = keep[..., block]
        return x * (keep / share)

    def attach(self, scheme: Scheme, rule: StepRule, *, per_row: bool) -> None:
        """Attach quantizers to all groups of ``scheme``; follow with ``calibrate`` if signals are quantized.

        ConfigError if the scheme names a group of a single layer that this network does not have.
        """
        self._check_groups(scheme)
        for k, layer in enumerate(self.recurrent_layers()):
            layer.attach(f"l{k}", scheme, rule, per_row)
        self.out.attach("out", scheme, rule, per_row)
        self.scheme = scheme.text

    def _check_groups(self, scheme: Scheme) -> None:
        weights, signals = {"out"}, {"feat"}
        for k, layer in enumerate(self.recurrent_layers()):
            weights |= {f"l{k}.{role}" for role in layer.present_roles()}
            signals |= {f"l{k}.{role}" for role in layer.signal_roles}
        for name, kind, _ in scheme.overrides:
            allowed = weights if kind == "w" else signals
            # Wildcards may hit nothing, so that one scheme serves networks of several kinds.
            if "." in name and name not in allowed:
                names = ", ".join(sorted(allowed))
                raise ConfigError(
                    f"scheme {scheme.text!r}: {name}: no such group here; expected one of {names}"
                )

    @torch.no_grad()
    def calibrate(self, x: Tensor, lengths: Tensor) -> None:
        """Set the L2-optimal steps of all signals from the float activations that ``x`` gives.

        Works through the layers upward; signals of lower layers are already on their grids when an upper
        one is measured. Recurrent signals are measured with the layer's own signals still float.
        """
        was_training = self.training
        self.eval()
        self._calibrating = True
        try:
            self(x, lengths)
        finally:
            self._calibrating = False
            self.train(was_training)

    def matrices(self) -> list[nn.Parameter]:
        """The float master weights of all groups."""
        layers = [*self.recurrent_layers(), self.out]
        return [layer.matrix(role) for layer in layers for role in layer.present_roles()]

    def quantizers(self) -> list[Quantizer]:
        """All quantizers, weights and signals."""
        return [module for module in self.modules() if isinstance(module, Quantizer)]

    @torch.no_grad()
    def adapt_steps(self) -> None:
        """One adaptive step of all weight groups (paper 2)."""
        for layer in [*self.recurrent_layers(), self.out]:
            for role, quantizer in layer.weight_quantizers.items():
                cast(WeightQuantizer, quantizer).adapt(layer.matrix(role))

    def freeze_steps(self) -> None:
        """No step moves from now on, so that what is evaluated is what is packed."""
        for quantizer in self.quantizers():
            quantizer.freeze()

    def freeze_norms(self) -> None:
        """Use the running statistics of batch normalization from now on."""
        for module in self.modules():
            if isinstance(module, MaskedBatchNorm):
                module.frozen = True

    def weight_count(self) -> int:
        """Trained values: matrices, biases, peepholes and vectors; steps of quantizers do not count."""
        steps = {id(p) for q in self.quantizers() for p in q.parameters()}
        return sum(p.numel() for p in self.parameters() if id(p) not in steps)

    def joined(self) -> Hierarchy | None:
        """How the packed layers are joined; None: they read one another in turn."""
        return None

    def export(self) -> tuple[tuple[Layer, ...], Signal | None]:
        """Packed layers, and the grid of the input if it has one."""
        return (*(layer.export() for layer in self.recurrent_layers()), self.out.export()), None


def valid_values(x: Tensor, lengths: Tensor) -> Tensor:
    """The frames of ``x`` [T, B, D] that belong to their rows, ``[n, D]``."""
    index = torch.arange(x.shape[0], device=lengths.device)
    return x[index[:, None] < lengths[None, :]]


def _calibrate_layer(layer: QuantizedLayer, x: Tensor, state: State, lengths: Tensor) -> None:
    quantizers = layer.signal_quantizers
    layer.signal_quantizers = nn.ModuleDict()
    layer.recorded = {}
    h, _ = layer(x, state, lengths)
    samples = {**layer.recorded, "h": h}
    layer.recorded = None
    if "cell" in quantizers:
        samples["cell"] = _cells(layer, x, state, lengths)
    for role in ("conv", "cell", "h"):
        if role in quantizers:
            cast(SignalQuantizer, quantizers[role]).initialize(valid_values(samples[role], lengths))
    layer.signal_quantizers = quantizers


def _cells(layer: QuantizedLayer, x: Tensor, state: State, lengths: Tensor) -> Tensor:
    """The cell after every frame, found by stepping one frame at a time; ``[T, B, hidden]``."""
    right = int(layer.options().get("taps_right", 0))
    padded = functional.pad(x, (0, 0, 0, 0, 0, right))
    ones = torch.ones_like(lengths)
    cells = []
    for t in range(len(padded)):
        _, state = layer(padded[t : t + 1], state, ones, False)
        cells.append(state[-1])
    return torch.stack(cells[right:])
