"""What all decoders get: log-probabilities of utterances and what was said in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speechq.errors import ConfigError
from speechq.text.units import Units

FloatArray = NDArray[np.float32]

NEVER = -1e4  # log-probability of what cannot be; flashlight-text cannot do with infinity


@dataclass(frozen=True)
class Inputs:
    """Utterances as float32 [frames, len(units)], natural log, with their ``references``.

    The last frame of each is a separator for certain: words of flashlight-text's lexicon end with one, and
    to our decoder a separator at the end changes nothing.
    """

    units: Units
    log_probs: tuple[FloatArray, ...]
    references: tuple[str, ...]
    frame_seconds: float
    note: str

    @property
    def frames(self) -> int:
        """Frames of all utterances."""
        return sum(map(len, self.log_probs))


def separator_of(units: Units) -> int:
    """The number of the separator between words; ConfigError for units without one."""
    if units.kind != "characters" or " " not in units.symbols:
        raise ConfigError(
            f"the units are {len(units)} {units.kind}; the benchmark is for characters with a space"
        )
    return units.symbols.index(" ")


def closed(log_probs: FloatArray, units: Units) -> FloatArray:
    """The log-probabilities with the frame that is a separator for certain."""
    last = np.full((1, len(units)), NEVER, np.float32)
    last[0, separator_of(units)] = 0.0
    return np.concatenate([np.maximum(log_probs, NEVER, dtype=np.float32), last])


def speech_inputs(model: Path, manifest: Path, most: int) -> Inputs:
    """Log-probabilities of a packed acoustic model for the first ``most`` utterances of a manifest.

    Raises ModelError and DataError for a model and a manifest that cannot be used.
    """
    from speechq.data.audio import read_audio
    from speechq.data.features import FRAME_SECONDS, Frontend
    from speechq.data.manifest import read_manifest
    from speechq.runtime.engine import Engine
    from speechq.runtime.model_file import read_model

    packed = read_model(model)
    features = packed.audio()
    engine = Engine(model)
    utterances = read_manifest(manifest, packed.units)[:most]
    log_probs = []
    for utterance in utterances:
        frontend = Frontend(features, packed.mean, packed.scale)
        samples = read_audio(utterance.audio, features.sample_rate)
        frames = np.concatenate([frontend.accept(samples), frontend.finish()])
        log_probs.append(closed(engine.forward([frames])[0], packed.units))
    return Inputs(
        packed.units,
        tuple(log_probs),
        tuple(utterance.text for utterance in utterances),
        features.stride * FRAME_SECONDS,
        f"{len(utterances)} utterances of {manifest.name}, {packed.scheme} network",
    )
