"""Recognizing a test set with a packed model, through the fixed-point reference."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from speechq.bench.results import EvaluationResult, Sample, write_result, write_sample
from speechq.bench.results import Utterance as Recognized
from speechq.data.batches import Dataset
from speechq.data.features import FRAME_SECONDS, stack_frames
from speechq.data.manifest import Utterance
from speechq.data.shards import FloatArray
from speechq.quant.reference import forward
from speechq.recipes.provenance import run_facts
from speechq.runtime.greedy import Decoder, GreedyDecoder
from speechq.runtime.model_file import read_model

_BATCH = 64


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


def recognize(
    path: Path, dataset: Dataset, decoder: Decoder | None = None, stream: bool = False
) -> tuple[list[str], float]:
    """Texts of all utterances, or of the concatenated set, and seconds spent in network and decoder."""
    model = read_model(path)
    decoder = decoder or GreedyDecoder(model.units)
    inputs = [network_input(dataset, item) for item in range(len(dataset))]
    begun = time.perf_counter()
    if stream:
        texts = [decoder.decode(forward(model, [np.concatenate(inputs)], products="blas")[0])]
        return texts, time.perf_counter() - begun
    found = [""] * len(inputs)
    order = sorted(range(len(inputs)), key=lambda item: -len(inputs[item]))
    for first in range(0, len(order), _BATCH):
        items = order[first : first + _BATCH]
        for item, log_probs in zip(
            items, forward(model, [inputs[i] for i in items], products="blas"), strict=True
        ):
            found[item] = decoder.decode(log_probs)
    return found, time.perf_counter() - begun


def evaluate_model(
    work: Path,
    path: Path,
    model: Named,
    mode: str,
    test: Sequence[Utterance],
    dataset: Dataset,
    fold: Literal[48, 39] | None,
) -> None:
    """Recognize ``test`` with the model file ``path`` and write the result that tables are made of."""
    texts, seconds = recognize(path, dataset, stream=mode == "stream")
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
        ),
    )


def write_sample_of(work: Path, path: Path, test: Sequence[Utterance], dataset: Dataset) -> None:
    """Features and CTC outputs of one test utterance of middling length, for the report."""
    model = read_model(path)
    order = np.argsort([u.duration for u in test], kind="stable")
    item = int(order[len(order) * 2 // 3])
    log_probs = forward(model, [network_input(dataset, item)], products="blas")[0]
    first = int(model.features.energy)  # the mel bins come behind the energy
    fbank = dataset.stores[0][item][:, first : first + model.features.mels]
    write_sample(
        work,
        Sample(
            fbank=fbank,
            log_probs=log_probs,
            symbols=model.units.symbols,
            reference=test[item].text,
            hypothesis=GreedyDecoder(model.units).decode(log_probs),
            frame_seconds=FRAME_SECONDS * model.features.stride,
        ),
    )
