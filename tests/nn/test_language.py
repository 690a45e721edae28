"""Language networks: weight counts of the papers, the hierarchy against plain loops, states, quantizers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import off_start
from pydantic import ValidationError
from slow_hierarchical import slow_logits
from torch import Tensor

from speechq.config import LanguageModelConfig
from speechq.errors import ConfigError
from speechq.nn.hierarchical import HierarchicalModel
from speechq.nn.language import LanguageModel, make_language_model
from speechq.nn.layer import State
from speechq.nn.stack import Network
from speechq.quant.quantizers import SignalQuantizer
from speechq.quant.scheme import parse_scheme
from speechq.runtime.engine import Engine
from speechq.runtime.graph import Hierarchy, Model
from speechq.text.units import Units

UNITS = Units.characters(" ABCD").with_end()  # </s> 0, space 1, letters 2 to 5
CLOCK = {0, 1}
KINDS = {
    "lstm": {"cell": "lstm", "peepholes": True},
    "sru": {"cell": "sru"},
    "a": {"hierarchy": "a", "layers": 4, "peepholes": True},
    "b": {"hierarchy": "b", "layers": 4, "peepholes": True},
}


def network(kind: str, *, seed: int = 0, **options: object) -> Network:
    torch.manual_seed(seed)
    config = LanguageModelConfig.model_validate({"hidden": 12, **KINDS[kind], **options})
    return off_start(make_language_model(config, UNITS)).eval()


def in_chunks(model: Network, x: Tensor, cuts: list[int]) -> Tensor:
    state: list[State] | None = None
    out = []
    for begin, end in zip([0, *cuts], [*cuts, len(x)], strict=True):
        logits, state = model(x[begin:end], torch.full((x.shape[1],), end - begin), state, False)
        out.append(logits)
    return torch.cat(out)


# The tables of papers.md 0.3 and 9: peephole LSTMs, 30 symbols.


@pytest.mark.parametrize(
    ("layers", "hidden", "weights"), [(2, 512, 3_229_726), (4, 512, 7_431_198), (4, 1024, 29_542_430)]
)
def test_weight_counts_of_deep_lstms(layers: int, hidden: int, weights: int) -> None:
    config = LanguageModelConfig(layers=layers, hidden=hidden, peepholes=True)
    with torch.device("meta"):
        assert LanguageModel(config, 30).weight_count() == weights


@pytest.mark.parametrize(
    ("kind", "hidden", "symbols", "weights"),
    [("b", 512, 30, 8_479_774), ("b", 1024, 30, 33_736_734), ("a", 512, 30, 7_492_638)],
)
def test_weight_counts_of_hierarchies(kind: str, hidden: int, symbols: int, weights: int) -> None:
    config = LanguageModelConfig.model_validate({**KINDS[kind], "hidden": hidden})
    with torch.device("meta"):
        assert HierarchicalModel(config, symbols, [0]).weight_count() == weights


def test_weight_counts_agree_with_the_rounded_ones_of_the_paper() -> None:
    for kind, symbols, millions, gap in (
        ("b", 30, 8.48, 0.005),
        ("b", 256, 9.06, 0.005),
        ("a", 30, 7.50, 0.01),
    ):
        config = LanguageModelConfig.model_validate({**KINDS[kind], "hidden": 512})
        with torch.device("meta"):
            count = HierarchicalModel(config, symbols, [0]).weight_count()
        assert count / 1e6 == pytest.approx(millions, abs=gap)


# The hierarchy


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(["a", "b"]),
    st.lists(st.lists(st.integers(0, 5), max_size=24), min_size=1, max_size=4),
    st.integers(0, 5),
)
def test_a_batch_equals_plain_loops(kind: str, rows: list[list[int]], seed: int) -> None:
    model = network(kind, seed=seed)
    assert isinstance(model, HierarchicalModel)
    lengths = torch.tensor([len(row) for row in rows])
    x = torch.zeros(max(1, int(lengths.max())), len(rows), dtype=torch.int64)
    for k, row in enumerate(rows):
        x[: len(row), k] = torch.tensor(row, dtype=torch.int64)
    with torch.no_grad():
        logits, _ = model(x, lengths)
    for k, row in enumerate(rows):
        if row:
            np.testing.assert_allclose(logits[: len(row), k], slow_logits(model, row, CLOCK), atol=2e-5)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(sorted(KINDS)), st.lists(st.integers(1, 29), max_size=4, unique=True), st.integers(0, 99)
)
def test_chunks_go_on_where_the_last_one_ended(kind: str, cuts: list[int], seed: int) -> None:
    model = network(kind)
    x = torch.randint(0, 6, (30, 3), generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        whole, _ = model(x, torch.full((3,), 30))
        torch.testing.assert_close(in_chunks(model, x, sorted(cuts)), whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["a", "b"])
def test_a_row_without_symbols_keeps_its_state(kind: str) -> None:
    model = network(kind)
    x = torch.tensor([[2, 3], [1, 1], [4, 2]])
    with torch.no_grad():
        _, state = model(x, torch.tensor([3, 3]))
        _, after = model(x, torch.tensor([3, 0]), state)
    for k, (old, new) in enumerate(zip(state, after, strict=True)):
        for a, b in zip(old, new, strict=True):
            assert torch.equal(a[1], b[1])
            if k in (1, 2):  # the words' layers remember the first pass; l0 forgot it at the space
                assert not torch.equal(a[0], b[0])


@pytest.mark.parametrize("kind", ["a", "b"])
def test_words_are_the_only_way_from_one_word_to_the_next(kind: str) -> None:
    """papers.md D 5: with the words' layers silent, a word's scores do not depend on those before it."""
    model = network(kind)
    x = torch.tensor([[2, 5], [3, 4], [4, 4], [1, 1], [2, 2], [3, 3]])
    with torch.no_grad():
        spoken, _ = model(x, torch.full((2,), 6))
        assert not torch.allclose(spoken[4:, 0], spoken[4:, 1])
        top = model.recurrent_layers()[2]
        for parameter in top.parameters():
            parameter.zero_()
        silent, _ = model(x, torch.full((2,), 6))
    assert torch.equal(silent[3:, 0], silent[3:, 1])
    assert not torch.allclose(silent[:3, 0], silent[:3, 1])


def test_a_symbol_is_never_used_to_predict_itself() -> None:
    x = torch.randint(0, 6, (20, 1), generator=torch.Generator().manual_seed(3))
    for kind in KINDS:
        model = network(kind)
        other = x.clone()
        other[11:] = (other[11:] + 1) % 6
        with torch.no_grad():
            a, _ = model(x, torch.tensor([20]))
            b, _ = model(other, torch.tensor([20]))
        torch.testing.assert_close(a[:11], b[:11])
        assert not torch.allclose(a[11:], b[11:])


def test_errors_name_the_key() -> None:
    with pytest.raises(ValidationError, match="hierarchy b needs cell: lstm and layers: 4"):
        LanguageModelConfig(hierarchy="b")
    with pytest.raises(ValidationError, match="must not see the next symbol"):
        LanguageModelConfig(cell="isru", taps_right=2)
    config = LanguageModelConfig(hierarchy="a", layers=4)
    with pytest.raises(ConfigError, match=r"model\.hierarchy: a needs a space in data\.alphabet"):
        make_language_model(config, Units.characters("ABC").with_end())


# Quantizers


@pytest.mark.parametrize("kind", KINDS)
def test_every_group_gets_a_grid_and_every_parameter_learns(kind: str) -> None:
    model = network(kind, dropout=0.2)
    model.attach(parse_scheme("w4a8,gate=a8,cell=a16"), "lsq", per_row=True)
    x = torch.randint(0, 6, (40, 4), generator=torch.Generator().manual_seed(1))
    lengths = torch.tensor([40, 31, 22, 7])
    model.calibrate(x, lengths)
    for layer in model.recurrent_layers():
        assert set(layer.weight_quantizers) == set(layer.present_roles())
        for role in ("h", "cell"):
            grid = layer.signal_quantizers[role]
            assert isinstance(grid, SignalQuantizer)
            assert 0 < float(grid.step.detach()) < 1
        assert layer.recorded is None
    assert not model.training
    logits, _ = model.train()(x, lengths)
    logits.square().sum().backward()
    for path, parameter in model.named_parameters():
        assert parameter.grad is not None, path
        assert parameter.grad.isfinite().all() and parameter.grad.abs().sum() > 0, path


def test_quantized_outputs_lie_on_their_grid() -> None:
    model = network("b")
    model.attach(parse_scheme("w4a4"), "fixed", per_row=True)
    x = torch.randint(0, 6, (40, 4), generator=torch.Generator().manual_seed(1))
    lengths = torch.full((4,), 40)
    model.calibrate(x, lengths)
    seen: list[Tensor] = []
    hooks = [
        layer.register_forward_hook(lambda module, inputs, output: seen.append(output[0]))
        for layer in model.recurrent_layers()
    ]
    with torch.no_grad():
        model(x, lengths)
    for hook in hooks:
        hook.remove()
    assert len(seen) == 4
    for layer, h in zip(model.recurrent_layers(), seen, strict=True):
        codes = h / layer.signal_quantizers["h"].step
        assert torch.allclose(codes, codes.round(), atol=1e-4)
        assert codes.round().abs().max() == 7


def packed(model: Network) -> Model:
    """The network as it would be written to a model file."""
    layers, feat = model.export()
    none = np.zeros(0, np.float32)
    return Model(UNITS, None, none, none, layers, feat, model.scheme, hierarchy=model.joined())


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize(
    "scheme", ["float", "w8a8", "w2a8,first=w8,out=w8,gate=a8,cell=a16", "w3a6,l1.in=w5"]
)
@pytest.mark.parametrize("kind", KINDS)
def test_the_packed_network_gives_what_training_saw(kind: str, scheme: str, norm: bool) -> None:
    model = network(kind, hidden=24, batch_norm=norm)
    x = torch.randint(0, 6, (60, 4), generator=torch.Generator().manual_seed(1))
    lengths = torch.tensor([60, 41, 22, 7])
    if scheme != "float":
        model.attach(parse_scheme(scheme), "fixed", per_row=True)
        model.calibrate(x, lengths)
        model.freeze_steps()
    with torch.no_grad():
        logits, _ = model(x, lengths)
    form = packed(model)
    assert form.hierarchy == (Hierarchy(kind, (0, 1)) if kind in ("a", "b") else None)
    expected = torch.log_softmax(logits, -1).numpy()
    found = Engine(form).forward([x[:length, k].numpy() for k, length in enumerate(lengths)])
    differences = np.concatenate(
        [np.abs(rows - expected[: len(rows), k]).max(1) for k, rows in enumerate(found)]
    )
    # A signal that falls on the other side of a rounding goes on until a word ends.
    assert np.mean(differences < 1e-5) > 0.9
    assert differences.max() < (1e-5 if scheme == "float" else 0.1)


def test_the_comparison_notices_another_wiring() -> None:
    model = network("b", hidden=24)
    form = packed(model)
    x = torch.tensor([[2], [3], [1], [4], [0], [2]])
    with torch.no_grad():
        logits, _ = model(x, torch.tensor([6]))
    expected = torch.log_softmax(logits, -1)[:, 0].numpy()
    found = Engine(replace(form, hierarchy=Hierarchy("b", (1,)))).forward([x[:, 0].numpy()])[0]
    np.testing.assert_allclose(found[:4], expected[:4], atol=1e-5)
    assert np.abs(found[4:] - expected[4:]).max() > 0.01
