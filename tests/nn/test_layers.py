"""Layers against loops in float64 NumPy, public packages, and themselves cut into rows and chunks."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import CELLS, batch, network, off_start, quantized
from numpy.typing import NDArray
from torch import Tensor

from speechq.config import ModelConfig
from speechq.errors import ModelError
from speechq.nn.isru import ISRU
from speechq.nn.layer import QuantizedLayer, State
from speechq.nn.lstm import LSTM, ResidualLSTM
from speechq.nn.qrnn import QRNN
from speechq.nn.sru import SRU
from speechq.nn.stack import Output, make_layer

Array = NDArray[np.float64]
WIDTHS = [(16, 12), (12, 12)]
INTEGER = "w4a8,gate=a8,cell=a16"


def sig(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def by_loop(layer: QuantizedLayer, x: Array) -> tuple[Array, Array]:
    """Outputs and cells ``[T, hidden]`` of one row from a zero state, by the papers' equations."""
    p = {name: value.detach().double().numpy() for name, value in layer.named_parameters()}
    hidden = cast(Any, layer).hidden
    c, h, outputs, cells = np.zeros(hidden), np.zeros(hidden), [], []
    for t in range(len(x)):

        def frame(k: int) -> Array:
            return x[k] if 0 <= k < len(x) else np.zeros_like(x[0])

        same = x.shape[1] == hidden
        if isinstance(layer, SRU):
            u0, u1, u2 = (p["weight_in"] @ x[t]).reshape(3, hidden)
            v = p.get("v", np.zeros((2, hidden)))
            f, r = sig(u1 + v[0] * c + p["bias"][0]), sig(u2 + v[1] * c + p["bias"][1])
            c = f * c + (1 - f) * u0
            skip = layer.scale_x * x[t] if same else p["weight_skip"] @ x[t]
            h = r * (np.tanh(c) if layer.tanh else c) + (1 - r) * skip
        elif isinstance(layer, QRNN):
            seen = np.concatenate([frame(k) for k in range(t - layer.window + 1, t + 1)])
            parts = (p["weight_in"] @ seen).reshape(-1, hidden) + p["bias"]
            z, f, o = np.tanh(parts[0]), sig(parts[1]), sig(parts[2])
            c = f * c + (sig(parts[3]) if len(parts) == 4 else 1 - f) * z
            h = o * c
        elif isinstance(layer, ISRU):
            taps = range(-layer.taps_left, layer.taps_right + 1)
            seen = sum(p["weight_conv"][:, n] * frame(t + k) for n, k in enumerate(taps))
            u, f, o, i = (p["weight_in"] @ seen).reshape(4, hidden) + p["bias"]
            c = sig(f) * c + sig(i) * u
            h = sig(o) * np.tanh(c) + ((1 - sig(o)) * x[t] if same else 0)
        else:
            a = (p["weight_in"] @ x[t] + p["weight_rec"] @ h + p["bias"]).reshape(4, hidden)
            w = p.get("peepholes", np.zeros((3, hidden)))
            i, f = sig(a[0] + w[0] * c), sig(a[1] + w[1] * c)
            c = f * c + i * np.tanh(a[2])
            h = sig(a[3] + w[2] * c)
            if isinstance(layer, ResidualLSTM):
                h = h * (p["weight_proj"] @ np.tanh(c) + (x[t] if same else p["weight_skip"] @ x[t]))
            else:
                h = h * np.tanh(c)
        outputs.append(h)
        cells.append(c)
    return np.array(outputs), np.array(cells)


def run(layer: QuantizedLayer, x: Tensor, lengths: Tensor, *rest: Any) -> tuple[Tensor, State]:
    with torch.no_grad():
        return cast(tuple[Tensor, State], layer(x, layer.initial_state(x.shape[1]), lengths, *rest))


def layer_of(name: str, inputs: int, hidden: int, **options: Any) -> QuantizedLayer:
    """A layer as networks have it, biases away from their start."""
    torch.manual_seed(0)
    config = ModelConfig(hidden=hidden, **(CELLS[name] | options))
    return off_start(make_layer(config, inputs)).eval()


@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize("name", CELLS)
def test_layer_equals_a_loop(name: str, widths: tuple[int, int]) -> None:
    layer = layer_of(name, *widths).double()
    x, lengths = batch(9, 9, 4, 1, width=widths[0])
    h, state = run(layer, x.double(), lengths)
    for row, length in enumerate(lengths.tolist()):
        expected, cells = by_loop(layer, x[:length, row].double().numpy())
        np.testing.assert_allclose(h[:length, row].numpy(), expected, atol=1e-12)
        np.testing.assert_allclose(state[-1][row].numpy(), cells[-1], atol=1e-12)
        assert torch.count_nonzero(h[length:, row]) == 0


def test_lstm_equals_torch() -> None:
    torch.manual_seed(3)
    theirs, ours = torch.nn.LSTM(16, 24), LSTM(16, 24)
    ours.load_state_dict(
        {"weight_in": theirs.weight_ih_l0, "weight_rec": theirs.weight_hh_l0}
        | {"bias": theirs.bias_ih_l0 + theirs.bias_hh_l0},
        strict=False,
    )
    x, first, cell = torch.randn(12, 3, 16), torch.randn(3, 24), torch.randn(3, 24)
    expected, (h_last, c_last) = theirs(x, (first[None], cell[None]))
    h, (last, c) = ours(x, (first, cell), torch.full((3,), 12))
    for a, b in ((h, expected), (last, h_last[0]), (c, c_last[0])):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
    (mine,) = torch.autograd.grad(h.square().sum(), ours.weight_in)
    (other,) = torch.autograd.grad(expected.square().sum(), theirs.weight_ih_l0)
    torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-4)


def test_sru_equals_the_public_package(shared: Path) -> None:
    with np.load(shared / "oracles" / "sru.npz", allow_pickle=False) as file:
        arrays = {name: torch.from_numpy(file[name]) for name in file.files}
    for case in sorted({name.split(".")[0] for name in arrays}):
        x, weight, c0, scale, v, bias, h, c = (
            arrays[f"{case}.{name}"]
            for name in ("x", "param.weight", "c0", "scale_x", "param.weight_c", "param.bias", "h", "c")
        )
        inputs, hidden = x.shape[2], c0.shape[1]
        # The package's "v1" keeps the cell in the gates; it differs elsewhere.
        layer = SRU(inputs, hidden, variant=2, tanh="tanh" in case, highway_bias=-1.0)
        parts = weight.view(inputs, hidden, -1).permute(2, 1, 0)
        with torch.no_grad():
            layer.weight_in.copy_(parts[:3].reshape(3 * hidden, inputs))
            layer.v.copy_(v.view(2, hidden))
            layer.bias.copy_(bias.view(2, hidden))
            if layer.weight_skip is not None:
                layer.weight_skip.copy_(parts[3])
        if "rescale" in case and inputs == hidden:
            assert layer.scale_x == pytest.approx(float(scale))
        elif inputs == hidden:
            layer.scale_x = 1.0
        with torch.no_grad():
            out, (last,) = layer(x, (c0,), torch.full((x.shape[1],), x.shape[0]))
        torch.testing.assert_close(out, h, rtol=1e-5, atol=2e-6)
        torch.testing.assert_close(last, c, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("window", [1, 2])
def test_qrnn_takes_weights_of_the_opposite_forget_gate(window: int) -> None:
    torch.manual_seed(4)
    weight, bias, x = torch.randn(3 * 8, window * 5) * 0.5, torch.randn(3 * 8), torch.randn(11, 2, 5)
    layer = QRNN(5, 8, window=window)
    layer.load_opposite_forget(weight, bias)
    before = torch.cat([torch.zeros(1, 2, 5), x[:-1]])
    source = torch.cat([x, before][:window], dim=2)
    z, f, o = (source @ weight.t() + bias).chunk(3, dim=2)
    c, expected = torch.zeros(2, 8), []
    for t in range(len(x)):
        admit = torch.sigmoid(f[t])
        c = admit * torch.tanh(z[t]) + (1 - admit) * c
        expected.append(torch.sigmoid(o[t]) * c)
    h, _ = run(layer, x, torch.full((2,), 11))
    torch.testing.assert_close(h, torch.stack(expected), rtol=1e-5, atol=1e-6)
    with pytest.raises(ModelError, match="three parts"):
        QRNN(5, 8, pooling="ifo").load_opposite_forget(weight, bias)


def test_zoneout_holds_about_its_share_and_only_in_training() -> None:
    layer = QRNN(16, 200, window=1, zoneout=0.4)
    x, lengths = batch(2, width=16)
    still, _ = run(layer.eval(), x, lengths)
    assert torch.equal(still, run(layer, x, lengths)[0])
    held = run(layer.train(), x, lengths)[0][0] == 0  # the first cell stays at zero where the gate is held
    assert 0.3 < held.float().mean() < 0.5


def chunks(layer: QuantizedLayer, x: Tensor, cuts: list[int]) -> tuple[Tensor, State]:
    """One row, given out in pieces that end at ``cuts``."""
    state, pieces = layer.initial_state(1), []
    for begin, end in zip([0, *cuts], [*cuts, len(x)], strict=True):
        with torch.no_grad():
            h, state = layer(x[begin:end], state, torch.tensor([end - begin]), end == len(x))
        pieces.append(h)
    return torch.cat(pieces), state


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(sorted(CELLS)),
    st.sampled_from(WIDTHS),
    st.booleans(),
    st.lists(st.integers(1, 14), min_size=1, max_size=4),
    st.data(),
)
def test_batched_alone_and_in_chunks_agree(
    name: str, widths: tuple[int, int], norm: bool, lengths: list[int], data: st.DataObject
) -> None:
    layer = layer_of(name, *widths, batch_norm=norm)
    x, counts = batch(*lengths, width=widths[0])
    h, state = run(layer, x, counts)
    for row, length in enumerate(lengths):
        alone = x[:length, row : row + 1]
        cuts = data.draw(st.lists(st.integers(1, length), max_size=3, unique=True).map(sorted))
        cuts = [cut for cut in cuts if cut < length]
        for other, after in (run(layer, alone, counts[row : row + 1]), chunks(layer, alone, cuts)):
            torch.testing.assert_close(other, h[:length, row : row + 1], rtol=1e-5, atol=1e-6)
            for a, b in zip(after, state, strict=True):
                torch.testing.assert_close(a, b[..., row : row + 1, :], rtol=1e-5, atol=1e-6)
        assert torch.count_nonzero(h[length:, row]) == 0


def test_look_ahead_waits_and_refuses_padded_chunks() -> None:
    layer = layer_of("isru_ahead", 12, 12)
    x, _ = batch(9, width=12)
    h, state = layer(x[:2], layer.initial_state(1), torch.tensor([2]), False)
    assert h.shape == (0, 1, 12)
    h, state = layer(x[2:7], state, torch.tensor([5]), False)
    assert h.shape == (4, 1, 12)  # three frames wait for their look-ahead
    with pytest.raises(ModelError, match="only the last one may be padded"):
        layer(*batch(3, 2, width=12)[:1], layer.initial_state(2), torch.tensor([3, 2]), False)


def test_a_ragged_last_chunk_ends_each_row_at_its_length() -> None:
    layer = layer_of("isru_ahead", 12, 12)
    x, lengths = batch(9, 7, width=12)
    whole, _ = run(layer, x, lengths)
    with torch.no_grad():
        first, state = layer(x[:5], layer.initial_state(2), torch.tensor([5, 5]), False)
        rest, _ = layer(x[5:], state, lengths - 5, True)
    torch.testing.assert_close(torch.cat([first, rest]), whole)


@pytest.mark.parametrize("name", CELLS)
def test_signals_stand_on_their_grids_in_float32_whatever_the_precision_of_products(name: str) -> None:
    model = quantized(network(name, batch_norm=True, hidden=16), "w4a8")
    seen: list[tuple[Tensor, Tensor]] = []
    for layer in model.recurrent_layers():
        for quantizer in layer.signal_quantizers.values():
            quantizer.register_forward_hook(lambda module, _, out: seen.append((module.step, out.detach())))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        model.train()(*batch(40, 31))
    assert len(seen) == (0 if "lstm" in name else 4 if "isru" in name else 2)  # an LSTM rounds h within
    for step, signal in seen:
        assert signal.dtype == torch.float32
        assert torch.equal((signal / step).round() * step, signal)


@pytest.mark.parametrize("scheme", ["float", INTEGER])
@pytest.mark.parametrize("name", CELLS)
def test_not_a_number_comes_out_of_its_row_only(name: str, scheme: str) -> None:
    model = network(name, batch_norm=True, hidden=16)
    if scheme != "float":
        quantized(model, scheme)
    for layer, width in zip([*model.recurrent_layers(), model.out], (16, 16, 16), strict=True):
        x, lengths = batch(6, 6, width=width)
        x[3, 0, 2] = float("nan")
        out = model.out(x) if isinstance(layer, Output) else run(layer, x, lengths)[0]
        assert out[3, 0].isnan().all()
        assert out[:, 1].isfinite().all()
        if not isinstance(layer, Output):
            assert out[3:, 0].isnan().all()  # the cell stays spoiled
