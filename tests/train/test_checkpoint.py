from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from tiny_speech import make_job, make_retraining

from speechq.errors import ModelError
from speechq.train.checkpoint import load_network, read_checkpoint, save_checkpoint


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkpoint")


@pytest.fixture(scope="module")
def checkpoint(folder: Path) -> Path:
    job = make_retraining(folder, "lsq", scheme="w3a6,gate=a8,cell=a16")
    job.model.freeze_steps()
    job.info.provenance = {"corpus": "tones", "seed": 7}
    path = folder / "some.ckpt"
    save_checkpoint(
        path, job.model, job.info, {"epoch": 3, "best": float("inf")}, {"extra/x": torch.arange(3)}
    )
    return path


def test_a_network_comes_back_as_it_was(folder: Path, checkpoint: Path) -> None:
    job = make_retraining(folder, "lsq", scheme="w3a6,gate=a8,cell=a16")
    job.model.freeze_steps()
    model, info = load_network(checkpoint)
    for key, value in job.model.state_dict().items():
        assert torch.equal(model.state_dict()[key], value), key
    assert (info.scheme, info.rule, info.per_row) == ("w3a6,gate=a8,cell=a16", "lsq", True)
    assert (info.model, info.features, info.units) == (job.info.model, job.info.features, job.info.units)
    assert info.provenance == {"corpus": "tones", "seed": 7}
    assert torch.equal(info.mean, job.info.mean)
    assert torch.equal(info.scale, job.info.scale)
    assert all(bool(q.frozen) and not q.step.requires_grad for q in model.quantizers())
    x, lengths = torch.randn(9, 2, model.inputs), torch.tensor([9, 5])
    assert torch.equal(model(x, lengths)[0], job.model.eval()(x, lengths)[0])


def test_progress_and_further_tensors_come_back(checkpoint: Path) -> None:
    _, progress, tensors = read_checkpoint(checkpoint)
    assert progress == {"epoch": 3, "best": float("inf")}
    assert torch.equal(tensors["extra/x"], torch.arange(3))


def test_writing_takes_no_pickle(checkpoint: Path) -> None:
    with safe_open(checkpoint, framework="pt") as file:
        assert json.loads(file.metadata()["info"])["scheme"].startswith("w3a6")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere\.ckpt: no such checkpoint"):
        load_network(tmp_path / "nowhere.ckpt")


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0.0, 0.999))
def test_a_truncated_file_is_refused(checkpoint: Path, tmp_path: Path, share: float) -> None:
    whole = checkpoint.read_bytes()
    cut = tmp_path / "cut.ckpt"
    cut.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ModelError, match=r"cut\.ckpt"):
        load_network(cut)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 6000), value=st.integers(0, 255))
def test_a_damaged_header_is_refused_or_harmless(
    checkpoint: Path, tmp_path: Path, place: int, value: int
) -> None:
    data = bytearray(checkpoint.read_bytes())
    data[place] = value
    damaged = tmp_path / "damaged.ckpt"
    damaged.write_bytes(data)
    try:
        load_network(damaged)
    except ModelError as error:
        assert "damaged.ckpt" in str(error)


def rewrite(checkpoint: Path, path: Path, **changes: object) -> Path:
    """The checkpoint with other keys in its header's ``info``; None takes a key out."""
    with safe_open(checkpoint, framework="pt") as file:
        header = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    info = json.loads(header["info"]) | changes
    header["info"] = json.dumps({key: value for key, value in info.items() if value is not None})
    save_file(tensors, path, metadata=header)
    return path


@pytest.mark.parametrize(
    "changes",
    [
        {"model": None},
        {"model": {"cell": "gru"}},
        {"model": 3},
        {"features": {"stride": 1}},
        {"units": {"kind": "runes", "symbols": ["<blank>", "A"]}},
        {"units": None},
        {"scheme": "w99"},
        {"scheme": "w4a8"},
        {"model": {"cell": "sru", "layers": 2, "hidden": 16}},
    ],
)
def test_a_header_that_does_not_fit_is_refused(
    checkpoint: Path, tmp_path: Path, changes: dict[str, object]
) -> None:
    path = rewrite(checkpoint, tmp_path / "odd.ckpt", **changes)
    with pytest.raises(ModelError, match=r"odd\.ckpt"):
        load_network(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    text, tensors = tmp_path / "text.ckpt", tmp_path / "tensors.ckpt"
    text.write_text("epoch 3")
    save_file({"a": torch.zeros(2)}, tensors)
    with pytest.raises(ModelError, match=r"text\.ckpt: not a checkpoint, or damaged"):
        load_network(text)
    with pytest.raises(ModelError, match=r"tensors\.ckpt: not a checkpoint of this speechq"):
        load_network(tensors)


def test_a_float_network_has_no_quantizers(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    save_checkpoint(tmp_path / "float.ckpt", job.model, job.info)
    model, info = load_network(tmp_path / "float.ckpt")
    assert model.quantizers() == []
    assert info.scheme == "float"
