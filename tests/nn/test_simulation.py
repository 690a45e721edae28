"""Fake quantization in training against the fixed-point reference of the packed network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import CELLS, batch, network, packed, quantized, rows_of
from numpy.typing import NDArray

from speechq.nn.acoustic import AcousticModel
from speechq.quant.quantizers import StepRule
from speechq.quant.reference import Reference, forward
from speechq.quant.rounding import qmax_of
from speechq.runtime.graph import Model

INTEGER = "w2a8,first=w8,out=w8,gate=a8,cell=a16"
Codes = NDArray[np.float64]

SCHEMES = ["w8a8", "w4a8", "w2a8", "w3a6", INTEGER]


def layer_codes(model: AcousticModel, form: Model, index: int) -> tuple[Codes, Codes]:
    """Output codes of one layer by simulation and by reference, from the same inputs, both on the grid."""
    x, lengths = batch(40, 40, 33, 12, 3, seed=6)
    reference = Reference(form)
    with torch.no_grad():
        signal = model.feat["grid"](x)
        for layer in model.recurrent_layers()[:index]:
            signal, _ = layer(signal, layer.initial_state(len(lengths)), lengths)
        layer = model.recurrent_layers()[index]
        h, _ = layer(signal, layer.initial_state(len(lengths)), lengths)
    grid = form.layers[index].signals["h"]
    codes = []
    for rows in (rows_of(h, lengths), reference.run_layer(index, rows_of(signal, lengths))):
        ratio = np.concatenate([row.ravel() for row in rows]).astype(np.float64) / grid.step
        np.testing.assert_allclose(ratio, np.rint(ratio), atol=1e-4)
        assert np.abs(np.rint(ratio)).max() <= qmax_of(grid.bits)
        codes.append(np.rint(ratio))
    return codes[0], codes[1]


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", CELLS)
def test_codes_of_a_layer_agree(name: str, scheme: str, norm: bool) -> None:
    model = quantized(network(name, hidden=24, batch_norm=norm), scheme)
    form = packed(model)
    for index in range(2):
        ours, theirs = layer_codes(model, form, index)
        assert len(np.unique(ours)) > 15  # a comparison of something
        assert np.abs(ours - theirs).max() <= 1
        assert np.mean(ours == theirs) >= 0.999


@pytest.mark.parametrize("rule", ["adaptive", "lsq"])
def test_codes_agree_for_every_rule_and_one_step_per_matrix(rule: StepRule) -> None:
    model = quantized(network("lstm_peepholes", hidden=24), INTEGER, rule, per_row=False)
    ours, theirs = layer_codes(model, packed(model), 1)
    assert np.abs(ours - theirs).max() <= 1
    assert np.mean(ours == theirs) >= 0.999


def test_the_comparison_notices_a_small_change() -> None:
    model = quantized(network("sru", hidden=24), "w4a8")
    form = packed(model)
    layer = form.layers[1]
    moved = replace(layer, vectors=layer.vectors | {"bias": layer.vectors["bias"] + np.float32(0.01)})
    ours, theirs = layer_codes(model, replace(form, layers=(form.layers[0], moved, form.layers[2])), 1)
    assert np.mean(ours == theirs) < 0.99


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", CELLS)
def test_greedy_outputs_nearly_agree(name: str, scheme: str) -> None:
    model = quantized(network(name, hidden=24, batch_norm=True), scheme)
    x, lengths = batch(40, 38, 21, 9, seed=7)
    with torch.no_grad():  # so that all symbols come out
        logits, _ = model(x, lengths)
        model.out.bias -= torch.from_numpy(np.concatenate(rows_of(logits, lengths)).mean(axis=0))
    with torch.no_grad():
        logits, _ = model(x, lengths)
    ours = np.concatenate([row.argmax(axis=1) for row in rows_of(logits, lengths)])
    theirs = np.concatenate([row.argmax(axis=1) for row in forward(packed(model), rows_of(x, lengths))])
    assert len(np.unique(ours)) > 2
    assert np.mean(ours == theirs) >= 0.98
