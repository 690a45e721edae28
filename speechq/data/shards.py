"""Features of a whole corpus, computed once, in parallel, and kept in memory-mapped shards.

The folder's name is a key of what they depend on: settings, and path, size and time of every recording.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speechq.config import AugmentConfig, FeatureConfig, digest
from speechq.data.audio import read_audio
from speechq.data.features import FRAME_SECONDS, fbank
from speechq.data.manifest import Utterance
from speechq.data.workers import run_all
from speechq.errors import DataError
from speechq.files import remove_stale, replacing_folder
from speechq.progress import AUDIO, progress

_VERSION = 1
_PER_SHARD = 128
FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Shard:
    """Feature frames of some utterances, one after the other, and their sums for the normalization."""

    lengths: list[int]
    total: NDArray[np.float64]
    squares: NDArray[np.float64]


def _compute(
    utterances: Sequence[Utterance],
    config: FeatureConfig,
    augment: AugmentConfig | None,
    copy: int,
    seed: int,
    path: Path,
) -> Shard:
    frames = []
    for utterance in utterances:
        samples = read_audio(utterance.audio, config.sample_rate)
        if copy and augment is not None:
            samples = _augmented(samples, config.sample_rate, augment, f"{seed}/{copy}/{utterance.id}")
        frames.append(fbank(samples, config))
    joined = np.concatenate(frames)
    encoded = io.BytesIO()  # numpy's own writing does not say that the disc is full
    np.save(encoded, joined)
    path.write_bytes(encoded.getbuffer())
    wide = joined.astype(np.float64)
    return Shard([len(f) for f in frames], wide.sum(0), (wide * wide).sum(0))


def _augmented(samples: FloatArray, rate: int, augment: AugmentConfig, key: str) -> FloatArray:
    import torch  # plain features do without

    from speechq.data.augment import augment_waveform

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the processes already share out the cores
    try:
        return augment_waveform(samples, rate, augment, key)
    finally:
        torch.set_num_threads(threads)


class FeatureStore:
    """Features of a list of utterances, in its order: ``store[i]`` is float32 ``[frames, base_dim]``."""

    def __init__(self, folder: Path) -> None:
        index = json.loads((folder / "index.json").read_text())
        self.folder = folder
        self.ids: list[str] = index["ids"]
        self.frames: list[int] = index["frames"]
        self.mean = np.array(index["mean"], np.float32)
        self.scale = np.array(index["scale"], np.float32)
        self._maps = [np.load(folder / _name(k), mmap_mode="r") for k in range(index["shards"])]
        self._place = []
        for first in range(0, len(self.frames), _PER_SHARD):
            start = 0
            for count in self.frames[first : first + _PER_SHARD]:
                self._place.append((first // _PER_SHARD, start))
                start += count

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> FloatArray:
        shard, start = self._place[index]
        return np.asarray(self._maps[shard][start : start + self.frames[index]])


def store_key(
    utterances: Sequence[Utterance],
    config: FeatureConfig,
    augment: AugmentConfig | None,
    copy: int,
    seed: int,
) -> str:
    """What the features depend on: settings, and each audio file's path, size and time of change."""
    files = []
    for utterance in utterances:
        try:
            status = utterance.audio.stat()
        except FileNotFoundError as error:
            raise DataError(f"{utterance.audio}: no such audio file (utterance {utterance.id})") from error
        files.append([utterance.id, str(utterance.audio.resolve()), status.st_size, status.st_mtime_ns])
    waveform = None
    if copy and augment is not None:
        waveform = augment.model_dump(
            mode="json", include={"speed", "noise", "noise_folder", "reverberation", "snr_db"}
        )
    return digest(_VERSION, config, waveform, copy if copy else 0, seed if copy else 0, files)


def compute_store(
    utterances: Sequence[Utterance],
    config: FeatureConfig,
    cache: Path,
    *,
    augment: AugmentConfig | None = None,
    copy: int = 0,
    seed: int = 1,
    workers: int = 0,
    title: str = "features",
) -> FeatureStore:
    """The features of ``utterances``, from ``cache`` or else computed by ``workers`` processes.

    ``copy`` 0 is the recordings as they are; copy 1, 2, ... are versions changed by ``augment`` (speed,
    noise, reverberation), drawn from ``seed``.
    """
    if not utterances:
        raise DataError(f"{title}: no utterances")
    folder = cache / store_key(utterances, config, augment, copy, seed)
    if (folder / "index.json").is_file():
        return FeatureStore(folder)
    parts = [list(utterances[i : i + _PER_SHARD]) for i in range(0, len(utterances), _PER_SHARD)]
    seconds = [sum(u.duration for u in part) for part in parts]
    done: dict[int, Shard] = {}
    remove_stale(cache, folder.name)
    with replacing_folder(folder) as temporary, progress(title, sum(seconds), AUDIO) as bar:
        jobs = [(part, config, augment, copy, seed, temporary / _name(k)) for k, part in enumerate(parts)]
        for k, shard in run_all(_compute, jobs, workers):
            done[k] = shard
            bar.advance(seconds[k])
        _write_index(temporary, utterances, [done[k] for k in range(len(parts))])
    return FeatureStore(folder)


def _name(shard: int) -> str:
    return f"{shard:05d}.npy"


def _write_index(folder: Path, utterances: Sequence[Utterance], shards: Sequence[Shard]) -> None:
    frames = [length for shard in shards for length in shard.lengths]
    count = max(1, sum(frames))
    mean = sum(shard.total for shard in shards) / count
    variance = sum(shard.squares for shard in shards) / count - mean * mean
    scale = 1.0 / np.sqrt(np.maximum(variance, 1e-4))
    index = {
        "ids": [u.id for u in utterances],
        "frames": frames,
        "frame_seconds": FRAME_SECONDS,
        "mean": np.asarray(mean).tolist(),
        "scale": np.asarray(scale).tolist(),
        "shards": len(shards),
    }
    (folder / "index.json").write_text(json.dumps(index))
