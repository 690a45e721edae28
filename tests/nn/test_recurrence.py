"""The C++ recurrences against their plain PyTorch forms, torch's LSTM, a public SRU, finite differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from speechq.errors import ModelError
from speechq.nn.recurrence import fake_quantize, lstm, qrnn, sru

LEARNED = "learned"
SIGNALS = st.sampled_from(["float", "fixed", LEARNED])
SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 5), st.sampled_from([1, 5, 16, 23, 70]))


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def randn(generator: torch.Generator, *shape: int, scale: float = 1.0) -> Tensor:
    return (torch.randn(*shape, generator=generator, dtype=torch.float64) * scale).requires_grad_()


def grid(signals: str, step: float, qmax: int) -> tuple[Tensor, int, bool] | None:
    if signals == "float":
        return None
    value = torch.tensor(step, dtype=torch.float64, requires_grad=signals == LEARNED)
    return value, qmax, signals == LEARNED


def problem(
    kind: str, frames: int, batch: int, hidden: int, signals: str, flags: int, seed: int = 0
) -> tuple[Callable[..., tuple[Tensor, ...]], dict[str, Tensor], dict[str, Any], Tensor]:
    """An operator, its differentiable inputs by name, its options, and ragged lengths."""
    g = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, frames + 1, (batch,), generator=g)
    states = {"c0": randn(g, batch, hidden)}
    options: dict[str, Any] = {"gate_qmax": 0 if signals == "float" else 31, "cell": grid(signals, 0.2, 6)}
    bits = [bool(flags >> k & 1) for k in range(4)]
    if kind == "sru":
        inputs = {
            "u": randn(g, frames, batch, 3, hidden),
            "x_skip": randn(g, frames, batch, hidden),
            "v": randn(g, 2, hidden),
            "bias": randn(g, 2, hidden),
            **states,
        }
        options |= {"variant": 1 + bits[0], "tanh": bits[1], "scale_x": 1.3}
        return sru, inputs, options, lengths
    if kind == "qrnn":
        gates = 3 + bits[0]
        inputs = {"u": randn(g, frames, batch, gates, hidden), "bias": randn(g, gates, hidden), **states}
        options |= {"tanh_in": bits[1], "tanh_out": bits[2]}
        if bits[3]:
            inputs["x_skip"] = randn(g, frames, batch, hidden)
            options["keep_mask"] = (torch.rand(frames, batch, hidden, generator=g) > 0.3).double()
        return qrnn, inputs, options, lengths
    inputs = {
        "u": randn(g, frames, batch, 4 * hidden),
        "w_rec": randn(g, 4 * hidden, hidden, scale=hidden**-0.5),
        "peepholes": randn(g, 3, hidden),
        **states,
        "h0": randn(g, batch, hidden, scale=0.5),
    }
    options["hidden"] = grid(signals, 0.1, 7)
    if bits[0]:
        inputs["projection"] = randn(g, hidden, hidden, scale=hidden**-0.5)
        inputs["shortcut"] = randn(g, frames, batch, hidden)
    if bits[1]:
        del inputs["peepholes"]
        options["peepholes"] = None
    return lstm, inputs, options, lengths


def results(
    operator: Any, inputs: dict[str, Tensor], options: dict[str, Any], lengths: Tensor
) -> list[Tensor]:
    """Outputs, then the gradients of a fixed weighted sum of them to all inputs and learned steps."""
    outputs = operator(**inputs, lengths=lengths, **options)
    loss = sum((out * torch.arange(out.numel()).view_as(out).cos()).sum() for out in outputs)
    learned = [options[name][0] for name in ("cell", "hidden") if options.get(name) and options[name][2]]
    gradients = torch.autograd.grad(
        loss, [*inputs.values(), *learned], allow_unused=True, materialize_grads=True
    )
    return [*outputs, *gradients]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["sru", "qrnn", "lstm"]), SHAPES, SIGNALS, st.integers(0, 15), st.integers(0, 5))
def test_native_equals_plain_form(
    kind: str, shape: tuple[int, int, int], signals: str, flags: int, seed: int
) -> None:
    operator, inputs, options, lengths = problem(kind, *shape, signals, flags, seed)
    native = results(operator, inputs, options, lengths)
    plain = results(operator, inputs, options | {"reference": True}, lengths)
    for a, b in zip(native, plain, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
    for row, length in enumerate(lengths.tolist()):
        assert torch.count_nonzero(native[0][length:, row]) == 0


@pytest.mark.parametrize("flags", range(4))
@pytest.mark.parametrize("kind", ["sru", "qrnn", "lstm"])
def test_gradients_are_those_of_finite_differences(kind: str, flags: int) -> None:
    operator, inputs, options, lengths = problem(kind, 4, 3, 5, "float", flags * 5 % 16)

    def call(*values: Tensor) -> tuple[Tensor, ...]:
        return operator(**dict(zip(inputs, values, strict=True)), lengths=lengths, **options)

    assert torch.autograd.gradcheck(call, tuple(inputs.values()), fast_mode=True)


@pytest.mark.parametrize("signals", ["float", "fixed"])
@pytest.mark.parametrize("kind", ["sru", "qrnn", "lstm"])
@pytest.mark.parametrize("flags", [0, 3, 13])
def test_batch_alone_and_in_chunks_give_the_same_bits(kind: str, signals: str, flags: int) -> None:
    operator, inputs, options, lengths = problem(kind, 9, 4, 37, signals, flags)
    inputs = {name: value.detach().float() for name, value in inputs.items()}
    whole = operator(**inputs, lengths=lengths, **options)
    timed = {"u", "x_skip", "shortcut"}
    for row, length in enumerate(lengths.tolist()):
        alone = dict(inputs)
        for name in timed & alone.keys():
            alone[name] = inputs[name][:, row : row + 1]
        state = {name: inputs[name][row : row + 1] for name in ("c0", "h0") if name in inputs}
        pieces = []
        for begin, end in ((0, 2), (2, 3), (3, 9)):
            end = min(end, length)
            if begin >= end:
                continue
            cut = {name: alone[name][begin:end] for name in timed & alone.keys()}
            extra = {}
            if options.get("keep_mask") is not None:
                extra["keep_mask"] = options["keep_mask"][begin:end, row : row + 1]
            out = operator(**(alone | cut | state), lengths=torch.tensor([end - begin]), **(options | extra))
            pieces.append(out[0])
            state = {"c0": out[-1]} | ({"h0": out[1]} if kind == "lstm" else {})
        assert torch.equal(torch.cat(pieces), whole[0][:length, row : row + 1])
        assert torch.equal(state["c0"], whole[-1][row : row + 1])


@pytest.mark.parametrize("kind", ["sru", "qrnn", "lstm"])
def test_float32_is_close_to_float64_and_the_same_for_any_number_of_threads(kind: str) -> None:
    operator, inputs, options, lengths = problem(kind, 8, 5, 300, "float", 0)
    exact = results(operator, inputs, options, lengths)
    single = {name: value.detach().float().requires_grad_() for name, value in inputs.items()}
    two = results(operator, single, options, lengths)
    torch.set_num_threads(1)
    one = results(operator, single, options, lengths)
    for a, b, c in zip(exact, two, one, strict=True):
        torch.testing.assert_close(b.double(), a, rtol=2e-4, atol=2e-4)
        torch.testing.assert_close(b, c, rtol=1e-6, atol=1e-5)
    assert torch.equal(one[0], two[0])


@pytest.mark.parametrize("kind", ["sru", "qrnn", "lstm"])
def test_not_a_number_comes_out(kind: str) -> None:
    operator, inputs, options, lengths = problem(kind, 3, 2, 20, "fixed", 0)
    values = {name: value.detach().float() for name, value in inputs.items()}
    values["u"][0] = float("nan")
    assert operator(**values, lengths=lengths, **options)[0][0].isnan().all()


@pytest.mark.parametrize("hidden", [8, 33])
def test_lstm_equals_torch(hidden: int) -> None:
    torch.manual_seed(0)
    layer = torch.nn.LSTM(6, hidden)
    x = torch.randn(7, 3, 6)
    expected, (h_n, c_n) = layer(x)
    expected.square().sum().backward()
    gradient = layer.weight_hh_l0.grad
    assert gradient is not None
    u = x @ layer.weight_ih_l0.t() + layer.bias_ih_l0 + layer.bias_hh_l0
    weight = layer.weight_hh_l0.detach().requires_grad_()
    zero = torch.zeros(3, hidden)
    h, h_last, c_last = lstm(u, weight, None, zero, zero, torch.full((3,), 7))
    h.square().sum().backward()
    torch.testing.assert_close(h, expected)
    torch.testing.assert_close(h_last, h_n[0])
    torch.testing.assert_close(c_last, c_n[0])
    torch.testing.assert_close(weight.grad, gradient, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("reference", [False, True])
def test_sru_equals_the_public_package(shared: Path, reference: bool) -> None:
    with np.load(shared / "oracles" / "sru.npz", allow_pickle=False) as file:
        arrays = {name: torch.from_numpy(file[name]) for name in file.files}
    cases = sorted({name.split(".")[0] for name in arrays})
    assert len(cases) == 8
    for case in cases:
        x, weight, c0, scale, v, bias, h, c = (
            arrays[f"{case}.{name}"]
            for name in ("x", "param.weight", "c0", "scale_x", "param.weight_c", "param.bias", "h", "c")
        )
        hidden, products = c0.shape[1], weight.shape[1] // c0.shape[1]
        u = (x @ weight).view(*x.shape[:2], hidden, products).transpose(2, 3)
        out, c_last = sru(
            u[:, :, :3],
            # A fourth product takes the place of the input and is not scaled.
            x if products == 3 else u[:, :, 3],
            v.view(2, hidden),
            bias.view(2, hidden),
            c0,
            torch.full((x.shape[1],), x.shape[0]),
            # The package's "v1" keeps c' in the gates; it differs elsewhere.
            variant=2,
            tanh="tanh" in case,
            scale_x=float(scale) if products == 3 else 1.0,
            reference=reference,
        )
        torch.testing.assert_close(out, h, rtol=1e-5, atol=2e-6)
        torch.testing.assert_close(c_last, c, rtol=1e-5, atol=2e-6)


def by_the_rule(x: Tensor, step: Tensor, qmax: int) -> Tensor:
    """The rounding rule, one element after the other."""
    values = []
    for value, size in zip(x.flatten().numpy(), step.expand_as(x).flatten().numpy(), strict=True):
        code = min(np.floor(abs(value) / size + np.float32(0.5)), np.float32(qmax))
        values.append(np.sign(value) * size * code if size > 0 else value)
    return torch.tensor(np.array(values, dtype=np.float32)).view_as(x)


@pytest.mark.parametrize("rows_first", [True, False])
@pytest.mark.parametrize("per_row", [True, False])
def test_fake_quantize_follows_the_rule(per_row: bool, rows_first: bool) -> None:
    torch.manual_seed(1)
    x = torch.randn(11, 37)
    steps = torch.rand(11 if rows_first else 37) * 0.3 + 0.05 if per_row else torch.tensor(0.125)
    x[0, 0] = 2.5 * (steps[0] if per_row else steps)  # a tie goes away from zero
    full = steps[:, None] if per_row and rows_first else steps
    expected = by_the_rule(x, full, 5)
    for reference in (False, True):
        assert torch.equal(fake_quantize(x, steps, 5, rows_first=rows_first, reference=reference), expected)


@pytest.mark.parametrize("shape", [(), (3,), (6, 41), (2, 3, 4)])
def test_fake_quantize_gradients(shape: tuple[int, ...]) -> None:
    torch.manual_seed(2)
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    sizes = {1} | ({shape[0], shape[-1]} if shape else set())
    for count in sizes:
        steps = (torch.rand(count, dtype=torch.float64) * 0.3 + 0.05).requires_grad_()
        weight = torch.randn(shape, dtype=torch.float64)
        gradients = []
        for reference in (False, True):
            rows_first = not shape or count == shape[0]
            out = fake_quantize(
                x, steps, 4, rows_first=rows_first, learned=True, grad_scale=0.1, reference=reference
            )
            gradients.append(torch.autograd.grad((out * weight).sum(), (x, steps)))
        torch.testing.assert_close(gradients[0], gradients[1])
        if count == 1:  # LSQ written out
            ratio = (x / steps).detach()
            code = ratio.sign() * (ratio.abs() + 0.5).floor()
            slope = torch.where(code.abs() > 4, 4 * ratio.sign(), code - ratio)
            torch.testing.assert_close(gradients[0][1], 0.1 * (slope * weight).sum().view(1))
            torch.testing.assert_close(gradients[0][0], weight * (code.abs() <= 4).reshape(shape))
        plain = torch.autograd.grad((fake_quantize(x, steps[:1], 4) * weight).sum(), x)[0]
        assert torch.equal(plain, weight)


def test_fake_quantize_leaves_what_is_not_quantized() -> None:
    x = torch.tensor([[0.3, float("nan")], [0.3, 7.0]])
    for reference in (False, True):
        out = fake_quantize(x, torch.tensor([0.0, 0.5]), 3, reference=reference)
        assert out[0, 0] == x[0, 0]
        assert out[0, 1].isnan()
        assert out[1].tolist() == [0.5, 1.5]
    assert fake_quantize(torch.empty(0, 3), torch.tensor(0.5), 3).shape == (0, 3)


def test_wrong_shapes_are_named() -> None:
    operator, inputs, options, lengths = problem("sru", 3, 2, 4, "float", 1)
    with pytest.raises(ModelError, match="bias must have the shape"):
        operator(**(inputs | {"bias": torch.zeros(2, 5)}), lengths=lengths, **options)
    with pytest.raises(ModelError, match="lengths"):
        operator(**inputs, lengths=lengths[:1], **options)
    with pytest.raises(ModelError, match="step must have 1 or 3"):
        fake_quantize(torch.zeros(3, 4), torch.ones(2), 3)
    with pytest.raises(ValueError, match=r"lengths\[0\] is 9"):
        operator(**inputs, lengths=torch.tensor([9, 1]), **options)
