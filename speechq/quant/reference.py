"""The fixed-point meaning of a packed model: what an engine computes, bit for bit (docs/fixed-point.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from speechq.errors import DataError, ModelError
from speechq.quant.gates import log_softmax
from speechq.quant.hierarchy import join_context, run_hierarchy
from speechq.quant.integer_layers import INTEGER_LAYERS, check_integer
from speechq.quant.products import FloatArray, Frames, to_grid
from speechq.quant.reference_layers import LAYERS, LayerState, Lengths
from speechq.runtime.checks import check_model, output_width
from speechq.runtime.graph import Model
from speechq.runtime.symbols import checked_symbols

Mode = Literal["hybrid", "integer"]
State = tuple[LayerState, ...]


def normalize(model: Model, base_frames: FloatArray) -> FloatArray:
    """``(x - mean) * scale`` of 10 ms frames ``[T, features.base_dim]``, before stacking."""
    return (np.asarray(base_frames, np.float32) - model.mean) * model.scale


class Reference:
    """A model prepared for evaluation.

    ``mode="integer"`` raises ModelError for a model whose scheme leaves something float that this mode needs
    as integers.
    """

    def __init__(self, model: Model, *, mode: Mode = "hybrid") -> None:
        check_model(model)
        if mode == "integer":
            check_integer(model)
        self.model = model
        self.layers = []
        kinds = LAYERS if mode == "hybrid" else INTEGER_LAYERS
        for index, layer in enumerate(model.layers):
            source = model.source(index)
            width = model.inputs if source < 0 else output_width(model, source)
            hidden, grid = output_width(model, index), model.source_grid(index)
            self.layers.append(kinds[layer.kind](layer, width, hidden, grid))
        if model.hierarchy is not None:
            join_context(self.layers, model.layers)

    def initial_state(self, rows: int) -> State:
        """The state of ``rows`` streams before their first frame."""
        return tuple(layer.initial_state(rows) for layer in self.layers)

    def run(
        self, features: Sequence[NDArray[Any]], state: State | None = None, *, finish: bool = True
    ) -> tuple[list[FloatArray], State]:
        """Log-probabilities ``[T', symbols]`` of each row's frames ``[T, features.dim]``, and the state
        after them.

        ``features`` are normalized and stacked; a language model takes symbols ``[T]`` instead, each as a
        one-hot frame. Without ``finish`` more frames may follow, and look-ahead holds back its last frames;
        with it they come out, and the state is of no further use.
        """
        x, lengths = self._batch(self._frames(features), self.model.inputs)
        signal = to_grid(x, self.model.input_grid)
        old = self.initial_state(len(features)) if state is None else state
        if self.model.hierarchy is not None:
            signal, new = run_hierarchy(self.model.hierarchy, self.layers, signal, lengths, old)
        else:
            signal, lengths, new = self._run_in_turn(signal, lengths, old, finish)
        return _rows(log_softmax(signal.data), lengths), tuple(new)

    def _run_in_turn(
        self, signal: Frames, lengths: Lengths, state: State, finish: bool
    ) -> tuple[Frames, Lengths, list[LayerState]]:
        new = []
        for layer, before in zip(self.layers, state, strict=True):
            signal, lengths, after = layer(signal, lengths, before, finish)
            new.append(after)
        return signal, lengths, new

    def trace(self, features: Sequence[FloatArray]) -> list[list[FloatArray]]:
        """Outputs of every layer for whole utterances, ``[layer][utterance] [T, width]``; logits last.

        Of layers that read one another in turn; ModelError for a hierarchy.
        """
        if self.model.hierarchy is not None:
            raise ModelError("the layers of a hierarchical model step at different times")
        values = []
        rows: Sequence[FloatArray] = features
        for index in range(len(self.layers)):
            rows = self.run_layer(index, rows)
            values.append(list(rows))
        return values

    def run_layer(self, index: int, inputs: Sequence[FloatArray]) -> list[FloatArray]:
        """Output values of one layer for whole utterances of input values ``[T, width]``, from a zero state.

        Inputs are rounded to the layer's input grid, which changes nothing for values already on it. Divide
        by ``layers[index].output_grid.step`` and round for the codes.
        """
        layer = self.layers[index]
        grid = self.model.source_grid(index)
        x, lengths = self._batch(inputs, layer.inputs)
        signal, lengths, _ = layer(to_grid(x, grid), lengths, layer.initial_state(len(inputs)), True)
        return _rows(signal.values(), lengths)

    def _frames(self, inputs: Sequence[NDArray[Any]]) -> Sequence[FloatArray]:
        """What the first layer takes: features as they are, symbols as one-hot frames."""
        if self.model.features is not None:
            return inputs
        rows = np.eye(self.model.inputs, dtype=np.float32)
        return [rows[symbols] for symbols in checked_symbols(inputs, self.model.inputs)]

    @staticmethod
    def _batch(rows: Sequence[FloatArray], width: int) -> tuple[FloatArray, Lengths]:
        """Rows of frames as zero-padded ``[T, B, width]`` and their lengths."""
        for row in rows:
            if row.ndim != 2 or row.shape[1] != width:
                raise DataError(f"frames of shape {list(row.shape)}: expected [frames, {width}]")
        lengths = np.array([len(row) for row in rows], np.int64)
        x = np.zeros((int(lengths.max(initial=0)), len(rows), width), np.float32)
        for b, row in enumerate(rows):
            x[: len(row), b] = row
        return x, lengths


def _rows(padded: FloatArray, lengths: Lengths) -> list[FloatArray]:
    return [np.ascontiguousarray(padded[:length, b]) for b, length in enumerate(lengths)]


def forward(model: Model, features: Sequence[FloatArray], *, mode: Mode = "hybrid") -> list[FloatArray]:
    """Log-probabilities of whole utterances: ``[T, features.dim]`` each in, ``[T, symbols]`` each out."""
    return Reference(model, mode=mode).run(features)[0]


class ReferenceStream:
    """One stream: frames in chunks of any size give the same bits as all at once."""

    def __init__(self, model: Model | Reference) -> None:
        self._reference = model if isinstance(model, Reference) else Reference(model)
        self._state = self._reference.initial_state(1)

    def accept(self, features: FloatArray) -> FloatArray:
        """Add frames ``[T, features.dim]``; the log-probabilities that became ready, ``[T', symbols]``."""
        (scores,), self._state = self._reference.run([features], self._state, finish=False)
        return scores

    def finish(self) -> FloatArray:
        """End the stream: what the look-ahead held back. A stream after that starts anew."""
        model = self._reference.model
        empty = np.zeros(0, np.int32) if model.features is None else np.zeros((0, model.inputs), np.float32)
        (scores,), _ = self._reference.run([empty], self._state, finish=True)
        self._state = self._reference.initial_state(1)
        return scores
