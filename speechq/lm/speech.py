"""Recordings of a manifest as log-probabilities of a packed model, computed once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from speechq.data.features import FRAME_SECONDS, stack_frames
from speechq.data.manifest import Utterance
from speechq.data.shards import FloatArray, compute_store
from speechq.progress import AUDIO, progress
from speechq.runtime.engine import Engine
from speechq.runtime.graph import Model
from speechq.runtime.model_file import read_model


def frame_seconds(model: Model) -> float:
    """Seconds from one row of the model's log-probabilities to the next; ModelError for a language model."""
    return FRAME_SECONDS * model.audio().stride


def log_probs_of(path: Path, utterances: Sequence[Utterance]) -> list[FloatArray]:
    """Log-probabilities [frames, symbols] of ``utterances``, each from a zero state.

    Raises ModelError or DataError, naming the file, for a model or a recording that cannot be read.
    """
    model = read_model(path)
    features, engine = model.audio(), Engine(path)
    found = []
    with TemporaryDirectory() as cache:
        store = compute_store(utterances, features, Path(cache))
        with progress(path.name, sum(u.duration for u in utterances), AUDIO) as bar:
            for item, utterance in enumerate(utterances):
                frames = stack_frames((store[item] - model.mean) * model.scale, features)
                found.append(engine.forward([frames])[0])
                bar.advance(utterance.duration)
    return found
