from __future__ import annotations

import stat
import sys

import numpy as np
import pytest
import soundfile

from speechq.data.audio import audio_duration, read_audio
from speechq.data.manifest import read_manifest
from speechq.errors import DataError


def tone(rate: int, seconds: float = 0.5, hertz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.wav", {}),
        ("a.flac", {}),
        ("A.WAV", {"format": "NIST", "subtype": "PCM_16"}),
        ("a.float", {"format": "WAV"}),
    ],
)
def test_formats(tmp_path, name, options):
    samples = tone(16000)
    soundfile.write(tmp_path / name, samples, 16000, **options)
    read = read_audio(tmp_path / name)
    assert read.dtype == np.float32
    assert read.shape == samples.shape
    np.testing.assert_allclose(read, samples, atol=1 / 32000)
    assert audio_duration(tmp_path / name) == 0.5


def test_channels_are_averaged(tmp_path):
    samples = tone(16000)
    soundfile.write(tmp_path / "a.wav", np.stack([samples, 0 * samples], axis=1), 16000, subtype="FLOAT")
    np.testing.assert_allclose(read_audio(tmp_path / "a.wav"), samples / 2, atol=1e-7)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_other_rates_are_resampled(tmp_path, rate):
    soundfile.write(tmp_path / "a.wav", tone(rate, 1.0), rate)
    read = read_audio(tmp_path / "a.wav")
    assert read.shape == (16000,)
    np.testing.assert_allclose(read[800:-800], tone(16000, 1.0)[800:-800], atol=1e-3)
    assert audio_duration(tmp_path / "a.wav") == 1.0
    assert read_audio(tmp_path / "a.wav", 8000).shape == (8000,)


def test_overshoot_is_clipped_and_bad_numbers_are_refused(tmp_path):
    soundfile.write(tmp_path / "a.wav", 3 * tone(16000), 16000, subtype="FLOAT")
    assert np.abs(read_audio(tmp_path / "a.wav")).max() == 1.0
    soundfile.write(tmp_path / "b.wav", np.array([0.0, np.nan]), 16000, subtype="FLOAT")
    with pytest.raises(DataError, match="not numbers"):
        read_audio(tmp_path / "b.wav")


def test_broken_files(tmp_path):
    cases = {"text.wav": b"this is no audio", "empty.wav": b"", "cut.flac": b"fLaC\x00\x00"}
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        for function in (read_audio, audio_duration):
            with pytest.raises(DataError, match=rf"{name}: cannot be read as audio"):
                function(tmp_path / name)
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 16000)
    with pytest.raises(DataError, match="no samples"):
        read_audio(tmp_path / "none.wav")
    for function in (read_audio, audio_duration):
        with pytest.raises(DataError, match="no such recording"):
            function(tmp_path / "missing.wav")
        with pytest.raises(DataError, match="is a folder"):
            function(tmp_path)


def shortened_sphere(path, samples):
    """A SPHERE header as on the WSJ discs; what follows is not real shorten data."""
    head = (
        "NIST_1A\n   1024\nchannel_count -i 1\nsample_rate -i 16000\n"
        f"sample_count -i {len(samples)}\nsample_n_bytes -i 2\n"
        "sample_coding -s26 pcm,embedded-shorten-v2.00\nend_head\n"
    )
    path.write_bytes(head.encode().ljust(1024) + b"ajkg" + bytes(100))


def test_shortened_sphere_without_sph2pipe(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    shortened_sphere(tmp_path / "a.wv1", tone(16000))
    assert audio_duration(tmp_path / "a.wv1") == 0.5
    with pytest.raises(DataError, match="put the program sph2pipe on the PATH"):
        read_audio(tmp_path / "a.wv1")


@pytest.mark.skipif(sys.platform == "win32", reason="needs an executable script")
def test_shortened_sphere_through_sph2pipe(tmp_path, monkeypatch):
    samples = tone(16000)
    soundfile.write(tmp_path / "decoded.wav", samples, 16000)
    program = tmp_path / "sph2pipe"
    program.write_text(
        f'#!/bin/sh\n[ "$1 $2" = "-f wav" ] && [ -f "$3" ] || exit 3\n'
        f"case $3 in *bad*) echo 'wrong checksum' >&2; exit 1;; esac\nexec cat '{tmp_path}/decoded.wav'\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    shortened_sphere(tmp_path / "a.wv1", samples)
    np.testing.assert_allclose(read_audio(tmp_path / "a.wv1"), samples, atol=1 / 32000)
    shortened_sphere(tmp_path / "bad.wv1", samples)
    with pytest.raises(DataError, match=r"bad\.wv1: sph2pipe cannot decode it \(wrong checksum\)"):
        read_audio(tmp_path / "bad.wv1")


def test_real_sphere_holds_the_samples_of_the_riff_copy(shared):
    sample = shared / "data" / "timit_sample"
    sphere = sample / "sphere_ldc_layout" / "TRAIN" / "DR1" / "FVMH0" / "SI1466.WAV"
    np.testing.assert_array_equal(
        read_audio(sphere), read_audio(sample / "timit" / "dr1-fvmh0" / "si1466.wav")
    )


def test_durations_of_real_recordings(shared):
    utterances = read_manifest(shared / "data" / "mixed" / "dev.jsonl")
    by_corpus = {utterance.corpus: utterance for utterance in utterances}
    assert len(by_corpus) == 3
    for utterance in by_corpus.values():
        assert audio_duration(utterance.audio) == pytest.approx(utterance.duration, abs=1e-3)
        assert len(read_audio(utterance.audio)) / 16000 == pytest.approx(utterance.duration, abs=1e-3)
