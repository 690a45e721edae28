"""Augmentation through torchaudio: speed, noise and reverberation of audio, SpecAugment of features."""

from __future__ import annotations

import zlib
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speechq.config import AugmentConfig, FeatureConfig
from speechq.data.audio import read_audio
from speechq.data.torchaudio_lite import functional, transforms
from speechq.errors import DataError

FloatArray = NDArray[np.float32]
_AUDIO = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".sph"}


@lru_cache(maxsize=4)
def _noises(folder: Path, rate: int) -> tuple[FloatArray, ...]:
    found = (f for f in folder.rglob("*") if f.suffix.lower() in _AUDIO)
    files = sorted(f for f in found if "rir" not in str(f.relative_to(folder)).lower())
    if not files:
        raise DataError(f"{folder}: no noise recordings; expected audio files (wav, flac, ogg, mp3)")
    return tuple(read_audio(file, rate) for file in files)


def _fast_size(samples: int) -> int:
    """The next multiple of 4096: a Fourier transform of prime length takes ten times as long."""
    return -(-samples // 4096) * 4096


def _coloured_noise(samples: int, rng: np.random.Generator) -> FloatArray:
    """Noise with a spectrum of ``1/f^a``, a drawn from 0 (white) to 2 (brown)."""
    size = _fast_size(samples)
    spectrum = np.fft.rfft(rng.standard_normal(size))
    slope = np.maximum(np.arange(len(spectrum)), 1.0) ** (-rng.uniform(0.0, 1.0))
    return np.fft.irfft(spectrum * slope, size)[:samples].astype(np.float32)


def _draw_noise(samples: int, rate: int, config: AugmentConfig, rng: np.random.Generator) -> FloatArray:
    if config.noise_folder is None:
        return _coloured_noise(samples, rng)
    noises = _noises(config.noise_folder, rate)
    noise = noises[rng.integers(len(noises))]
    start = int(rng.integers(len(noise)))
    return np.resize(np.roll(noise, -start), samples)


def _room(rate: int, rng: np.random.Generator) -> FloatArray:
    """An impulse response: a direct path, then noise that decays by 60 dB in 0.1 to 0.4 s."""
    decay = rng.uniform(0.1, 0.4)
    time = np.arange(int(decay * rate)) / rate
    tail = rng.standard_normal(len(time)) * 10 ** (-3 * time / decay) * rng.uniform(0.02, 0.08)
    tail[0] = 1.0
    return tail.astype(np.float32)


def augment_waveform(samples: FloatArray, rate: int, config: AugmentConfig, key: str) -> FloatArray:
    """A changed version of ``samples`` [n]; ``key`` alone decides what is drawn.

    Speed changes pitch and tempo together (Ko et al. 2015); noise is added at a ratio drawn from
    ``config.snr_db``.
    """
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    wave = torch.from_numpy(samples)
    if config.speed:
        factor = float(rng.choice(np.asarray(config.speed)))
        if factor != 1.0:
            wave, _ = functional().speed(wave, rate, factor)
    if rng.random() < config.reverberation:
        room = torch.from_numpy(_room(rate, rng))
        padding = _fast_size(len(wave) + len(room)) + 1 - len(room) - len(wave)
        wave = functional().fftconvolve(torch.nn.functional.pad(wave, (0, padding)), room)[: len(wave)]
    if rng.random() < config.noise:
        noise = torch.from_numpy(_draw_noise(len(wave), rate, config, rng))
        ratio = torch.tensor(rng.uniform(*config.snr_db))
        wave = functional().add_noise(wave, noise, ratio)
    peak = float(wave.abs().max()) if len(wave) else 0.0
    return (wave / peak if peak > 1.0 else wave).numpy().astype(np.float32)


def channel_offset(config: AugmentConfig, features: FeatureConfig) -> FloatArray:
    """What another loudness and another microphone add to the log-mel values of an utterance, [base_dim].

    A gain and a slope over the bands, both drawn evenly up to the limits of ``config``. Differences do not
    change. Draws from torch's global generator.
    """
    gain, tilt = (2 * torch.rand(2) - 1).tolist()
    bands = config.gain_db * gain + config.tilt_db * tilt * np.linspace(-0.5, 0.5, features.mels)
    static = np.concatenate([[config.gain_db * gain] * int(features.energy), bands])
    offset = np.zeros(features.base_dim, np.float32)
    offset[: len(static)] = static * (np.log(10) / 10)  # the features are natural logarithms of power
    return offset


def spec_augment(frames: Tensor, config: AugmentConfig, parts: int = 1) -> Tensor:
    """Time and frequency masks (Park et al. 2019) on normalized features ``[frames, values]``; masked is 0.

    ``parts`` is 3 where the second and third third of the values are differences of the first: a frequency
    mask covers the same bins of each. Draws from torch's global generator.
    """
    spectrogram = frames.t().reshape(parts, -1, len(frames))
    if config.frequency_mask:
        mask = transforms().FrequencyMasking(config.frequency_mask)
        for _ in range(config.frequency_masks):
            spectrogram = mask(spectrogram)
    if config.time_mask:
        mask = transforms().TimeMasking(config.time_mask, p=config.time_mask_share)
        for _ in range(config.time_masks):
            spectrogram = mask(spectrogram)
    return spectrogram.reshape(-1, len(frames)).t()
