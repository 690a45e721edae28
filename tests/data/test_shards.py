from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from tiny_speech import write_split

from speechq.config import AugmentConfig, FeatureConfig
from speechq.data import shards
from speechq.data.audio import read_audio
from speechq.data.features import fbank
from speechq.data.manifest import Utterance
from speechq.data.shards import compute_store, store_key
from speechq.errors import DataError

CONFIG = FeatureConfig(mels=12)
AUGMENT = AugmentConfig(copies=1, noise=0.5, reverberation=0.5)


@pytest.fixture
def utterances(tmp_path: Path) -> list[Utterance]:
    return write_split(tmp_path / "corpus", "train", 7)


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "_PER_SHARD", 3)


@pytest.mark.usefixtures("small_shards")
def test_a_store_holds_the_features_in_order(tmp_path: Path, utterances: list[Utterance]) -> None:
    store = compute_store(utterances, CONFIG, tmp_path / "cache", workers=1)
    expected = [fbank(read_audio(u.audio), CONFIG) for u in utterances]
    assert store.ids == [u.id for u in utterances]
    assert store.frames == [len(frames) for frames in expected]
    assert all(np.array_equal(store[k], frames) for k, frames in enumerate(expected))
    joined = np.concatenate(expected).astype(np.float64)
    np.testing.assert_allclose(store.mean, joined.mean(0), rtol=1e-6)
    np.testing.assert_allclose(store.scale, 1 / joined.std(0), rtol=1e-5)
    assert len(list(store.folder.glob("*.npy"))) == 3


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize("copy", [0, 1])
def test_parallel_is_serial(tmp_path: Path, utterances: list[Utterance], copy: int) -> None:
    # the workers cut the list alike: they are told their utterances
    made = [
        compute_store(utterances, CONFIG, tmp_path / name, augment=AUGMENT, copy=copy, workers=workers)
        for name, workers in (("one", 1), ("two", 2))
    ]
    one, two = [{path.name: path.read_bytes() for path in store.folder.iterdir()} for store in made]
    assert one == two


def test_a_store_that_is_there_is_not_computed(
    tmp_path: Path, utterances: list[Utterance], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = compute_store(utterances, CONFIG, tmp_path / "cache", workers=1)

    def refuse(*arguments: Any) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(shards, "_compute", refuse)
    again = compute_store(utterances, CONFIG, tmp_path / "cache", workers=1)
    assert again.folder == first.folder


def change_setting(utterances: list[Utterance]) -> dict[str, Any]:
    return {"config": FeatureConfig(mels=13)}


def touch_audio(utterances: list[Utterance]) -> dict[str, Any]:
    status = utterances[2].audio.stat()
    os.utime(utterances[2].audio, ns=(status.st_atime_ns, status.st_mtime_ns + 1000))
    return {}


def change_size(utterances: list[Utterance]) -> dict[str, Any]:
    samples, rate = soundfile.read(utterances[2].audio)
    status = utterances[2].audio.stat()
    soundfile.write(utterances[2].audio, samples[:-100], rate)
    os.utime(utterances[2].audio, ns=(status.st_atime_ns, status.st_mtime_ns))
    return {}


def another_order(utterances: list[Utterance]) -> dict[str, Any]:
    return {"utterances": utterances[::-1]}


def another_copy(utterances: list[Utterance]) -> dict[str, Any]:
    return {"copy": 1}


@pytest.mark.parametrize("change", [change_setting, touch_audio, change_size, another_order, another_copy])
def test_what_the_features_depend_on_changes_the_key(
    utterances: list[Utterance], change: Callable[[list[Utterance]], dict[str, Any]]
) -> None:
    same = {"utterances": utterances, "config": CONFIG, "augment": AUGMENT, "copy": 0, "seed": 1}
    before = store_key(**same)  # type: ignore[arg-type]
    assert store_key(**same) == before  # type: ignore[arg-type]
    assert store_key(**(same | change(utterances))) != before  # type: ignore[arg-type]


def test_plain_features_do_not_depend_on_augmentation_or_seed(utterances: list[Utterance]) -> None:
    one = store_key(utterances, CONFIG, AUGMENT, 0, 1)
    assert store_key(utterances, CONFIG, None, 0, 2) == one
    first = store_key(utterances, CONFIG, AUGMENT, 1, 1)
    assert store_key(utterances, CONFIG, AUGMENT, 1, 2) != first
    assert store_key(utterances, CONFIG, AUGMENT.model_copy(update={"noise": 0.1}), 1, 1) != first
    # masks are drawn in training, not here
    assert store_key(utterances, CONFIG, AUGMENT.model_copy(update={"time_masks": 9}), 1, 1) == first


@pytest.mark.usefixtures("small_shards")
def test_a_computation_that_fails_leaves_nothing(tmp_path: Path, utterances: list[Utterance]) -> None:
    utterances[5].audio.write_bytes(b"RIFF and nothing more")
    for workers in (1, 2):
        with pytest.raises(DataError, match=r"train-5\.wav"):
            compute_store(utterances, CONFIG, tmp_path / "cache", workers=workers)
        assert list((tmp_path / "cache").iterdir()) == []


def _compute_and_die(utterances: list[Utterance], cache: Path) -> None:
    shards._write_index = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
    compute_store(utterances, CONFIG, cache, workers=1)


def test_a_killed_computation_leaves_nothing_under_the_final_name(
    tmp_path: Path, utterances: list[Utterance]
) -> None:
    cache = tmp_path / "cache"
    child = os.fork()
    if child == 0:
        _compute_and_die(utterances, cache)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert [path.name[0] for path in cache.iterdir()] == ["."]
    store = compute_store(utterances, CONFIG, cache, workers=1)
    assert len(store) == 7
    assert list(cache.iterdir()) == [store.folder]  # nor does the rest of it stay on the disc


def test_a_missing_recording_is_named(tmp_path: Path, utterances: list[Utterance]) -> None:
    utterances[3].audio.unlink()
    with pytest.raises(DataError, match=r"train-3\.wav: no such audio file \(utterance train-3\)"):
        compute_store(utterances, CONFIG, tmp_path / "cache", workers=1)


def test_no_utterances_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="dev features: no utterances"):
        compute_store([], CONFIG, tmp_path / "cache", title="dev features")


def test_another_place_of_the_cache_makes_no_difference(tmp_path: Path, utterances: list[Utterance]) -> None:
    store = compute_store(utterances, CONFIG, tmp_path / "a", workers=1)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    again = compute_store(utterances, CONFIG, tmp_path / "b", workers=1)
    assert np.array_equal(store[3], again[3])
