from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from speechq.config import FeatureConfig
from speechq.data import torchaudio_lite
from speechq.data.features import FeatureStream, Frontend, fbank, network_frames, stack_frames
from speechq.errors import ConfigError

CONFIGS = {
    "plain": FeatureConfig(),
    "123": FeatureConfig(energy=True, deltas=True),
    "80 mels": FeatureConfig(mels=80, stack=1),
    "gaps": FeatureConfig(mels=23, stack=2, stride=5, deltas=True),
    "overlap": FeatureConfig(mels=23, stack=6, stride=3, energy=True),
    "8 kHz": FeatureConfig(sample_rate=8000, mels=30, high_hz=3800.0),
}


def speech(samples: int, seed: int = 0) -> NDArray[np.float32]:
    """Noise and tones that change, so that no two frames are alike."""
    rng = np.random.default_rng(seed)
    time = np.arange(samples) / 16000
    wave = 0.3 * np.sin(2 * np.pi * (200 + 900 * time) * time) + 0.05 * rng.standard_normal(samples)
    return wave.astype(np.float32)


def cut(samples: NDArray[np.float32], sizes: list[int]) -> list[NDArray[np.float32]]:
    """Chunks of the given sizes, in turn, until there is nothing left."""
    chunks, start, k = [], 0, 0
    while start < len(samples):
        size = sizes[k % len(sizes)]
        chunks.append(samples[start : start + size])
        start += size
        k += 1
    return chunks


@settings(deadline=None, max_examples=60)
@given(
    name=st.sampled_from(sorted(CONFIGS)),
    samples=st.integers(0, 12000),
    sizes=st.lists(st.integers(1, 5000) | st.just(0), min_size=1, max_size=6).filter(any),
)
def test_any_chunking_gives_the_same_bits(name: str, samples: int, sizes: list[int]) -> None:
    config = CONFIGS[name]
    wave = speech(samples)
    mean = np.linspace(-3, 9, config.base_dim).astype(np.float32)
    scale = np.linspace(0.2, 3, config.base_dim).astype(np.float32)
    stream, frontend = FeatureStream(config), Frontend(config, mean, scale)
    frames, stacked = [], []
    for chunk in cut(wave, sizes):
        frames.append(stream.accept(chunk))
        stacked.append(frontend.accept(chunk))
    frames = np.concatenate([*frames, stream.finish()])
    stacked = np.concatenate([*stacked, frontend.finish()])
    whole = fbank(wave, config)
    assert frames.dtype == np.float32
    assert np.array_equal(frames, whole)
    assert np.array_equal(stacked, stack_frames((whole - mean) * scale, config))
    assert stacked.shape == (network_frames(len(whole), config), config.dim)


def test_frames_come_as_early_as_they_can() -> None:
    wave = speech(16000)
    plain, differences = FeatureStream(CONFIGS["plain"]), FeatureStream(CONFIGS["123"])
    assert len(plain.accept(wave[:399])) == 0
    assert len(plain.accept(wave[399:400])) == 1  # 25 ms
    assert len(plain.accept(wave[400:560])) == 1  # and every 10 ms
    assert len(differences.accept(wave[: 400 + 3 * 160])) == 0
    assert len(differences.accept(wave[400 + 3 * 160 : 400 + 4 * 160])) == 1  # four frames of look-ahead


@pytest.mark.parametrize("name", ["plain", "123", "80 mels", "8 kHz"])
def test_static_features_are_kaldis(name: str) -> None:
    config = CONFIGS[name]
    rate = config.sample_rate
    wave = speech(rate)
    torchaudio_lite.functional()
    from torchaudio.compliance import kaldi

    expected = kaldi.fbank(
        torch.from_numpy(wave)[None] * 32768,
        sample_frequency=rate,
        num_mel_bins=config.mels,
        low_freq=config.low_hz,
        high_freq=config.high_hz,
        use_energy=config.energy,
        dither=0.0,
        snip_edges=True,
    ).numpy()
    found = fbank(wave, config)[:, : config.mels + int(config.energy)]
    assert found.shape == expected.shape == (98, expected.shape[1])
    # float32 sums in another order; the quietest bins, e^-10 of the loudest, show it most
    np.testing.assert_allclose(found, expected, atol=2e-2, rtol=0)
    assert np.abs(found - expected).mean() < 2e-4


def slow_deltas(frames: NDArray[np.float32]) -> NDArray[np.float64]:
    """Kaldi's differences over two frames to each side; the edge frames are repeated."""
    last = len(frames) - 1
    rows = []
    for t in range(len(frames)):
        at = [frames[min(max(t + n, 0), last)].astype(np.float64) for n in (-2, -1, 1, 2)]
        rows.append((-2 * at[0] - at[1] + at[2] + 2 * at[3]) / 10)
    return np.array(rows)


def test_123_values_are_energy_and_mels_then_first_then_second_differences() -> None:
    wave = speech(9000)
    config = CONFIGS["123"]
    found = fbank(wave, config)
    assert (found.shape[1], config.base_dim, config.dim) == (123, 123, 369)
    static = fbank(wave, FeatureConfig(energy=True))
    assert np.array_equal(found[:, :41], static)
    assert np.array_equal(static[:, 1:], fbank(wave, FeatureConfig()))
    window = wave[160:560].astype(np.float64) * 32768
    energy = np.log(((window - window.mean()) ** 2).sum())
    assert static[1, 0] == pytest.approx(energy, abs=1e-4)
    np.testing.assert_allclose(found[:, 41:82], slow_deltas(static), atol=2e-5)
    # the second filter is applied at once, so the edges repeat frames, not their differences
    inner = slice(4, -4)
    twice = slow_deltas(slow_deltas(static).astype(np.float32))
    np.testing.assert_allclose(found[inner, 82:], twice[inner], atol=2e-5)


def test_deltas_are_kaldis_at_the_edges_too() -> None:
    frames = fbank(speech(4000), CONFIGS["123"])
    padded = np.pad(frames[:, :41].astype(np.float64), ((4, 4), (0, 0)), mode="edge")
    filters = np.convolve(np.array([-2, -1, 0, 1, 2]) / 10, np.array([-2, -1, 0, 1, 2]) / 10)
    second = sum(filters[k] * padded[k : k + len(frames)] for k in range(9))
    np.testing.assert_allclose(frames[:, 82:], second, atol=2e-5)


@given(frames=st.integers(0, 40), stack=st.integers(1, 8), stride=st.integers(3, 8), offset=st.integers(0, 7))
def test_stacking_joins_frames_and_drops_the_rest(frames: int, stack: int, stride: int, offset: int) -> None:
    config = FeatureConfig(mels=8, stack=stack, stride=stride)
    values = np.arange(frames * 8, dtype=np.float32).reshape(frames, 8)
    expected = [
        values[start : start + stack].ravel()
        for start in range(offset, frames, stride)
        if start + stack <= frames
    ]
    found = stack_frames(values, config, offset)
    assert found.shape == (len(expected), config.dim)
    assert np.array_equal(found, np.array(expected, np.float32).reshape(-1, config.dim))
    if offset == 0:
        assert network_frames(frames, config) == len(expected)


@pytest.mark.parametrize("samples", [0, 1, 399])
def test_too_little_audio_gives_no_frame(samples: int) -> None:
    for config in CONFIGS.values():
        assert fbank(np.zeros(min(samples, 199), np.float32), config).shape == (0, config.base_dim)
    assert fbank(np.zeros(samples, np.float32), CONFIGS["plain"]).shape == (0, 40)


def test_bands_without_a_place_are_an_error() -> None:
    with pytest.raises(ConfigError, match=r"features\.mels: 128 bands are too many for sample_rate: 8000"):
        FeatureStream(FeatureConfig(sample_rate=8000, mels=128))


def test_silence_is_finite() -> None:
    assert np.isfinite(fbank(np.zeros(8000, np.float32), CONFIGS["123"])).all()


def test_a_real_recording_in_odd_chunks(shared: Path) -> None:
    wave, rate = soundfile.read(next((shared / "data" / "timit_sample").rglob("*.WAV"), None) or _any(shared))
    wave = wave.astype(np.float32)
    assert rate == 16000
    config = CONFIGS["123"]
    stream = FeatureStream(config)
    pieces = [stream.accept(chunk) for chunk in cut(wave, [37, 1601, 3, 480])]
    assert np.array_equal(np.concatenate([*pieces, stream.finish()]), fbank(wave, config))


def _any(shared: Path) -> Path:
    return next(p for p in sorted((shared / "data" / "an4_mini").rglob("*")) if p.suffix in (".wav", ".flac"))
