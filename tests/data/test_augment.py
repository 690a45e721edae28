from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from speechq.config import AugmentConfig, FeatureConfig
from speechq.data.augment import augment_waveform, channel_offset, spec_augment
from speechq.errors import DataError

RATE = 16000


def speech(seconds: float = 0.5) -> NDArray[np.float32]:
    time = np.arange(int(seconds * RATE)) / RATE
    wave = 0.3 * np.sin(2 * np.pi * 440 * time) * (1 + np.sin(2 * np.pi * 5 * time))
    return wave.astype(np.float32)


EVERYTHING = AugmentConfig(speed=(0.9, 1.0, 1.1), noise=0.7, reverberation=0.5)


@settings(deadline=None, max_examples=15)
@given(st.text(max_size=8))
def test_the_key_alone_decides_what_is_drawn(key: str) -> None:
    wave = speech()
    one = augment_waveform(wave, RATE, EVERYTHING, key)
    torch.rand(1)
    np.random.default_rng().random()
    assert np.array_equal(one, augment_waveform(wave, RATE, EVERYTHING, key))
    assert one.dtype == np.float32
    assert np.abs(one).max() <= 1.0


def test_versions_differ() -> None:
    wave = speech()
    made = [augment_waveform(wave, RATE, EVERYTHING, f"1/{copy}/a") for copy in range(1, 9)]
    assert len({m.tobytes() for m in made}) >= 6
    assert {round(len(wave) / len(m), 1) for m in made} == {0.9, 1.0, 1.1}


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_speed_changes_tempo_and_pitch(factor: float) -> None:
    wave = (0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.float32)
    fast = augment_waveform(wave, RATE, AugmentConfig(speed=(factor,)), "x")
    assert len(fast) == pytest.approx(RATE / factor, abs=2)
    spectrum = np.abs(np.fft.rfft(fast * np.hanning(len(fast))))
    assert np.argmax(spectrum) * RATE / len(fast) == pytest.approx(440 * factor, rel=0.01)


@settings(deadline=None, max_examples=15)
@given(snr=st.floats(-5.0, 30.0), key=st.integers(0, 99))
def test_noise_has_the_ratio_asked_for(snr: float, key: int) -> None:
    wave = speech() * 0.2
    config = AugmentConfig(speed=(), noise=1.0, snr_db=(snr, snr))
    noisy = augment_waveform(wave, RATE, config, str(key))
    scale = np.dot(noisy, wave) / np.dot(wave, wave)
    if np.abs(noisy).max() < 0.999:  # not scaled back to full scale
        noise = noisy - wave
        assert 10 * np.log10(np.sum(wave**2.0) / np.sum(noise**2.0)) == pytest.approx(snr, abs=0.05)
    else:
        assert scale < 1


def test_noise_comes_from_the_recordings_of_a_folder(tmp_path: Path) -> None:
    hum = np.tile(np.array([0.5, -0.5], np.float32), 400)
    soundfile.write(tmp_path / "hum.wav", hum, RATE)
    soundfile.write(tmp_path / "room_RIR.wav", np.ones(10, np.float32) * 0.3, RATE)  # not a noise
    noises = tmp_path.rename(tmp_path.with_name("air_circulation"))  # its name has "rir" and says nothing
    config = AugmentConfig(speed=(), noise=1.0, noise_folder=noises, snr_db=(0.0, 0.0))
    wave = speech() * 0.3
    noise = augment_waveform(wave, RATE, config, "k") - wave
    assert np.abs(noise[1:] + noise[:-1]).max() < 1e-3 * np.abs(noise).max()


def test_a_folder_without_noise_is_an_error(tmp_path: Path) -> None:
    config = AugmentConfig(noise=1.0, noise_folder=tmp_path)
    with pytest.raises(DataError, match="no noise recordings"):
        augment_waveform(speech(), RATE, config, "k")


def test_reverberation_keeps_the_length_and_adds_a_tail() -> None:
    click = np.zeros(RATE, np.float32)
    click[1000] = 0.5
    wet = augment_waveform(click, RATE, AugmentConfig(speed=(), reverberation=1.0), "k")
    assert len(wet) == RATE
    np.testing.assert_allclose(wet[:1000], 0, atol=1e-6)
    assert wet[1000] == pytest.approx(0.5, abs=1e-3)
    early, late = (float(np.square(wet[a : a + 800]).sum()) for a in (1001, 8000))
    assert early > 100 * late


@settings(deadline=None, max_examples=60)
@given(
    frames=st.integers(1, 120),
    time_mask=st.integers(0, 30),
    frequency_mask=st.integers(0, 8),
    counts=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    share=st.floats(0.0, 1.0),
    seed=st.integers(0, 99),
)
def test_masks_are_zero_and_within_limits(
    frames: int, time_mask: int, frequency_mask: int, counts: tuple[int, int], share: float, seed: int
) -> None:
    config = AugmentConfig(
        time_masks=counts[0],
        time_mask=time_mask,
        time_mask_share=share,
        frequency_masks=counts[1],
        frequency_mask=frequency_mask,
    )
    torch.manual_seed(seed)
    values = torch.rand(frames, 20) + 1.0
    masked = spec_augment(values, config)
    assert masked.shape == values.shape
    kept = masked != 0
    assert torch.equal(masked[kept], values[kept])
    rows = ~kept.any(1)  # frames that are masked throughout
    columns = ~kept.any(0)
    if not bool(rows.all()) and not bool(columns.all()):
        assert torch.equal(~kept, rows[:, None] | columns[None, :])
    assert int(rows.sum()) <= counts[0] * min(time_mask, share * frames) or bool(columns.all())
    assert int(columns.sum()) <= counts[1] * frequency_mask or bool(rows.all())


def test_masks_reach_their_widths() -> None:
    config = AugmentConfig(
        time_masks=1, time_mask=10, time_mask_share=1.0, frequency_masks=1, frequency_mask=5
    )
    widths = []
    for seed in range(200):
        torch.manual_seed(seed)
        kept = spec_augment(torch.ones(100, 40), config) != 0
        widths.append((int((~kept.any(1)).sum()), int((~kept.any(0)).sum())))
    times, frequencies = zip(*widths, strict=True)
    assert (min(times), min(frequencies)) == (0, 0)
    assert max(times) in (9, 10)
    assert max(frequencies) in (4, 5)


def test_a_frequency_mask_covers_the_differences_too() -> None:
    config = AugmentConfig(time_masks=0, frequency_masks=2, frequency_mask=6)
    for seed in range(10):
        torch.manual_seed(seed)
        kept = spec_augment(torch.ones(30, 123), config, parts=3)[0] != 0
        assert torch.equal(kept[:41], kept[41:82])
        assert torch.equal(kept[:41], kept[82:])


def test_a_louder_recording_through_another_microphone() -> None:
    features = FeatureConfig(mels=40, energy=True, deltas=True)
    config = AugmentConfig(gain_db=6, tilt_db=10)
    nats = np.log(10) / 10
    offsets = []
    for seed in range(300):
        torch.manual_seed(seed)
        offsets.append(channel_offset(config, features))
    gains = np.array([offset[0] for offset in offsets])
    tilts = np.array([offset[40] - offset[1] for offset in offsets])
    assert 5.7 * nats < gains.max() <= 6 * nats + 1e-6
    assert -6 * nats - 1e-6 <= gains.min() < -5.7 * nats
    assert 9.5 * nats < tilts.max() <= 10 * nats + 1e-5
    assert abs(np.corrcoef(gains, tilts)[0, 1]) < 0.2
    for offset in offsets[:5]:
        np.testing.assert_allclose(np.diff(offset[1:41]), np.diff(offset[1:41])[0], atol=1e-5)  # a slope
        assert not offset[41:].any()
