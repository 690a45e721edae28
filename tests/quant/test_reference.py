from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packed_models import CELLS, random_features, random_layer, random_model

from speechq.config import FeatureConfig
from speechq.errors import DataError
from speechq.quant.gates import log_softmax, sigmoid, tanh
from speechq.quant.products import DepthwiseProduct, Frames, Product, to_grid
from speechq.quant.reference import Reference, ReferenceStream, forward, normalize
from speechq.quant.reference_layers import LAYERS
from speechq.quant.rounding import code, qmax_of
from speechq.runtime.graph import Layer, Matrix, Model, Signal

F32 = np.float32

# Every kind of layer, with and without its options.
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("sru", {}),
    ("sru", {"variant": 1, "tanh": True, "scale_x": 1.0}),
    ("lstm", {}),
    ("lstm", {"peepholes": False}),
    ("residual_lstm", {}),
    ("qrnn", {}),
    ("qrnn", {"window": 4, "pooling": "ifo"}),
    ("qrnn", {"window": 1}),
    ("isru", {}),
    ("isru", {"taps_left": 2, "taps_right": 3}),
]
# Bits of weights, signals, gates and cell.
SCHEMES = [
    (None, None, None, None),
    (6, 8, None, None),
    (2, 8, 8, 16),
    (4, None, None, None),
    (None, 8, 8, None),
    (8, 16, 10, 12),
]


class Slow:
    """One utterance, frame by frame, sums by Python integers or one float32 accumulator."""

    def __init__(self, model: Model) -> None:
        self.model = model

    @staticmethod
    def grid(x: np.ndarray, signal: Signal | None) -> np.ndarray:
        return (
            x
            if signal is None
            else code(x, F32(signal.step), qmax_of(signal.bits)).astype(F32) * F32(signal.step)
        )

    @staticmethod
    def product(matrix: Matrix, x: np.ndarray, signal: Signal | None) -> np.ndarray:
        steps = np.broadcast_to(matrix.steps, matrix.codes.shape[0]) if matrix.bits != 32 else None
        y = []
        for r, row in enumerate(matrix.codes):
            if steps is not None and signal is not None:
                codes = [round(float(v) / signal.step) for v in x]
                total = sum(int(w) * c for w, c in zip(row, codes, strict=True))
                y.append(F32(total) * (F32(signal.step) * steps[r]))
            else:
                acc = F32(0)
                for w, v in zip(row.astype(F32), x, strict=True):
                    acc = F32(acc + F32(v * w))
                y.append(acc if steps is None else acc * steps[r])
        return np.array(y, F32)

    def layer(self, layer: Layer, xs: np.ndarray, grid: Signal | None, hidden: int) -> np.ndarray:
        m, v, s, opt = layer.matrices, layer.vectors, layer.signals, layer.options
        gate, cell, out = s.get("gate"), s.get("cell"), s.get("h")
        c = h = np.zeros(hidden, F32)
        ys = []
        one = F32(1)

        def sig(x: np.ndarray) -> np.ndarray:
            return self.grid(sigmoid(x), gate)

        def th(x: np.ndarray) -> np.ndarray:
            return self.grid(tanh(x), gate)

        width = xs.shape[1]
        for t, x in enumerate(xs):
            if layer.kind == "linear":
                h = self.product(m["in"], x, grid) + v["bias"]
            elif layer.kind == "sru":
                u = self.product(m["in"], x, grid).reshape(3, hidden)
                pf, pr = u[1] + v["bias"][0], u[2] + v["bias"][1]
                if opt["variant"] == 2:
                    pf, pr = pf + v["v"][0] * c, pr + v["v"][1] * c
                f, r = sig(pf), sig(pr)
                c = self.grid(f * c + (one - f) * u[0], cell)
                skip = self.product(m["skip"], x, grid) if "skip" in m else x
                h = r * (th(c) if opt["tanh"] else c) + (one - r) * (F32(opt["scale_x"]) * skip)
            elif layer.kind in ("lstm", "residual_lstm"):
                u = self.product(m["in"], x, grid) + v["bias"]
                u = (u + self.product(m["rec"], h, out)).reshape(4, hidden)
                p = v.get("peepholes", np.zeros((3, hidden), F32))
                i, f, g = sig(u[0] + p[0] * c), sig(u[1] + p[1] * c), th(u[2])
                c = self.grid(f * c + i * g, cell)
                o = sig(u[3] + p[2] * c)
                if layer.kind == "lstm":
                    h = o * th(c)
                else:
                    skip = self.product(m["skip"], x, grid) if "skip" in m else x
                    h = o * (self.product(m["proj"], th(c), gate) + skip)
            elif layer.kind == "qrnn":
                frames = [xs[t - k] if t >= k else np.zeros(width, F32) for k in range(opt["window"])]
                u = self.product(m["in"], np.concatenate(frames[::-1]), grid) + v["bias"]
                u = u.reshape(-1, hidden)
                z, f, o = th(u[0]), sig(u[1]), sig(u[2])
                c = self.grid(f * c + (sig(u[3]) if len(u) == 4 else one - f) * z, cell)
                h = o * c
            else:
                near = range(t - opt["taps_left"], t + opt["taps_right"] + 1)
                frames = [xs[k] if 0 <= k < len(xs) else np.zeros(width, F32) for k in near]
                taps, per_row = m["conv"], m["conv"].steps.size > 1
                conv = []
                for d in range(width):
                    step = taps.steps[d : d + 1] if per_row else taps.steps
                    single = Matrix(taps.bits, taps.codes[d : d + 1], step)
                    conv.append(self.product(single, np.array([frame[d] for frame in frames]), grid)[0])
                w = self.grid(np.array(conv, F32) + v["conv_bias"], s.get("conv"))
                u = (self.product(m["in"], w, s.get("conv")) + v["bias"]).reshape(4, hidden)
                f, o, i = sig(u[1]), sig(u[2]), sig(u[3])
                c = self.grid(f * c + i * u[0], cell)
                h = o * th(c)
                if width == hidden:
                    h = h + (one - o) * x
            h = self.grid(h, out)
            ys.append(h)
        return np.array(ys, F32).reshape(len(xs), -1)

    def forward(self, xs: np.ndarray) -> np.ndarray:
        grid = self.model.feat
        x = self.grid(xs, grid)
        hidden = [layer.vectors["bias"].size for layer in self.model.layers[-1:]]
        for k, layer in enumerate(self.model.layers):
            following = self.model.layers[k + 1 : k + 2]
            size = following[0].matrices["in"].codes.shape[1] if following else hidden[0]
            if following and following[0].kind == "qrnn":
                size //= following[0].options["window"]
            x = self.layer(layer, x, grid, size)
            grid = layer.signals.get("h")
        return log_softmax(x)


def model_of(variant: tuple[str, dict[str, Any]], scheme: tuple[int | None, ...], **options: Any) -> Model:
    bits, signal, gate, cell = scheme
    kind, own = variant
    return random_model(
        kind, bits=bits, signal_bits=signal, gate_bits=gate, cell_bits=cell, **({"hidden": 9} | own | options)
    )


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_equals_the_slow_reference(
    variant: tuple[str, dict[str, Any]], scheme: tuple[int | None, ...]
) -> None:
    model = model_of(variant, scheme, per_row=scheme[0] != 4)
    xs = random_features(model, 6)
    np.testing.assert_array_equal(forward(model, xs)[0], Slow(model).forward(xs[0]))


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("scheme", SCHEMES[:3], ids=str)
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_batched_and_in_chunks(
    variant: tuple[str, dict[str, Any]], scheme: tuple[int | None, ...], data: st.DataObject
) -> None:
    reference = Reference(model_of(variant, scheme))
    lengths = data.draw(st.lists(st.integers(0, 17), min_size=1, max_size=4))
    xs = random_features(reference.model, *lengths)
    batched, _ = reference.run(xs)
    singles = [reference.run([x])[0][0] for x in xs]
    for x, whole, single in zip(xs, batched, singles, strict=True):
        assert len(whole) == len(x)
        np.testing.assert_array_equal(whole, single)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(x)), max_size=4)))
        stream = ReferenceStream(reference)
        for _ in range(2):  # a finished stream starts anew
            parts = [stream.accept(part) for part in np.split(x, cuts)] + [stream.finish()]
            np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_ragged_chunks_carry_the_state(variant: tuple[str, dict[str, Any]]) -> None:
    """Rows that get different numbers of frames per call, also none, end up like rows alone."""
    reference = Reference(model_of(variant, (4, 8, 8, 16)))
    xs = random_features(reference.model, 19, 19, 19)
    cuts = ([0, 3, 3, 12], [7, 7, 8, 19], [1, 2, 18, 18])
    state, found = reference.initial_state(3), [[], [], []]
    for call in range(5):
        chunks = [np.split(x, cut)[call] for x, cut in zip(xs, cuts, strict=True)]
        parts, state = reference.run(chunks, state, finish=call == 4)
        for row, part in zip(found, parts, strict=True):
            row.append(part)
    for x, row in zip(xs, found, strict=True):
        np.testing.assert_array_equal(np.concatenate(row), reference.run([x])[0][0])


@pytest.mark.parametrize(
    ("bits", "signal_bits", "columns"), [(8, 8, 64), (8, 8, 6000), (8, 16, 3000), (2, 16, 40)]
)
def test_integer_sums_are_exact(bits: int, signal_bits: int, columns: int) -> None:
    """Also at the extremes, where float32 sums would not be exact."""
    rng = np.random.default_rng(0)
    qw, qx = qmax_of(bits), qmax_of(signal_bits)
    codes = rng.integers(-qw, qw + 1, (5, columns)).astype(np.int8)
    codes[0], codes[1] = qw, rng.choice([-qw, qw], columns)
    x = rng.integers(-qx, qx + 1, (3, 4, columns))
    x[0, 0] = qx
    steps = rng.normal(0, 1, 5).astype(F32)
    found = Product(Matrix(bits, codes, steps), Signal(signal_bits, 0.3))(x.astype(F32))
    exact = np.einsum("tbk,rk->tbr", x.astype(np.int64), codes.astype(np.int64))
    np.testing.assert_array_equal(found, exact.astype(F32) * (F32(0.3) * steps))


def test_depthwise_sums_are_exact() -> None:
    rng = np.random.default_rng(0)
    codes = np.full((3, 129), 127, np.int8)
    x = rng.integers(-32767, 32768, (140, 2, 3))
    x[:130] = 32767
    found = DepthwiseProduct(Matrix(8, codes, np.ones(1, F32)), Signal(16, 0.5))(x.astype(F32))
    exact = np.stack([x[t : t + 129].sum(0) * 127 for t in range(12)])
    np.testing.assert_array_equal(found, exact.astype(F32) * F32(0.5))


def test_extreme_codes_stay_finite() -> None:
    """Full-range codes everywhere: saturation, no overflow."""
    for kind in CELLS:
        model = random_model(kind, bits=8, gate_bits=8, cell_bits=16)
        for layer in model.layers:
            for matrix in layer.matrices.values():
                matrix.codes[...] = np.where(matrix.codes < 0, -127, 127)
        scores = forward(
            model, [np.full((9, model.features.dim), value, F32) for value in (1e30, -1e30, 1e3)]
        )
        assert np.isfinite(np.concatenate(scores)).all()


def test_sru_equals_its_package(shared: Path) -> None:
    oracle = np.load(shared / "oracles" / "sru.npz")
    names = sorted({key.split(".")[0] for key in oracle})
    assert len(names) == 8
    for name in names:
        part = {key.split(".", 1)[1]: oracle[key] for key in oracle if key.startswith(name + ".")}
        inputs, hidden = part["x"].shape[2], part["h"].shape[2]
        weight = part["param.weight"].reshape(inputs, hidden, -1)
        none = np.zeros(0, F32)
        matrices = {"in": Matrix(32, np.concatenate([weight[:, :, k].T for k in range(3)]), none)}
        if weight.shape[2] == 4:
            matrices["skip"] = Matrix(32, np.ascontiguousarray(weight[:, :, 3].T), none)
        # The package's gates see the cell in all of these cases, and it does not rescale a skip input of its
        # own matrix.
        scale = 1.0 if "skip" in matrices else float(part["scale_x"])
        options = {"variant": 2, "tanh": "tanh" in name, "scale_x": scale}
        vectors = {
            "bias": part["param.bias"].reshape(2, hidden),
            "v": part["param.weight_c"].reshape(2, hidden),
        }
        layer = LAYERS["sru"](Layer("sru", options, matrices, vectors), inputs, hidden, None)
        lengths = np.full(part["x"].shape[1], len(part["x"]))
        h, _, state = layer(Frames(part["x"]), lengths, {"c": part["c0"]}, True)
        np.testing.assert_allclose(h.data, part["h"], atol=2e-6, err_msg=name)
        np.testing.assert_allclose(state["c"], part["c"], atol=2e-6, err_msg=name)


def test_lstm_equals_torch() -> None:
    torch = pytest.importorskip("torch", reason="compares with torch.nn.LSTM")
    rng = np.random.default_rng(3)
    layer = random_layer(rng, "lstm", 7, 5, None, {}, peepholes=False)
    module = torch.nn.LSTM(7, 5)
    with torch.no_grad():
        module.weight_ih_l0.copy_(torch.from_numpy(layer.matrices["in"].codes))
        module.weight_hh_l0.copy_(torch.from_numpy(layer.matrices["rec"].codes))
        module.bias_ih_l0.copy_(torch.from_numpy(layer.vectors["bias"]))
        module.bias_hh_l0.zero_()
        x = rng.normal(0, 1, (20, 3, 7)).astype(F32)
        expected, (_, c) = module(torch.from_numpy(x))
    reference = LAYERS["lstm"](layer, 7, 5, None)
    h, _, state = reference(Frames(x), np.full(3, 20), reference.initial_state(3), True)
    np.testing.assert_allclose(h.data, expected.numpy(), atol=2e-6)
    np.testing.assert_allclose(state["c"], c[0].numpy(), atol=2e-6)


def test_trace_and_single_layers() -> None:
    model = random_model("qrnn", layers=3, gate_bits=8)
    reference = Reference(model)
    xs = random_features(model, 11, 4)
    trace = reference.trace(xs)
    assert [len(values) for values in trace] == [2, 2, 2, 2]
    for found, whole in zip(trace[-1], forward(model, xs), strict=True):
        np.testing.assert_array_equal(log_softmax(found), whole)
    again = reference.run_layer(1, trace[0])
    for a, b in zip(again, trace[1], strict=True):
        np.testing.assert_array_equal(a, b)
    step = model.layers[1].signals["h"].step
    codes = to_grid(again[0], model.layers[1].signals["h"]).data
    np.testing.assert_array_equal(codes * F32(step), again[0])
    assert np.abs(codes).max() <= 127 and len(np.unique(codes)) > 20


def test_normalize() -> None:
    model = random_model(features=FeatureConfig(mels=8, stack=1))
    frames = np.random.default_rng(0).normal(3, 2, (5, 8)).astype(F32)
    expected = [
        [F32(F32(x - m) * s) for x, m, s in zip(row, model.mean, model.scale, strict=True)] for row in frames
    ]
    np.testing.assert_array_equal(normalize(model, frames), expected)


def test_wrong_width_is_named() -> None:
    model = random_model()
    with pytest.raises(DataError, match=r"expected \[frames, 16\]"):
        forward(model, [np.zeros((3, 15), F32)])
