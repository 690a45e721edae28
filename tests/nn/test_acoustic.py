"""The whole network: weight counts, states, quantizer groups, calibration, export."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from networks import CELLS, FEATURES, UNITS, batch, network, off_start, packed, quantized, rows_of
from torch import Tensor

from speechq.config import ModelConfig
from speechq.errors import ConfigError
from speechq.nn.acoustic import AcousticModel
from speechq.nn.layer import State
from speechq.quant.quantizers import Quantizer, StepRule
from speechq.quant.rounding import optimal_step, optimal_steps, qmax_of
from speechq.quant.scheme import parse_scheme
from speechq.runtime.checks import check_model


@pytest.mark.parametrize(
    ("layers", "hidden", "weights"), [(2, 512, 3_229_726), (4, 512, 7_431_198), (4, 1024, 29_542_430)]
)
def test_weight_counts_are_those_of_the_papers(layers: int, hidden: int, weights: int) -> None:
    """papers.md 0.3: peephole LSTMs with 30 inputs and outputs."""
    with torch.device("meta"):
        model = AcousticModel(ModelConfig(cell="lstm", peepholes=True, layers=layers, hidden=hidden), 30, 30)
    assert model.weight_count() == weights


def test_steps_of_quantizers_are_not_counted() -> None:
    model = network("sru")
    before = model.weight_count()
    assert quantized(model, "w4a8,gate=a8,cell=a16", "lsq").weight_count() == before


def pieces(model: AcousticModel, x: Tensor, cuts: list[int]) -> Tensor:
    state: list[State] | None = None
    out = []
    for begin, end in zip([0, *cuts], [*cuts, len(x)], strict=True):
        counts = torch.full((x.shape[1],), end - begin)
        logits, state = model(x[begin:end], counts, state, end == len(x))
        out.append(logits)
    return torch.cat(out)


@pytest.mark.parametrize("scheme", ["float", "w4a8,gate=a8,cell=a16"])
@pytest.mark.parametrize("name", CELLS)
def test_batched_alone_and_in_chunks_agree(name: str, scheme: str) -> None:
    model = network(name, layers=3)
    if scheme != "float":
        quantized(model, scheme)
    x, lengths = batch(19, 12, 4)
    with torch.no_grad():
        whole, _ = model(x, lengths)
        for row, length in enumerate(lengths.tolist()):
            alone = x[:length, row : row + 1]
            for cuts in ([], [1], [2, 3]):
                part = pieces(model, alone, cuts)
                # A float sum in another order may flip a rounding; it does so in few places.
                close = torch.isclose(part, whole[:length, row : row + 1], rtol=1e-4, atol=1e-4)
                assert close.float().mean() >= (1.0 if scheme == "float" else 0.98)


def test_a_ragged_end_of_a_stream_with_look_ahead() -> None:
    model = network("isru_ahead", layers=3)
    x, lengths = batch(20, 15)
    with torch.no_grad():
        whole, _ = model(x, lengths)
        first, state = model(x[:12], torch.tensor([12, 12]), None, False)
        rest, _ = model(x[12:], lengths - 12, state, True)
    joined = torch.cat([first, rest])
    for row, length in enumerate(lengths.tolist()):
        torch.testing.assert_close(joined[:length, row], whole[:length, row], rtol=1e-5, atol=1e-5)


def test_dropout_draws_one_mask_per_row_and_only_in_training() -> None:
    model = network("sru", dropout=0.5, layers=1, hidden=64)
    x, lengths = batch(5, 5)
    torch.nn.init.ones_(model.out.weight_out)
    seen: list[Tensor] = []
    model.out.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach()))
    model(x, lengths)
    model.train()(x, lengths)
    zero = seen[1] == 0
    assert not (seen[0] == 0).any()
    assert torch.equal(zero[0], zero[4]) and not torch.equal(zero[0, 0], zero[0, 1])
    torch.testing.assert_close(seen[1], torch.where(zero, 0.0, 2 * seen[0]))


def attached(model: AcousticModel) -> dict[str, int]:
    """Bits of every quantizer by the name of its group."""
    found: dict[str, int] = {}
    named = [*((f"l{k}", layer) for k, layer in enumerate(model.recurrent_layers())), ("", model.out)]
    for name, layer in named:
        for role, quantizer in layer.weight_quantizers.items():
            found[f"{name}.{role}".lstrip(".")] = quantizer.bits
        for role, quantizer in layer.signal_quantizers.items():  # i-SRU has a matrix and a signal called conv
            found[f"{name}.{role.replace('conv', 'conv_out')}"] = quantizer.bits
    if "grid" in model.feat:
        found["feat"] = model.feat["grid"].bits
    return found


ROLES = {
    "sru": ({"l0.in", "l0.skip", "l1.in", "out"}, {"h", "gate", "cell"}),
    "lstm": ({"l0.in", "l0.rec", "l1.in", "l1.rec", "out"}, {"h", "gate", "cell"}),
    "residual_lstm": (
        {"l0.in", "l0.rec", "l0.proj", "l0.skip", "l1.in", "l1.rec", "l1.proj", "out"},
        {"h", "gate", "cell"},
    ),
    "qrnn_fo": ({"l0.in", "l1.in", "out"}, {"h", "gate", "cell"}),
    "isru": ({"l0.conv", "l0.in", "l1.conv", "l1.in", "out"}, {"conv_out", "h", "gate", "cell"}),
}


@pytest.mark.parametrize("name", ROLES)
def test_every_group_hits_its_tensor_only(name: str) -> None:
    weights, roles = ROLES[name]
    signals = {f"l{k}.{role}" for k in range(2) for role in roles}
    model = network(name)

    def bits(scheme: str) -> dict[str, int]:
        model.attach(parse_scheme(scheme), "fixed", per_row=True)
        return attached(model)

    def with_convolution(hit: set[str]) -> set[str]:  # its output follows the outputs of layers
        return hit | {group.replace(".h", ".conv_out") for group in hit if group.endswith(".h")} & signals

    assert bits("float") == {}
    everything = dict.fromkeys(weights, 3) | dict.fromkeys(with_convolution({"l0.h", "l1.h"}), 7)
    assert bits("w3a7") == everything | {"feat": 7}
    assert bits("w3") == dict.fromkeys(weights, 3)
    for group in weights:
        assert bits(f"float,{group}=w5") == {group: 5}
        assert bits(f"w3a7,{group}=w32") == {k: v for k, v in bits("w3a7").items() if k != group}
    for group in signals - {"l0.conv_out", "l1.conv_out"}:
        assert bits(f"float,{group}=a9").keys() == with_convolution({group})
    for wildcard in ("in", "rec", "conv", "skip", "proj"):
        assert bits(f"float,{wildcard}=w6") == {g: 6 for g in weights if g.endswith("." + wildcard)}
    for wildcard in ("h", "gate", "cell"):
        hit = with_convolution({g for g in signals if g.endswith("." + wildcard)})
        assert bits(f"float,{wildcard}=a10") == dict.fromkeys(hit, 10)
    assert bits("float,first=w8") == {"l0.in": 8}
    assert bits("float,feat=a12") == {"feat": 12}
    mixed = bits("w2a8,first=w8,out=w8,gate=a8,cell=a16,l1.in=w4")
    assert (mixed["l0.in"], mixed["l1.in"], mixed["out"], mixed["l1.cell"]) == (8, 4, 8, 16)
    assert {mixed[g] for g in weights - {"l0.in", "l1.in", "out"}} <= {2}


@pytest.mark.parametrize("scheme", ["w4a8,l2.in=w8", "w4a8,l1.skip=w8", "w4a8,l0.rec=w8", "w4a8,l5.h=a8"])
def test_a_group_that_the_network_lacks_is_named(scheme: str) -> None:
    group = scheme.split(",")[1].split("=")[0]
    with pytest.raises(ConfigError, match=rf"{group}: no such group here; expected one of .*l0\."):
        network("sru").attach(parse_scheme(scheme), "fixed", per_row=True)


def test_attaching_again_starts_from_the_master_weights() -> None:
    model = quantized(network("lstm"), "w2a8,gate=a8,cell=a16")
    quantized(model, "w8")
    assert set(attached(model)) == ROLES["lstm"][0]
    steps = model.recurrent_layers()[1].weight_quantizers["rec"].step
    expected = optimal_steps(model.recurrent_layers()[1].matrix("rec").detach().numpy(), 8, per_row=True)
    np.testing.assert_array_equal(steps.numpy(), expected)


@pytest.mark.parametrize("name", CELLS)
def test_calibrated_steps_are_the_best_for_the_valid_frames(name: str) -> None:
    model = network(name, layers=1, batch_norm=True)
    x, lengths = batch(30, 21, 5)
    layer = model.recurrent_layers()[0]
    # The states of a float layer, one row and one frame at a time.
    outputs, cells = [], []
    right = int(layer.options().get("taps_right", 0))
    with torch.no_grad():
        for row in rows_of(x, lengths):
            frames = torch.from_numpy(row)[:, None]
            outputs.append(layer(frames, layer.initial_state(1), torch.tensor([len(row)]))[0])
            for t in range(1, len(row) + 1):
                piece = frames[: t + right]
                piece = torch.cat([piece, piece.new_zeros(t + right - len(piece), 1, piece.shape[2])])
                cells.append(layer(piece, layer.initial_state(1), torch.tensor([t + right]), False)[1][-1])
    model.attach(parse_scheme("float,h=a7,cell=a12,gate=a9"), "fixed", per_row=True)
    model.calibrate(torch.where(x == 0, 50.0, x) if right == 0 and "isru" not in name else x, lengths)
    grids = layer.signal_quantizers
    for role, samples, bits in (("h", outputs, 7), ("cell", cells, 12)):
        expected = float(optimal_step(torch.cat(samples).numpy(), bits))
        assert float(grids[role].step) == pytest.approx(expected, rel=1e-4)
    assert float(grids["gate"].step) == np.float32(1 / qmax_of(9))
    assert layer.recorded is None


def test_freezing_and_adapting_reach_every_matrix() -> None:
    model = network("residual_lstm")
    model.attach(parse_scheme("w3a8"), "adaptive", per_row=True)
    model.calibrate(*batch(20, 11))
    weights = [q for q in model.quantizers() if type(q).__name__ == "WeightQuantizer"]
    with torch.no_grad():
        for layer in [*model.recurrent_layers(), model.out]:
            for role in layer.present_roles():
                layer.matrix(role).mul_(1.2)

    def steps(quantizers: list[Quantizer]) -> list[Tensor]:
        return [q.step.clone() for q in quantizers]

    before = steps(weights)
    model.adapt_steps()
    assert len(weights) == 8
    assert all((a != b).all() for a, b in zip(steps(weights), before, strict=True))
    model.freeze_steps()
    frozen = steps(weights)
    model.adapt_steps()
    assert all(torch.equal(a, b) for a, b in zip(steps(weights), frozen, strict=True))
    assert all(bool(q.frozen) for q in model.quantizers())


@pytest.mark.parametrize("rule", ["fixed", "adaptive", "lsq"])
@pytest.mark.parametrize("name", CELLS)
def test_state_dict_brings_back_the_same_network(name: str, rule: StepRule) -> None:
    scheme = "w3a8,gate=a8,cell=a16"
    model = quantized(network(name, batch_norm=True), scheme, rule)
    other = off_start(AcousticModel(model.config, FEATURES.dim, len(UNITS)))
    other.attach(parse_scheme(scheme), rule, per_row=True)
    other.load_state_dict(model.state_dict())
    x, lengths = batch(9, 4)
    assert torch.equal(other.eval()(x, lengths)[0], model(x, lengths)[0])


@pytest.mark.parametrize("rule", ["adaptive", "lsq"])
@pytest.mark.parametrize("name", CELLS)
def test_every_parameter_learns(name: str, rule: StepRule) -> None:
    model = network(name, batch_norm=True)
    model.attach(parse_scheme("w4a8,gate=a8,cell=a16"), rule, per_row=True)
    x, lengths = batch(20, 11)
    model.calibrate(x, lengths)
    logits, _ = model.train()(x, lengths)
    logits.square().sum().backward()
    for path, parameter in model.named_parameters():
        assert parameter.grad is not None, path
        assert parameter.grad.isfinite().all() and parameter.grad.abs().sum() > 0, path


@pytest.mark.parametrize("scheme", ["float", "w3a8", "w4a8,gate=a8,cell=a16"])
@pytest.mark.parametrize("name", CELLS)
def test_what_is_exported_is_a_valid_model(name: str, scheme: str) -> None:
    model = network(name, batch_norm=True)
    if scheme != "float":
        quantized(model, scheme)
    form = packed(model)
    check_model(form)
    assert (form.feat is None) == (scheme == "float")
    for layer in form.layers:
        for matrix in layer.matrices.values():
            assert matrix.bits == 32 or np.abs(matrix.codes).max() == qmax_of(matrix.bits)


def test_macro_block_dropout_drops_neighbours_together() -> None:
    config = ModelConfig(cell="sru", layers=1, hidden=10, dropout=0.4, dropout_blocks=4)
    model = AcousticModel(config, 6, 3).train()
    torch.manual_seed(2)
    x = torch.ones(5, 2000, 10)
    ratio = model.dropped(x)
    assert torch.equal(ratio[0], ratio[4])  # one mask for all frames of a row
    first = ratio[0]
    torch.testing.assert_close(first[first > 0], torch.full_like(first[first > 0], 1 / 0.6))
    blocks = [[0, 1, 2], [3, 4], [5, 6, 7], [8, 9]]
    for block in blocks:
        assert all(torch.equal(first[:, unit] > 0, first[:, block[0]] > 0) for unit in block)
    heads = torch.stack([first[:, block[0]] > 0 for block in blocks]).float()
    assert heads.mean() == pytest.approx(0.6, abs=0.02)
    assert torch.corrcoef(heads).fill_diagonal_(0).abs().max() < 0.1  # blocks fall independently
    assert torch.equal(model.eval().dropped(x), x)
