from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_speech import Watch, make_job, make_retraining

from speechq.config import Recipe, RetrainConfig, TrainConfig
from speechq.nn.norm import MaskedBatchNorm
from speechq.quant.rounding import code
from speechq.recipes.plan import planned_models
from speechq.runtime.model_file import read_model
from speechq.train.checkpoint import load_network, read_checkpoint, save_checkpoint
from speechq.train.loop import Trainer
from speechq.train.pack import pack
from speechq.train.retrain import (
    calibration_batch,
    retrain_settings,
    set_dropout,
    start_network,
    weight_bits,
)
from speechq.train.speech import SpeechJob
from speechq.train.steps import Steps

LONG = {"epochs": 4, "batch_seconds": 4.0, "learning_rate": 0.02}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With ``float/final.ckpt``."""
    folder = tmp_path_factory.mktemp("retrain")
    make_retraining(folder, "direct")
    return folder


def retraining(folder: Path, tmp_path: Path, method: Any, **more: Any) -> SpeechJob:
    job = make_retraining(folder, method, **more)
    job.folder = tmp_path / "run"
    return job


def watch_steps(job: SpeechJob) -> list[tuple[float, list[torch.Tensor]]]:
    """Steps of all quantizers before every update, filled while the job runs."""
    seen: list[tuple[float, list[torch.Tensor]]] = []

    def look(model: Any, share: float) -> None:
        seen.append((share, [q.step.detach().clone() for q in model.quantizers()]))

    job.techniques = [*job.techniques, Watch(look)]
    return seen


def moves(seen: list[tuple[float, list[torch.Tensor]]]) -> list[tuple[float, bool]]:
    """After which share some step moved."""
    return [
        (share, any(not torch.equal(a, b) for a, b in zip(before, after, strict=True)))
        for (share, before), (_, after) in itertools.pairwise(seen)
    ]


@pytest.mark.parametrize("method", ["adaptive", "gradual", "lsq"])
def test_steps_move_until_the_last_share_and_then_stand_still(
    folder: Path, tmp_path: Path, method: str
) -> None:
    job = retraining(folder, tmp_path, method, train=LONG)
    seen = watch_steps(job)
    last = Trainer(job).run()
    moved = moves(seen)
    assert all(move for share, move in moved if share < 0.6)
    assert not any(move for share, move in moved if share >= 0.75)
    _, final = seen[-1]
    _, _, tensors = read_checkpoint(last)
    kept = [value for key, value in tensors.items() if key.startswith("model/") and key.endswith(".step")]
    assert len(kept) == len(final)
    model, _ = load_network(last)
    assert all(torch.equal(q.step, step) for q, step in zip(model.quantizers(), final, strict=True))
    assert all(bool(q.frozen) for q in model.quantizers())


def test_fixed_steps_never_move(folder: Path, tmp_path: Path) -> None:
    job = retraining(folder, tmp_path, "fixed", train=LONG)
    seen = watch_steps(job)
    Trainer(job).run()
    assert not any(move for _, move in moves(seen))


def test_learned_steps_are_parameters_of_weights_and_signals(folder: Path, tmp_path: Path) -> None:
    job = retraining(folder, tmp_path, "lsq", train=LONG)
    before = {name: p.detach().clone() for name, p in job.model.named_parameters() if name.endswith("step")}
    assert {name.split(".")[-3].partition("_")[0] for name in before if "quantizers" in name} == {
        "weight",
        "signal",
    }
    Trainer(job).run()
    after = dict(job.model.named_parameters())
    assert all(not torch.equal(after[name], value) for name, value in before.items())
    assert all((after[name] > 0).all() for name in before)


def test_direct_quantization_does_not_train(folder: Path) -> None:
    start, _ = load_network(folder / "float" / "final.ckpt")
    job = make_job(folder)
    model, info = start_network(
        folder / "float" / "final.ckpt", "w4a8", "direct", True, calibration_batch(job.train, 4)
    )
    assert (info.scheme, info.rule) == ("w4a8", "fixed")
    for name, value in start.named_parameters():
        assert torch.equal(dict(model.named_parameters())[name], value), name
    assert all(bool(q.frozen) for q in model.quantizers())


def test_the_weights_that_train_are_floats_and_the_forward_pass_sees_few_levels(
    folder: Path, tmp_path: Path
) -> None:
    job = retraining(folder, tmp_path, "adaptive", scheme="w2a8")
    model, _ = load_network(Trainer(job).run())
    for layer in [*model.recurrent_layers(), model.out]:
        for role in layer.present_roles():
            rows = layer.weight(role).detach().numpy()
            assert all(len(np.unique(np.abs(row[row != 0]))) <= 1 for row in rows)
            masters = layer.matrix(role).detach().numpy()
            assert all(len(np.unique(row)) > masters.shape[1] // 2 for row in masters)


def test_gradual_retraining_hands_on_the_master_weights(folder: Path, tmp_path: Path) -> None:
    job = retraining(folder, tmp_path, "gradual", scheme="w6a8")
    first = Trainer(job).run()
    masters = {k: v.clone() for k, v in job.model.named_parameters()}
    batch = calibration_batch(job.train, 4)
    model, info = start_network(first, "w3a8", "gradual", True, batch)
    for name, value in model.named_parameters():
        assert torch.equal(value, masters[name]), name
    assert info.scheme == "w3a8"
    # steps start anew for the new word length
    assert {q.bits for q in model.quantizers()} == {3, 8}
    assert not any(bool(q.frozen) for q in model.quantizers())


def test_networks_are_made_from_fine_to_coarse_and_gradual_ones_form_a_chain() -> None:
    recipe = Recipe.model_validate(
        {
            "name": "x",
            "data": {"corpus": "synth"},
            "retrain": {
                "schemes": ["w2a8,out=w8", "w6a8", "w3a8"],
                "methods": ["direct", "gradual"],
                "seeds": [1, 5],
            },
        }
    )
    models = planned_models(recipe)
    assert len({m.name for m in models}) == len(models) == 2 * (2 + 3 + 3)
    first = {m.name: m.start for m in models if m.seed == 1}
    assert first == {
        "float-s1": None,
        "float+-s1": "float-s1",
        "w6a8-direct-s1": "float-s1",
        "w3a8-direct-s1": "float-s1",
        "w2a8_out=w8-direct-s1": "float-s1",
        "w6a8-gradual-s1": "float-s1",
        "w3a8-gradual-s1": "w6a8-gradual-s1",
        "w2a8_out=w8-gradual-s1": "w3a8-gradual-s1",
    }
    made = [m.name for m in models]
    assert all(made.index(m.start) < made.index(m.name) for m in models if m.start)
    assert [weight_bits(s) for s in ("float", "a8", "w4a8")] == [32, 32, 4]


def test_retraining_and_float_plus_share_their_settings() -> None:
    train = TrainConfig(epochs=30, learning_rate=0.004, patience=5, max_rows=8)
    config = RetrainConfig(epochs=3, learning_rate=0.001, train={"max_rows": 4, "warmup": 0.5})
    settings = retrain_settings(train, config, seed=9)
    assert (settings.epochs, settings.learning_rate, settings.patience, settings.seed) == (3, 0.001, 0, 9)
    assert (settings.max_rows, settings.warmup) == (4, 0.5)
    assert settings.batch_seconds == train.batch_seconds


@pytest.mark.parametrize(("count", "expected"), [(3, [0, 2, 5]), (8, list(range(8))), (100, list(range(8)))])
def test_calibration_takes_utterances_from_everywhere(
    tmp_path: Path, count: int, expected: list[int]
) -> None:
    assert calibration_batch(make_job(tmp_path).train, count).items == expected


@pytest.mark.parametrize("cell", ["sru", "lstm", "qrnn"])
@pytest.mark.parametrize("method", ["direct", "adaptive", "lsq"])
def test_packed_codes_are_those_of_the_simulation(tmp_path: Path, cell: str, method: Any) -> None:
    job = make_job(tmp_path, model={"cell": cell}, train={"epochs": 1})
    start = Trainer(job).run()
    batch = calibration_batch(job.train, 4)
    job.model, job.info = start_network(start, "w3a6,out=w8", method, True, batch)
    checkpoint = tmp_path / "direct.ckpt"
    save_checkpoint(checkpoint, job.model, job.info)
    if method != "direct":
        job.techniques, job.folder, job.keep_best = [Steps(0.25)], tmp_path / "again", False
        checkpoint = Trainer(job).run()
    written = pack(checkpoint, tmp_path / "model.sqm", {"method": method})
    model, _ = load_network(checkpoint)
    packed = read_model(tmp_path / "model.sqm")
    assert packed.scheme == written.scheme == "w3a6,out=w8"
    assert packed.provenance["method"] == method
    layers = [*model.recurrent_layers(), model.out]
    for layer, found in zip(layers, packed.layers, strict=True):
        for role in layer.present_roles():
            matrix = found.matrices["in" if layer is model.out else role]
            value = layer.weight(role).detach().numpy()
            np.testing.assert_array_equal(matrix.codes * matrix.steps[:, None], value)
            step = layer.weight_quantizers[role].step.detach().numpy()[:, None]
            master = layer.matrix(role).detach().numpy()
            expected = np.sign(master) * np.minimum(
                np.floor(np.abs(master) / step + np.float32(0.5)), 127 if role == "out" else 3
            )
            np.testing.assert_array_equal(matrix.codes, expected)
            np.testing.assert_array_equal(matrix.codes, code(master, step, 127 if role == "out" else 3))


def test_retraining_may_have_a_dropout_of_its_own(folder: Path, tmp_path: Path) -> None:
    network, info = load_network(folder / "float" / "final.ckpt")
    assert set_dropout(network, info, None) is info
    changed = set_dropout(network, info, 0.5)
    assert (network.config.dropout, changed.model.dropout, info.model.dropout) == (0.5, 0.5, 0.0)
    network.train()
    assert info.features is not None
    x, lengths = torch.randn(20, 2, info.features.dim), torch.tensor([20, 20])
    assert not torch.equal(network(x, lengths)[0], network(x, lengths)[0])
    save_checkpoint(tmp_path / "a.ckpt", network, changed)
    assert load_network(tmp_path / "a.ckpt")[0].config.dropout == 0.5


@pytest.mark.parametrize("live", [False, True])
def test_live_norms_move_until_the_steps_are_frozen(tmp_path: Path, live: bool) -> None:
    start = make_job(tmp_path, model={"batch_norm": True}, train={"epochs": 1})
    checkpoint = Trainer(start).run()
    job = make_job(tmp_path / "more", train=LONG)
    sample = calibration_batch(job.train, 4)
    job.model, job.info = start_network(checkpoint, "w2a8", "adaptive", True, sample, live_norms=live)
    seen: list[tuple[float, torch.Tensor]] = []

    def look(model: Any, share: float) -> None:
        norms = [m for m in model.modules() if isinstance(m, MaskedBatchNorm)]
        seen.append((share, torch.cat([part for m in norms for part in (m.mean, m.variance)]).clone()))

    job.techniques = [Steps(0.25), Watch(look)]
    Trainer(job).run()
    moved = [share for (share, a), (_, b) in itertools.pairwise(seen) if not torch.equal(a, b)]
    expected = [share for share, _ in seen[:-1] if share < 0.75] if live else []
    assert moved == expected
