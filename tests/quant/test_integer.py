from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packed_models import random_features, random_model
from test_reference import VARIANTS

from speechq.errors import ModelError
from speechq.quant.gates import sigmoid, tanh
from speechq.quant.integer import GateTable, Mixer, Requantizer, multipliers, shift_rounded
from speechq.quant.reference import Reference, ReferenceStream, forward
from speechq.runtime.graph import Layer, Model, Signal


def integer_model(variant: tuple[str, dict[str, Any]], **options: Any) -> Model:
    kind, own = variant
    return random_model(kind, gate_bits=8, cell_bits=16, **({"bits": 6} | own | options))


def nearest(x: Fraction) -> int:
    """To the nearest integer, ties away from zero."""
    magnitude = int(abs(x) + Fraction(1, 2))
    return magnitude if x >= 0 else -magnitude


@given(st.integers(-(2**61), 2**61), st.integers(1, 62))
def test_shift(x: int, shift: int) -> None:
    assert int(shift_rounded(np.array([x]), shift)[0]) == nearest(Fraction(x, 2**shift))


@given(st.floats(1e-12, 1e6), st.integers(-(2**31) + 1, 2**31 - 1), st.booleans())
def test_requantizer(ratio: float, x: int, negative: bool) -> None:
    ratio = -ratio if negative else ratio
    limit = 2**29 - 1
    found = int(Requantizer(ratio, limit)(np.array([x]))[0])
    exact = min(max(Fraction(ratio) * x, -limit), limit)
    # 30 bits of the multiplier, and half a unit of rounding.
    assert abs(found - exact) <= Fraction(501, 1000) + abs(exact) / 2**30
    (m,), shift = multipliers(np.array([ratio]))
    assert found == min(max(nearest(Fraction(x * int(m), 2**shift)), -limit), limit)


def test_requantizer_zero_and_too_large() -> None:
    assert Requantizer(np.array([0.0, 2.0]), 100)(np.array([5, 5])).tolist() == [0, 10]
    with pytest.raises(ModelError, match="integer range"):
        Requantizer(1e12, 100)


def test_mixer_rounds_once() -> None:
    mix = Mixer([0.25, 0.25], 10)
    assert mix(np.array([1, 1, -1, 100]), np.array([1, 0, -1, 3])).tolist() == [1, 0, -1, 10]


@pytest.mark.parametrize("function", [sigmoid, tanh])
@pytest.mark.parametrize("bits", [8, 9, 10])
def test_tables(function: Any, bits: int) -> None:
    """Within half a code of rounding and the half index step of the table."""
    top = 2 ** (bits - 1) - 1
    pre = np.arange(-60_000, 60_000, 7)
    found = GateTable(function, Signal(bits, float(np.float32(1 / top)))).of_pre(pre) / top
    assert np.max(np.abs(found - function((pre / 4096).astype(np.float32)))) <= 0.5 / top + 1 / 1024 + 1e-6


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_close_to_hybrid(variant: tuple[str, dict[str, Any]]) -> None:
    """Given equal inputs, every layer's codes are those of hybrid mode or near; outputs stay close."""
    model = integer_model(variant, hidden=24)
    xs = random_features(model, 40, 25)
    hybrid, integer = Reference(model), Reference(model, mode="integer")
    values: Any = xs
    for index in range(len(model.layers) - 1):
        step = hybrid.layers[index].output_grid.step
        a, b = hybrid.run_layer(index, values), integer.run_layer(index, values)
        difference = np.concatenate([np.rint((p - q) / step) for p, q in zip(a, b, strict=True)])
        # Differences feed back through rec in an LSTM, and through the unbounded linear path of the residual
        # LSTM.
        equal, near = {"lstm": (0.8, 0.99), "residual_lstm": (0.65, 0.95)}.get(variant[0], (0.95, 0.99))
        assert np.mean(difference == 0) > equal and np.mean(np.abs(difference) <= 1) > near
        assert np.max(np.abs(difference)) <= 8
        values = a
    for p, q in zip(hybrid.run(xs)[0], integer.run(xs)[0], strict=True):
        assert np.mean(np.abs(np.exp(p) - np.exp(q))) < 0.01
        assert np.mean(p.argmax(1) == q.argmax(1)) > 0.95


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_chunks_and_batches(variant: tuple[str, dict[str, Any]]) -> None:
    reference = Reference(integer_model(variant), mode="integer")
    xs = random_features(reference.model, 13, 0, 7, 1)
    batched, _ = reference.run(xs)
    for x, whole in zip(xs, batched, strict=True):
        stream = ReferenceStream(reference)
        parts = [stream.accept(part) for part in np.split(x, [1, 1, 5])] + [stream.finish()]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_extremes_saturate() -> None:
    for variant in VARIANTS:
        model = integer_model(variant, bits=8)
        for layer in model.layers:
            for matrix in layer.matrices.values():
                matrix.codes[...] = np.where(matrix.codes < 0, -127, 127)
        top = np.full((50, model.features.dim), 1e9, np.float32)
        for scores in forward(model, [top, -top], mode="integer"):
            assert np.isfinite(scores).all()


def change(model: Model, **parts: Any) -> Model:
    first: Layer = replace(model.layers[0], **parts)
    return replace(model, layers=(first, *model.layers[1:]))


def test_what_it_needs_is_named() -> None:
    model = integer_model(("lstm", {}))
    signals = model.layers[0].signals
    wrong = [
        (replace(model, feat=None), "feat"),
        (change(model, signals={k: v for k, v in signals.items() if k != "gate"}), "signal gate is float"),
        (change(model, signals=signals | {"gate": Signal(6, 0.03125)}), "8 to 10 bits"),
        (change(model, signals=signals | {"gate": Signal(8, 0.0625)}), "8 to 10 bits"),
        (change(model, signals=signals | {"cell": Signal(12, 0.0625)}), "cell needs 16"),
        (integer_model(("lstm", {}), bits=None), "matrix in is float"),
    ]
    for broken, message in wrong:
        with pytest.raises(ModelError, match=message):
            Reference(broken, mode="integer")
        Reference(broken)
