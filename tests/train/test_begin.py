"""Training that begins from another network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_speech import make_job, make_retraining

from speechq.errors import ConfigError
from speechq.text.units import BLANK, Units
from speechq.train.begin import begin_from
from speechq.train.checkpoint import save_checkpoint
from speechq.train.speech import SpeechJob


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SpeechJob]:
    """A checkpoint of a network with batch normalization, and what is in it."""
    folder = tmp_path_factory.mktemp("begin")
    job = make_job(folder, model={"batch_norm": True}, seed=5)
    job.model(torch.randn(9, 2, job.model.inputs), torch.tensor([9, 5]))  # moves the statistics
    save_checkpoint(folder / "some.ckpt", job.model, job.info)
    return folder / "some.ckpt", job


def test_all_of_it_for_the_same_units(given: tuple[Path, SpeechJob], tmp_path: Path) -> None:
    job = make_job(tmp_path, model={"batch_norm": True})
    begin_from(given[0], job.model, job.info)
    for name, value in job.model.state_dict().items():
        assert torch.equal(value, given[1].model.state_dict()[name]), name
    assert len(job.info.provenance["begun_from"]) == 64


def test_other_units_get_an_output_of_their_own(
    given: tuple[Path, SpeechJob], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    job = make_job(tmp_path, model={"batch_norm": True})
    symbols = job.info.units.symbols
    info = replace(job.info, units=Units("characters", (BLANK, *reversed(symbols[1:]))))
    before = {name: value.clone() for name, value in job.model.state_dict().items()}
    begin_from(given[0], job.model, info)
    for name, value in job.model.state_dict().items():
        source = before if name.startswith("out.") else given[1].model.state_dict()
        assert torch.equal(value, source[name]), name
    assert "with a new output" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"batch_norm": True, "hidden": 24}, r"layers\.0\..* is \[.*32.*\] there, \[.*24.*\] here"),
        ({"batch_norm": True, "layers": 3}, r"layers\.2\..* is absent there"),
        ({}, r"layers\.0\..*norm.*, absent here"),
    ],
)
def test_what_does_not_fit_is_named(
    given: tuple[Path, SpeechJob], tmp_path: Path, model: dict[str, Any], message: str
) -> None:
    job = make_job(tmp_path, model=model)
    with pytest.raises(ConfigError, match=message):
        begin_from(given[0], job.model, job.info)


def test_other_features_do_not_fit(given: tuple[Path, SpeechJob], tmp_path: Path) -> None:
    job = make_job(tmp_path, model={"batch_norm": True})
    assert job.info.features is not None
    other = replace(job.info, features=job.info.features.model_copy(update={"dither": 0.5}))
    with pytest.raises(ConfigError, match="was trained on other features"):
        begin_from(given[0], job.model, other)


def test_a_quantized_network_is_no_beginning(tmp_path: Path) -> None:
    quantized = make_retraining(tmp_path, "fixed")
    save_checkpoint(tmp_path / "w3.ckpt", quantized.model, quantized.info)
    job = make_job(tmp_path)
    with pytest.raises(ConfigError, match="a network of w3a8; expected a float network"):
        begin_from(tmp_path / "w3.ckpt", job.model, job.info)
