"""What a hierarchical language model computes: layers of characters and layers of words (1609.03777)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from speechq.quant.integer_layers import IntegerLstm
from speechq.quant.products import FloatArray, Frames
from speechq.quant.reference_layers import LayerState, Lengths, Lstm, ReferenceLayer
from speechq.runtime.graph import CONTEXT_LAYER, Hierarchy, Layer


def join_context(layers: Sequence[ReferenceLayer], parts: Sequence[Layer]) -> None:
    """Let the layer above the words' layers read what they hold."""
    top = layers[CONTEXT_LAYER]
    assert isinstance(top, Lstm | IntegerLstm)
    top.join_context(parts[CONTEXT_LAYER].matrices["context"], layers[CONTEXT_LAYER - 1].output_grid)


def run_hierarchy(
    hierarchy: Hierarchy,
    layers: Sequence[ReferenceLayer],
    x: Frames,
    lengths: Lengths,
    state: Sequence[LayerState],
) -> tuple[Frames, list[LayerState]]:
    """Logits ``[T, B, symbols]`` of one-hot frames ``x``, and the states after them.

    Symbol by symbol: a layer's step of a row has length 1 where it is due and 0 where it is not, so that the
    state, and with it the output of the words' layers, is held.
    """
    char_in, word_1, word_2, char_out, output = layers
    s0, s1, s2, s3, _ = state
    clocks: NDArray[np.bool_] = np.asarray(x.data[:, :, list(hierarchy.clock)].any(axis=2))
    logits = np.zeros((*x.data.shape[:2], output.hidden), np.float32)
    for t in range(len(x.data)):
        running = lengths > t
        tick = clocks[t] & running
        symbol, each, words = (
            Frames(x.data[t : t + 1], x.grid),
            running.astype(np.int64),
            tick.astype(np.int64),
        )
        finished = _held(char_in, s0)
        embedded, _, s0 = char_in(symbol, each, _forgotten(s0, tick), False)
        _, _, s1 = word_1(finished, words, s1, False)
        _, _, s2 = word_2(_held(word_1, s1), words, s2, False)
        beside = symbol if hierarchy.kind == "a" else embedded
        context = {"context": _held(word_2, s2).data[0]}
        h, _, s3 = char_out(beside, each, _forgotten(s3, tick) | context, False)
        y, _, _ = output(h, each, {}, False)
        logits[t] = y.data[0]
    return Frames(logits), [s0, s1, s2, s3, {}]


def _held(layer: ReferenceLayer, state: LayerState) -> Frames:
    """The last output of an LSTM layer as a frame ``[1, B, H]``."""
    data: FloatArray = state["h"][None].astype(np.float32)
    return Frames(data, layer.output_grid)


def _forgotten(state: LayerState, tick: NDArray[np.bool_]) -> LayerState:
    """The state ``[B, H]`` with zeros in the rows that ``tick``."""
    return {name: np.where(tick[:, None], np.zeros_like(part), part) for name, part in state.items()}
