"""Corpora of a few seconds: every letter is a tone. Enough for a small network to learn within seconds."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

import speechq
from speechq.config import AugmentConfig, DataConfig, FeatureConfig, ModelConfig, RetrainConfig, TrainConfig
from speechq.data.manifest import Utterance, write_manifest
from speechq.data.shards import compute_store
from speechq.lm.arpa import write_arpa
from speechq.lm.corpus import read_corpus
from speechq.lm.kneser_ney import estimate
from speechq.nn.acoustic import AcousticModel
from speechq.nn.stack import Network
from speechq.text.units import Units
from speechq.train.checkpoint import NetworkInfo
from speechq.train.data import make_dataset
from speechq.train.loop import Trainer
from speechq.train.pack import pack
from speechq.train.retrain import calibration_batch, make_techniques, start_network
from speechq.train.speech import SpeechJob
from speechq.train.technique import Technique

RATE = 16000
ALPHABET = " ABCDEF"
FEATURES = FeatureConfig(mels=20)
NO_AUGMENT = AugmentConfig(time_masks=0, frequency_masks=0, shift=False)
SOME_AUGMENT = AugmentConfig(time_masks=1, time_mask=6, frequency_masks=1, frequency_mask=4)


def tones(
    text: str,
    rng: np.random.Generator,
    before: float = 0.05,
    behind: float = 0.05,
    noise: float = 1e-3,
) -> NDArray[np.float32]:
    """0.15 s of a tone per letter, silence for a space and around, over a little noise."""
    pieces = []
    for letter in text:
        time = np.arange(int(RATE * rng.uniform(0.14, 0.17))) / RATE
        pitch = 300.0 * 1.5 ** ALPHABET.index(letter)
        window = np.hanning(len(time)) * (letter != " ")
        pieces.append(0.4 * window * np.sin(2 * np.pi * pitch * time))
    joined = np.concatenate([np.zeros(int(before * RATE)), *pieces, np.zeros(int(behind * RATE))])
    return (joined + noise * rng.standard_normal(len(joined))).astype(np.float32)


def random_text(rng: np.random.Generator) -> str:
    """One to three words of one to four letters."""
    words = ["".join(rng.choice(list(ALPHABET[1:]), rng.integers(1, 5))) for _ in range(rng.integers(1, 4))]
    return " ".join(words)


def write_split(
    folder: Path, split: str, count: int, seed: int = 1, *, longest_pause: float | None = None
) -> list[Utterance]:
    """``folder/<split>.jsonl`` and its recordings.

    With ``longest_pause`` each has three texts with up to so many seconds of silence around them, and the
    noise differs.
    """
    rng = np.random.default_rng([seed, sum(map(ord, split))])
    found = []
    for k in range(count):
        if longest_pause is None:
            text = random_text(rng)
            samples = tones(text, rng)
        else:
            texts = [random_text(rng) for _ in range(3)]
            pauses = rng.uniform(0.05, longest_pause, (3, 2))
            noise = 10 ** rng.uniform(-3.2, -2.6)
            samples = np.concatenate([tones(t, rng, *p, noise) for t, p in zip(texts, pauses, strict=True)])
            text = " ".join(texts)
        audio = folder / "audio" / f"{split}-{k}.wav"
        audio.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(audio, samples, RATE)
        found.append(Utterance(f"{split}-{k}", audio, len(samples) / RATE, text, f"speaker{k % 2}", "tones"))
    write_manifest(folder / f"{split}.jsonl", found)
    return found


def write_corpus(folder: Path, train: int = 12, dev: int = 4, test: int = 4) -> Path:
    """A folder that the corpus ``manifest`` reads."""
    for split, count in (("train", train), ("dev", dev), ("test", test)):
        write_split(folder, split, count)
    return folder


def make_job(
    folder: Path,
    *,
    utterances: int = 8,
    model: dict[str, Any] | None = None,
    train: dict[str, Any] | None = None,
    augment: AugmentConfig = NO_AUGMENT,
    seed: int = 1,
    longest_pause: float | None = None,
    **more: Any,
) -> SpeechJob:
    """A training run on tones in ``folder/run``; it is scored on what it is trained on."""
    torch.set_num_threads(1)
    spoken = write_split(folder, "train", utterances, longest_pause=longest_pause)
    data = DataConfig(corpus="manifest", alphabet=ALPHABET, features=FEATURES)
    units = Units.characters(ALPHABET)
    stores = [
        compute_store(spoken, FEATURES, folder / "features", augment=augment, copy=copy, workers=1)
        for copy in range(augment.copies + 1)
    ]
    dataset = make_dataset(spoken, stores, units, data, stores[0])
    config = ModelConfig(**{"cell": "sru", "layers": 2, "hidden": 32, **(model or {})})
    settings = TrainConfig(
        **{
            "epochs": 3,
            "batch_seconds": 8.0,
            "max_rows": 4,
            "learning_rate": 0.01,
            "seed": seed,
            **(train or {}),
        }
    )
    torch.manual_seed(seed)
    network = AcousticModel(config, FEATURES.dim, len(units))
    info = NetworkInfo(
        config, FEATURES, units, torch.from_numpy(dataset.mean), torch.from_numpy(dataset.scale)
    )
    return SpeechJob(
        name="tiny",
        folder=folder / "run",
        model=network,
        info=info,
        train=dataset,
        train_ids=[u.id for u in spoken],
        dev=dataset,
        dev_references=[u.text for u in spoken],
        config=settings,
        augment=augment,
        **more,
    )


def make_retraining(
    folder: Path,
    method: str,
    *,
    scheme: str = "w3a8",
    settings: dict[str, Any] | None = None,
    **more: Any,
) -> SpeechJob:
    """A retraining run in ``folder/run`` from a float network that is trained first, if it is not there."""
    start = folder / "float" / "final.ckpt"
    if not start.is_file():
        job = make_job(folder, train={"epochs": 2})
        job.folder = folder / "float"
        Trainer(job).run().rename(start)
    job = make_job(folder, **more)
    batch = calibration_batch(job.train, 4)
    job.model, job.info = start_network(start, scheme, method, True, batch)
    job.techniques = make_techniques(method, RetrainConfig(**(settings or {})), start)
    job.keep_best = False
    return job


def train_and_pack(folder: Path) -> Path:
    """A model file of a network that has learned tones well, in about two seconds."""
    train = {"epochs": 20, "batch_seconds": 12.0, "max_rows": 8, "workers": 0}
    path = folder / "tones.sqm"
    job = make_job(folder, utterances=60, model={"hidden": 48}, train=train, longest_pause=1.0)
    pack(Trainer(job).run(), path)
    return path


def write_ngram(path: Path) -> Path:
    """A trigram of the words of random texts, as an ARPA file."""
    rng = np.random.default_rng(9)
    text = path.with_suffix(".txt")
    text.write_text("".join(random_text(rng) + "\n" for _ in range(400)), encoding="utf-8")
    write_arpa(estimate(read_corpus([text]), 3, discount_fallback=True), path)
    return path


class Watch(Technique):
    """Calls ``look(model, share)`` before every update."""

    name = "watch"

    def __init__(self, look: Callable[[Network, float], None]) -> None:
        self.look = look

    def before_step(self, share: float) -> None:
        self.look(self.model, share)


def environment() -> dict[str, str]:
    """For a process that imports speechq from where this one does."""
    root = str(Path(speechq.__file__).parents[1])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    return os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "COLUMNS": "120"}
