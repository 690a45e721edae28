"""Recognizing with the engine: the bits of the reference, one stream at a time or one endless stream."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from packed_models import CELLS, random_model
from tiny_speech import ALPHABET, FEATURES, RATE, write_split

from speechq.bench.results import Arithmetic, read_sample
from speechq.config import DataConfig
from speechq.data.batches import Dataset
from speechq.data.shards import compute_store
from speechq.errors import DataError, ModelError
from speechq.quant.reference import Reference
from speechq.recipes.evaluate import (
    decode,
    network_input,
    recognize,
    run_network,
    runs_integer,
    write_sample_of,
)
from speechq.runtime.greedy import GreedyDecoder
from speechq.runtime.model_file import write_model
from speechq.runtime.model_folder import find_model
from speechq.text.units import Units
from speechq.train.data import make_dataset

UNITS = Units.characters(ALPHABET)
INTEGER = {"bits": 4, "signal_bits": 8, "gate_bits": 8, "cell_bits": 16}
SCHEMES = [INTEGER, {"bits": 3, "signal_bits": 8}, {"bits": None, "signal_bits": None}]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("evaluate")
    spoken = write_split(folder, "test", 3)
    store = compute_store(spoken, FEATURES, folder / "features", workers=1)
    config = DataConfig(corpus="manifest", alphabet=ALPHABET, features=FEATURES)
    return make_dataset(spoken, [store], UNITS, config, store)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
@pytest.mark.parametrize("kind", CELLS)
def test_bits_of_the_reference(
    tmp_path: Path, dataset: Dataset, kind: str, scheme: dict[str, int | None], stream: bool
) -> None:
    model = random_model(kind, features=FEATURES, units=UNITS, **scheme)
    path = tmp_path / "m.sqm"
    write_model(path, model)
    arithmetics: list[Arithmetic] = ["hybrid", "integer"] if scheme is INTEGER else ["hybrid"]
    inputs = [network_input(dataset, item) for item in range(len(dataset))]
    inputs = [np.concatenate(inputs)] if stream else inputs
    for arithmetic in arithmetics:
        outputs = run_network(path, dataset, stream=stream, arithmetic=arithmetic)
        assert outputs.seconds > 0
        texts = decode(outputs, find_model(path)).texts
        reference = Reference(model, mode=arithmetic)
        for frames, found, text in zip(inputs, outputs.log_probs, texts, strict=True):
            (expected,), _ = reference.run([frames])
            np.testing.assert_array_equal(found, expected)
            assert text == GreedyDecoder(UNITS).decode(expected)
        if not stream and arithmetic == "hybrid":
            assert recognize(path, dataset) == texts


def test_a_sample_without_a_frame_is_passed_over(tmp_path: Path) -> None:
    spoken = write_split(tmp_path, "test", 3)
    for utterance in spoken[1:]:
        soundfile.write(utterance.audio, np.zeros(100, np.float32), RATE)
    store = compute_store(spoken, FEATURES, tmp_path / "features", workers=1)
    config = DataConfig(corpus="manifest", alphabet=ALPHABET, features=FEATURES)
    dataset = make_dataset(spoken, [store], UNITS, config, store)
    path = tmp_path / "m.sqm"
    write_model(path, random_model("sru", features=FEATURES, units=UNITS, **INTEGER))
    write_sample_of(tmp_path, path, spoken, dataset)
    sample = read_sample(tmp_path)
    assert sample is not None
    assert sample.reference == spoken[0].text
    soundfile.write(spoken[0].audio, np.zeros(100, np.float32), RATE)
    store = compute_store(spoken, FEATURES, tmp_path / "features", workers=1)
    with pytest.raises(DataError, match="test: every recording is shorter than a frame"):
        write_sample_of(tmp_path, path, spoken, make_dataset(spoken, [store], UNITS, config, store))


def test_what_integer_mode_can_run(tmp_path: Path) -> None:
    path = tmp_path / "m.sqm"
    for scheme in SCHEMES:
        write_model(path, random_model("sru", **scheme))
        assert runs_integer(path) is (scheme is INTEGER)


def test_a_model_that_integer_mode_cannot_run(tmp_path: Path, dataset: Dataset) -> None:
    path = tmp_path / "m.sqm"
    write_model(path, random_model("sru", features=FEATURES, units=UNITS))
    with pytest.raises(ModelError, match="gate is float"):
        run_network(path, dataset, arithmetic="integer")
