"""Recognizing a test set with a packed model in the engine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from speechq.bench.results import Arithmetic, EvaluationResult, Sample, write_result, write_sample
from speechq.bench.results import Utterance as Recognized
from speechq.data.batches import Dataset
from speechq.data.features import FRAME_SECONDS, stack_frames
from speechq.data.manifest import Utterance
from speechq.data.shards import FloatArray
from speechq.errors import DataError, ModelError
from speechq.lm.speech import frame_seconds
from speechq.recipes.provenance import run_facts
from speechq.runtime.decoder_settings import TimedWord
from speechq.runtime.engine import Engine
from speechq.runtime.greedy import GreedyDecoder
from speechq.runtime.model_file import read_model
from speechq.runtime.model_folder import ModelFiles

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


@dataclass(frozen=True)
class Outputs:
    """Log-probabilities float32 [frames, symbols] of utterances, and processor seconds of the network."""

    log_probs: list[FloatArray]
    seconds: float


def run_network(
    path: Path, dataset: Dataset, *, stream: bool = False, arithmetic: Arithmetic = "hybrid"
) -> Outputs:
    """What the packed model ``path`` gives for every utterance, or with ``stream`` for all as one.

    One thread runs one stream at a time, ``BLOCK`` frames per weight read. The seconds are those that this
    thread computed, so other programs on the machine do not count; nor do loading the model and the features.
    """
    engine = Engine(path, mode=arithmetic, threads=1, block=BLOCK)
    streams = [network_input(dataset, item) for item in range(len(dataset))]
    if stream:
        streams = [np.concatenate(streams)]
    begun = time.thread_time()
    log_probs = [engine.forward([frames])[0] for frames in streams]
    return Outputs(log_probs, time.thread_time() - begun)


def recognize(path: Path, dataset: Dataset) -> list[str]:
    """Texts of all utterances by greedy decoding."""
    decoder = GreedyDecoder(read_model(path).units)
    return [decoder.decode(log_probs) for log_probs in run_network(path, dataset).log_probs]


@dataclass(frozen=True)
class Recognition:
    """Texts, their words with times and confidence (none from greedy decoding), processor seconds."""

    texts: list[str]
    words: list[tuple[TimedWord, ...]]
    seconds: float


def decode(outputs: Outputs, files: ModelFiles) -> Recognition:
    """Decode with the decoder of a model's files."""
    model = read_model(files.acoustic)
    decoder = files.decoder(model.units)
    seconds_per_frame = frame_seconds(model)
    texts: list[str] = []
    words: list[tuple[TimedWord, ...]] = []
    begun = time.thread_time()
    for log_probs in outputs.log_probs:
        if isinstance(decoder, GreedyDecoder):
            texts.append(decoder.decode(log_probs))
            words.append(())
        else:
            best = decoder.decode(log_probs, 1)[0]
            texts.append(best.text)
            words.append(tuple(files.calibrated.timed(best.words, seconds_per_frame)))
    return Recognition(texts, words, time.thread_time() - begun)


@dataclass(frozen=True)
class Decoded:
    """How a test set was recognized: the ``decoder`` of the table, its files, the arithmetic of the engine.

    ``mode`` is ``utterance`` or ``stream``; ``vocabulary``: the words that the language models know, None
    where there are none.
    """

    files: ModelFiles
    decoder: str = "greedy"
    mode: str = "utterance"
    arithmetic: Arithmetic = "hybrid"
    vocabulary: frozenset[str] | None = None


def evaluate_model(
    work: Path,
    model: Named,
    how: Decoded,
    outputs: Outputs,
    test: Sequence[Utterance],
    audio: float,
    fold: Literal[48, 39] | None,
) -> None:
    """Decode ``outputs`` of ``test``, ``audio`` seconds, and write the result that tables are made of."""
    found = decode(outputs, how.files)
    closed = how.files.calibrated.lexicon is not None
    phones = read_model(how.files.acoustic).units.kind == "phones" and not closed
    if how.mode == "stream":
        joined = " ".join(u.text for u in test)
        rows = [Recognized("all", "all", joined, found.texts[0], round(audio, 3))]
    else:
        rows = [
            Recognized(u.id, u.corpus, u.text, text, u.duration, _plain(words), u.times)
            for u, text, words in zip(test, found.texts, found.words, strict=True)
        ]
    unknown = set() if how.vocabulary is None else {w for row in rows for w in row.reference.split()}
    packed = work / "models" / f"{model.name}.sqm"
    write_result(
        work,
        EvaluationResult(
            model=model.name,
            scheme=model.scheme,
            method=model.method,
            seed=model.seed,
            decoder=how.decoder,
            split="test",
            mode=how.mode,
            size_bytes=packed.stat().st_size,
            total_bytes=how.files.size_bytes,
            rtf=round((outputs.seconds + found.seconds) / max(audio, FRAME_SECONDS), 6),
            commit=str(run_facts()["commit"]),
            file=str(how.files.acoustic.relative_to(work)),
            utterances=tuple(rows),
            unit="phone" if phones else "word",
            fold=fold,
            arithmetic=how.arithmetic,
            unknown_words=tuple(sorted(unknown - (how.vocabulary or frozenset()))),
        ),
    )


def _plain(words: Sequence[TimedWord]) -> tuple[tuple[str, float, float, float], ...]:
    return tuple((w.text, round(w.start, 3), round(w.end, 3), round(w.confidence, 4)) for w in words)


def write_sample_of(work: Path, path: Path, test: Sequence[Utterance], dataset: Dataset) -> None:
    """Features and CTC outputs of one test utterance of middling length, for the report."""
    model = read_model(path)
    order = [int(k) for k in np.argsort([u.duration for u in test], kind="stable") if dataset.frames(int(k))]
    if not order:
        raise DataError("test: every recording is shorter than a frame of the network")
    item = order[len(order) * 2 // 3]
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
