"""A network as it is packed and run: integer matrices, steps and vectors, layer by layer. Plain NumPy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from speechq.config import FeatureConfig
from speechq.errors import ModelError
from speechq.text.units import Units


@dataclass(frozen=True)
class Matrix:
    """``value[r, c] = steps[r or 0] * codes[r, c]``.

    ``bits`` 2 to 8: ``codes`` int8 [rows, columns] within ``±(2^(bits-1) - 1)``, ``steps`` float32 [rows] or
    [1] (a row step may be negative, from a folded normalization). ``bits`` 32: ``codes`` float32 [rows,
    columns] are the values, ``steps`` is empty.

    ``groups`` (n, k), with 2 bits only: of n neighbouring codes of a row at most k are not zero, and a file
    holds indices of such groups (runtime/group_code.py) in place of the codes.
    """

    bits: int
    codes: NDArray[Any]
    steps: NDArray[np.float32]
    groups: tuple[int, int] | None = None

    def dense(self) -> NDArray[np.float32]:
        """The values as float32 [rows, columns]."""
        if self.bits == 32:
            return np.asarray(self.codes, np.float32)
        return np.asarray(self.codes, np.float32) * self.steps[:, None]


@dataclass(frozen=True)
class Signal:
    """The grid: ``value = step * code``, ``|code| < 2^(bits-1)``; ``step`` is a float32 number."""

    bits: int
    step: float


# The frames of a network that takes symbols: codes 0 and 1.
ONE_HOT = Signal(2, 1.0)


@dataclass(frozen=True)
class Layer:
    """One layer.

    ``kind`` and its parts (H units, D inputs, V outputs; rows in the order given, parts in brackets may be
    absent):

    - ``sru``: matrices in [3H, D] (candidate, forget, output), skip [H, D] if D != H; vectors bias [2, H]
      (forget, output), (candidate_bias [H]), v [2, H] (forget, output; variant 2 only); options variant 1 or
      2, tanh, scale_x.
    - ``lstm``: matrices in [4H, D], rec [4H, H] (i, f, g, o); vectors bias [4H], (peepholes [3, H]: i, f, o).
      The last one of a hierarchy also has the matrix context [4H, W] for the W outputs of the words' layers.
    - ``residual_lstm``: as lstm, and matrices proj [H, H], skip [H, D] if D != H.
    - ``qrnn``: matrices in [GH, kD], columns oldest frame first (G = 3: z, f, o; G = 4: z, f, o, i); vectors
      bias [GH]; options window (= k). G follows from the width of the next layer.
    - ``isru``: matrices conv [D, taps] (depthwise, oldest frame first), in [4H, D] (candidate, f, o, i);
      vectors conv_bias [D], bias [4H]; options taps_left, taps_right; taps = taps_left + 1 + taps_right.
    - ``linear``: matrices in [V, D]; vectors bias [V].

    ``signals``: h (the layer's output, also what is fed back), gate (every sigmoid and tanh output), cell,
    conv (the convolution's output); a signal that is absent stays float32. What a layer computes, in which
    order and with which roundings, is the text of docs/fixed-point.md.
    """

    kind: str
    options: dict[str, Any] = field(default_factory=dict)
    matrices: dict[str, Matrix] = field(default_factory=dict)
    vectors: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    signals: dict[str, Signal] = field(default_factory=dict)


@dataclass(frozen=True)
class Hierarchy:
    """How a language model's four layers ``lstm`` and its output are joined: HLSTM-A or -B (1609.03777).

    Layers 0 and 3 step with every symbol, layers 1 and 2 only where the symbol that is read is one of
    ``clock`` (ascending numbers); elsewhere they hold their state and output. Where they step, layers 0 and 3
    forget their state before they read the symbol. Layer 1 reads what layer 0 gave one symbol before; layer 3
    reads the symbol (``kind`` a) or layer 0 (b), and by its matrix context the output of layer 2.
    """

    kind: Literal["a", "b"]
    clock: tuple[int, ...]


# The layer above the words' layers.
CONTEXT_LAYER = 3


@dataclass(frozen=True)
class Model:
    """All that is needed to turn audio into log-probabilities, and where it came from.

    Features are normalized as ``(x - mean) * scale`` per value of a 10 ms frame (``mean`` and ``scale``
    float32 [features.base_dim]), stacked, quantized with ``feat`` if given, and run through ``layers``; the
    last layer is ``linear`` and gives the logits, symbol 0 is the CTC blank.

    A language model has no ``features`` (None; ``mean`` and ``scale`` empty, no ``feat``): it takes symbols,
    each as a one-hot frame, and gives the log-probabilities of the next one; symbol 0 ends a sentence. Its
    layers read one another in turn, unless a ``hierarchy`` joins them.
    """

    units: Units
    features: FeatureConfig | None
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    layers: tuple[Layer, ...]
    feat: Signal | None
    scheme: str
    provenance: dict[str, Any] = field(default_factory=dict)
    card: str = ""
    hierarchy: Hierarchy | None = None

    @property
    def inputs(self) -> int:
        """Values per frame that the first layer takes."""
        return len(self.units) if self.features is None else self.features.dim

    @property
    def input_grid(self) -> Signal | None:
        """The grid of the first layer's input."""
        return ONE_HOT if self.features is None else self.feat

    def source(self, index: int) -> int:
        """The layer that layer ``index`` reads by its matrix in; -1: the model's input."""
        if self.hierarchy is not None and index == CONTEXT_LAYER:
            return -1 if self.hierarchy.kind == "a" else 0
        return index - 1

    def source_grid(self, index: int) -> Signal | None:
        """The grid of what layer ``index`` reads by its matrix in."""
        source = self.source(index)
        return self.input_grid if source < 0 else self.layers[source].signals.get("h")

    def audio(self) -> FeatureConfig:
        """The features; ModelError for a language model."""
        if self.features is None:
            raise ModelError("a language model takes no audio; expected an acoustic model")
        return self.features
