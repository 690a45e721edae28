"""Recognizing a test set with a packed model in the engine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from speechq.bench.results import Arithmetic, EvaluationResult, Sample, write_result, write_sample
from speechq.bench.results import Utterance as Recognized
from speechq.data.batches import Dataset
from speechq.data.features import FRAME_SECONDS, stack_frames
from speechq.data.manifest import Utterance
from speechq.data.shards import FloatArray
from speechq.errors import ModelError
from speechq.recipes.provenance import run_facts
from speechq.runtime.engine import Engine
from speechq.runtime.greedy import Decoder, GreedyDecoder
from speechq.runtime.model_file import read_model

BLOCK = 16  # frames per weight read


class Named(Protocol):
    """What the table needs to know of a network."""

    @property
    def name(self) -> str: ...
    @property
    def scheme(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def seed(self) -> int: ...


def network_input(dataset: Dataset, item: int) -> FloatArray:
    """Normalized, stacked frames of one utterance."""
    return stack_frames(dataset.normalized(item), dataset.features)


def runs_integer(path: Path) -> bool:
    """Whether the engine can run the model file in integer mode."""
    try:
        Engine(path, mode="integer")
    except ModelError:
        return False
    return True


def recognize(
    path: Path,
    dataset: Dataset,
    decoder: Decoder | None = None,
    *,
    stream: bool = False,
    arithmetic: Arithmetic = "hybrid",
) -> tuple[list[str], float]:
    """Texts of all utterances, or of the concatenated set, and processor seconds of network and decoder.

    One thread runs one stream at a time, ``BLOCK`` frames per weight read: each utterance, or with
    ``stream`` the whole set, goes through a state of its own. The seconds are those that this thread
    computed, so other programs on the machine do not count; nor do loading the model and the features.
    """
    engine = Engine(path, mode=arithmetic, threads=1, block=BLOCK)
    decoder = decoder or GreedyDecoder(read_model(path).units)
    streams = [network_input(dataset, item) for item in range(len(dataset))]
    if stream:
        streams = [np.concatenate(streams)]
    begun = time.thread_time()
    texts = [decoder.decode(engine.forward([frames])[0]) for frames in streams]
    return texts, time.thread_time() - begun


def evaluate_model(
    work: Path,
    path: Path,
    model: Named,
    mode: str,
    test: Sequence[Utterance],
    dataset: Dataset,
    fold: Literal[48, 39] | None,
    arithmetic: Arithmetic = "hybrid",
) -> None:
    """Recognize ``test`` with the model file ``path`` and write the result that tables are made of."""
    texts, seconds = recognize(path, dataset, stream=mode == "stream", arithmetic=arithmetic)
    units = read_model(path).units
    audio = dataset.seconds()
    if mode == "stream":
        joined = " ".join(u.text for u in test)
        rows = [Recognized("all", "all", joined, texts[0], round(audio, 3))]
    else:
        rows = [Recognized(u.id, u.corpus, u.text, t, u.duration) for u, t in zip(test, texts, strict=True)]
    write_result(
        work,
        EvaluationResult(
            model=model.name,
            scheme=model.scheme,
            method=model.method,
            seed=model.seed,
            decoder="greedy",
            split="test",
            mode=mode,
            size_bytes=path.stat().st_size,
            rtf=round(seconds / max(audio, FRAME_SECONDS), 6),
            commit=str(run_facts()["commit"]),
            file=str(path.relative_to(work)),
            utterances=tuple(rows),
            unit="phone" if units.kind == "phones" else "word",
            fold=fold,
            arithmetic=arithmetic,
        ),
    )


def write_sample_of(work: Path, path: Path, test: Sequence[Utterance], dataset: Dataset) -> None:
    """Features and CTC outputs of one test utterance of middling length, for the report."""
    model = read_model(path)
    order = np.argsort([u.duration for u in test], kind="stable")
    item = int(order[len(order) * 2 // 3])
    (log_probs,) = Engine(path).forward([network_input(dataset, item)])
    features = model.audio()
    first = int(features.energy)  # the mel bins come behind the energy
    fbank = dataset.stores[0][item][:, first : first + features.mels]
    write_sample(
        work,
        Sample(
            fbank=fbank,
            log_probs=log_probs,
            symbols=model.units.symbols,
            reference=test[item].text,
            hypothesis=GreedyDecoder(model.units).decode(log_probs),
            frame_seconds=FRAME_SECONDS * features.stride,
        ),
    )
