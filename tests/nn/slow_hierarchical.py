"""HLSTM-A and HLSTM-B one row, one symbol and one gate at a time: the equations of papers.md 9 in loops."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechq.nn.hierarchical import HierarchicalModel

Array = NDArray[np.float64]


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _lstm(layer: Any, x: Array, h: Array, c: Array) -> tuple[Array, Array]:
    """One step of a peephole LSTM."""

    def numbers(tensor: Any) -> Array:
        return np.asarray(tensor.detach().double().numpy())

    total = numbers(layer.weight_in) @ x + numbers(layer.weight_rec) @ h + numbers(layer.bias)
    i, f, g, o = np.split(total, 4)
    p = numbers(layer.peepholes)
    new = _sigmoid(f + p[1] * c) * c + _sigmoid(i + p[0] * c) * np.tanh(g)
    return _sigmoid(o + p[2] * new) * np.tanh(new), new


def slow_logits(model: HierarchicalModel, symbols: list[int], clock: set[int]) -> Array:
    """Logits ``[T, symbols]`` of one row from a zero state."""
    char_in, word_1, word_2, char_out = model.recurrent_layers()
    hidden = model.config.hidden
    state = {name: (np.zeros(hidden), np.zeros(hidden)) for name in ("in", "w1", "w2", "out")}
    rows = []
    for symbol in symbols:
        x = np.eye(model.inputs)[symbol]
        tick = 1 if symbol in clock else 0
        keep = 1 - tick
        finished = state["in"][0]
        state["in"] = _lstm(char_in, x, keep * state["in"][0], keep * state["in"][1])
        if tick:
            state["w1"] = _lstm(word_1, finished, *state["w1"])
            state["w2"] = _lstm(word_2, state["w1"][0], *state["w2"])
        beside = x if model.config.hierarchy == "a" else state["in"][0]
        joined = np.concatenate([beside, state["w2"][0]])
        state["out"] = _lstm(char_out, joined, keep * state["out"][0], keep * state["out"][1])
        weight, bias = (t.detach().double().numpy() for t in (model.out.weight_out, model.out.bias))
        rows.append(weight @ state["out"][0] + bias)
    return np.array(rows)
