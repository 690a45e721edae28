"""Noise and echoing rooms for synthesized speech: generated, or recordings from folders."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from speechq.data.corpora.espeak import SAMPLE_RATE
from speechq.errors import ConfigError, DataError

Signal = NDArray[np.float64]
"""``[n]`` at 16 kHz."""

Talker = Callable[[random.Random], Signal]
"""Speaks any sentence with any voice: what babble is made of."""

SNR_DB = (5.0, 25.0)
_RT60 = (0.15, 0.6)
_DIRECT_DB = (0.0, 12.0)
_BABBLE_VOICES = 4


@dataclass(frozen=True)
class Distortion:
    """Shares (0 to 1) of the utterances that get noise and an echoing room, and where these come from.

    Without folders, noise is white, pink or babble of other voices, and rooms are decaying noise.
    """

    noise: float = 0.0
    reverberation: float = 0.0
    noise_folder: str | Path | None = None
    room_folder: str | Path | None = None

    def __post_init__(self) -> None:
        for key, share in (("noise", self.noise), ("reverberation", self.reverberation)):
            if not 0.0 <= share <= 1.0:
                raise ConfigError(f"{key} is {share}, but must be a share between 0 and 1")
        for key, folder in (("noise_folder", self.noise_folder), ("room_folder", self.room_folder)):
            if folder is not None and not _recordings(folder):
                raise ConfigError(
                    f"{key}: {folder} has no .wav or .flac file; it must be a folder of recordings"
                )

    def apply(self, samples: Signal, generator: np.random.Generator, talk: Talker) -> Signal:
        """``samples`` in a room and with noise, as the shares will have it; same length, times are kept."""
        noisy, echoing = generator.random(2) < (self.noise, self.reverberation)
        if echoing:
            samples = _convolve(samples, _room(self.room_folder, generator))
        if noisy:
            noise = _noise(samples.size, self.noise_folder, generator, talk)
            ratio = 10.0 ** (generator.uniform(*SNR_DB) / 10.0)
            samples = samples + noise * np.sqrt(np.mean(samples**2) / (ratio * np.mean(noise**2)))
        return samples


def _recordings(folder: str | Path) -> list[Path]:
    return sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in (".wav", ".flac"))


def _any_recording(folder: str | Path, generator: np.random.Generator) -> Signal:
    files = _recordings(folder)
    path = files[int(generator.integers(len(files)))]
    try:
        samples, rate = soundfile.read(path, dtype="float64", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise DataError(f"{path} cannot be read as a recording: {error}") from None
    mono = samples.mean(axis=1)
    if not np.any(mono):
        raise DataError(f"{path} is silent, so it can be neither noise nor room")
    return np.asarray(
        soxr.resample(mono, rate, SAMPLE_RATE) if rate != SAMPLE_RATE else mono, dtype=np.float64
    )


def _noise(size: int, folder: str | Path | None, generator: np.random.Generator, talk: Talker) -> Signal:
    """Noise ``[size]`` of any level: a piece of a recording, white, pink (power 1/f) or babble."""
    if folder is not None:
        recording = _any_recording(folder, generator)
        recording = np.resize(np.roll(recording, -int(generator.integers(recording.size))), size)
        # the piece may lie in a pause of the recording
        return recording if np.any(recording) else generator.standard_normal(size)
    kind = generator.choice(("white", "pink", "babble"))
    if kind == "babble":
        choices = random.Random(int(generator.integers(2**31)))
        voices = [talk(choices) for _ in range(_BABBLE_VOICES)]
        babble: Signal = np.zeros(size)
        for voice in voices:
            level = np.sqrt(np.mean(voice**2))
            babble += np.resize(np.roll(voice, choices.randrange(voice.size)), size) / level
        return babble
    white: Signal = generator.standard_normal(size)
    if kind == "white":
        return white
    spectrum = np.fft.rfft(white)
    pink: Signal = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(spectrum.size), 1.0)), size)
    return pink


def _room(folder: str | Path | None, generator: np.random.Generator) -> Signal:
    """An impulse response whose direct sound is its first sample, so that phone times stay."""
    if folder is not None:
        response = _any_recording(folder, generator)
        return response[int(np.abs(response).argmax()) :]
    rt60 = generator.uniform(*_RT60)
    time = np.arange(round(rt60 * SAMPLE_RATE)) / SAMPLE_RATE
    tail = generator.standard_normal(time.size) * 10.0 ** (-3.0 * time / rt60)  # -60 dB after rt60 seconds
    tail[: round(0.002 * SAMPLE_RATE)] = 0.0
    tail *= 10.0 ** (-generator.uniform(*_DIRECT_DB) / 20.0) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return tail


def _convolve(samples: Signal, response: Signal) -> Signal:
    """The start of the convolution, as long as ``samples``."""
    length = 1 << (samples.size + response.size - 2).bit_length()
    product = np.fft.rfft(samples, length) * np.fft.rfft(response, length)
    return np.fft.irfft(product, length)[: samples.size]
