"""Audio in, words out: any chunking and company gives the bits of decoding offline."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from packed_models import random_model
from tiny_speech import RATE, random_text, tones

import speechq
from speechq import Recognizer, Transcript
from speechq.data.audio import read_audio
from speechq.data.features import Frontend
from speechq.errors import ConfigError, DataError, ModelError
from speechq.runtime.decoder_settings import Calibration, DecoderSettings, WordTimes, write_settings
from speechq.runtime.endpoint import EndpointRule
from speechq.runtime.engine import Engine
from speechq.runtime.model_file import read_model, write_model
from speechq.runtime.model_folder import find_model
from speechq.runtime.stream import Stream
from speechq.text.error_rates import word_errors

Samples = NDArray[np.float32]
some = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def speech(seed: int, texts: int = 2, pause: float = 0.3) -> Samples:
    rng = np.random.default_rng(seed)
    return np.concatenate([tones(random_text(rng), rng, behind=pause) for _ in range(texts)])


def offline(model: Path, samples: Samples) -> tuple[str, list[tuple[str, int, int]]]:
    """Text and words in frames by the parts that training's evaluation uses, all in one piece."""
    files = find_model(model)
    network = read_model(files.acoustic)
    frontend = Frontend(network.audio(), network.mean, network.scale)
    frames = np.concatenate([frontend.accept(samples), frontend.finish()])
    (log_probs,) = Engine(files.acoustic).forward([frames])
    stream = files.decoder(network.units).stream()
    stream.accept(log_probs)
    best = stream.finish(1)[0]
    return best.text, [(word.text, word.start, word.end) for word in best.words]


def whole(recognizer: Recognizer, samples: Samples, rate: int = RATE) -> Transcript:
    stream = recognizer.create_stream()
    stream.accept_waveform(samples, rate)
    stream.input_finished()
    recognizer.decode([stream])
    return stream.result


@pytest.fixture(scope="module", params=["greedy", "beam"])
def model(request: pytest.FixtureRequest, tones_model: Path, tones_folder: Path) -> Path:
    return tones_model if request.param == "greedy" else tones_folder


@pytest.fixture(scope="module")
def recognizer(model: Path) -> Recognizer:
    return Recognizer.load(model)


def test_speech_becomes_words_with_times(recognizer: Recognizer) -> None:
    rng = np.random.default_rng(0)
    text = "ACE FAD B"
    samples = tones(text, rng, before=1.0, behind=1.0)
    found = whole(recognizer, samples)
    assert found.text == found.stable_text == text
    assert found.final
    assert [word.text for word in found.words] == text.split()
    starts = [1.0, 1.0 + 4 * 0.155, 1.0 + 8 * 0.155]  # letters last 0.14 to 0.17 s each
    for word, start in zip(found.words, starts, strict=True):
        assert abs(word.start - start) < 0.2
        assert abs(word.end - start - 0.155 * len(word.text)) < 0.25
        assert 0.5 < word.confidence <= 1.0
    assert found.start == 0.0
    assert abs(found.end - len(samples) / RATE) < 0.1


def test_the_text_is_that_of_decoding_offline(model: Path, recognizer: Recognizer) -> None:
    for seed in range(8):
        samples = speech(seed)
        found = whole(recognizer, samples)
        text, words = offline(model, samples)
        assert found.text == text
        assert found.words
        frames = [(w.text, round(w.start / 0.03), round(w.end / 0.03)) for w in found.words]
        assert frames == words


Calls = Sequence[tuple[int, bool]]


def feed(
    recognizer: Recognizer, stream: Stream, samples: Samples, rate: int, calls: Calls
) -> list[Transcript]:
    """Give the samples in chunks, decoding behind those that say so; the segments."""
    start, k, found = 0, 0, []
    while start < len(samples):
        size, decodes = calls[k % len(calls)]
        stream.accept_waveform(samples[start : start + size], rate)
        start, k = start + size, k + 1
        if decodes:
            recognizer.decode([stream])
            found += stream.segments()
    stream.input_finished()
    recognizer.decode([stream])
    return found + stream.segments()


@some
@given(
    seed=st.integers(0, 3),
    calls=st.lists(st.tuples(st.integers(0, 9000), st.booleans()), min_size=1, max_size=5).filter(
        lambda calls: sum(size for size, _ in calls) > 300 * len(calls)
    ),
    endpointing=st.booleans(),
    rate=st.sampled_from([16000, 24000, 44100, 48000]),
)
def test_any_chunking_gives_the_same_result(
    recognizer: Recognizer, seed: int, calls: Calls, endpointing: bool, rate: int
) -> None:
    samples = soxr.resample(speech(seed, 3, 1.2), RATE, rate)
    once, cut = recognizer.create_stream(endpointing), recognizer.create_stream(endpointing)
    expected = feed(recognizer, once, samples, rate, [(len(samples), False)])
    assert len(expected) == (3 if endpointing else 1)
    assert all(segment.words for segment in expected)
    assert feed(recognizer, cut, samples, rate, calls) == expected


@pytest.mark.parametrize("rate", [16000, 24000, 44100, 48000])
def test_a_file_gives_the_text_of_the_whole_recording(
    tmp_path: Path, model: Path, recognizer: Recognizer, rate: int
) -> None:
    samples = soxr.resample(speech(5, 8), RATE, rate)
    path = tmp_path / "a.wav"
    soundfile.write(path, np.stack([samples, 0.5 * samples], axis=1), rate)
    found = recognizer.transcribe(path)
    assert found.text == offline(model, read_audio(path))[0]
    assert found.text
    assert found.end == pytest.approx(len(samples) / rate)


@pytest.mark.parametrize("kind", ["int16", "int32", "float64", "channels", "list"])
def test_every_type_of_samples_means_the_same(recognizer: Recognizer, kind: str) -> None:
    steps = np.round(speech(1) * 32000).astype(np.int16)
    samples = steps.astype(np.float32) / 32768
    other = {
        "int16": steps,
        "int32": steps.astype(np.int32) << 16,
        "float64": samples.astype(np.float64),
        "channels": np.stack([samples, samples], axis=1),
        "list": samples.tolist(),
    }[kind]
    assert whole(recognizer, other) == whole(recognizer, samples)


def test_streams_that_share_a_block_do_not_disturb_each_other(recognizer: Recognizer) -> None:
    recordings = [speech(seed, seed % 3 + 1) for seed in range(6)]
    streams = [recognizer.create_stream() for _ in recordings]
    for start in range(0, max(map(len, recordings)), 4000):
        for stream, samples in zip(streams, recordings, strict=True):
            if start < len(samples):
                stream.accept_waveform(samples[start : start + 4000], RATE)
                if start + 4000 >= len(samples):
                    stream.input_finished()
        recognizer.decode([*streams, streams[0]])
    assert all(stream.is_finished for stream in streams)
    assert [stream.result for stream in streams] == [whole(recognizer, samples) for samples in recordings]


def test_threads_share_a_recognizer(recognizer: Recognizer) -> None:
    recordings = [speech(seed) for seed in range(4)]
    expected = [whole(recognizer, samples) for samples in recordings]
    streams = [recognizer.create_stream() for _ in recordings]
    done = threading.Event()

    def give(stream: Stream, samples: Samples) -> None:
        for start in range(0, len(samples), 1000):
            stream.accept_waveform(samples[start : start + 1000], RATE)
        stream.input_finished()

    def decode(order: int) -> None:
        while not done.is_set():
            recognizer.decode(streams[::order])

    givers = [threading.Thread(target=give, args=pair) for pair in zip(streams, recordings, strict=True)]
    decoders = [threading.Thread(target=decode, args=(order,)) for order in (1, -1)]
    for thread in givers + decoders:
        thread.start()
    for thread in givers:
        thread.join(60)
    recognizer.decode(streams)
    done.set()
    for thread in decoders:
        thread.join(60)
    assert [stream.result for stream in streams] == expected


def test_stable_text_only_grows(recognizer: Recognizer) -> None:
    stream, samples, stable = recognizer.create_stream(), speech(7, 4), ""
    for start in range(0, len(samples), 800):
        stream.accept_waveform(samples[start : start + 800], RATE)
        recognizer.decode([stream])
        now = stream.result
        assert now.stable_text.startswith(stable)
        assert now.text == now.stable_text + now.partial
        assert not now.final
        stable = now.stable_text
    stream.input_finished()
    recognizer.decode([stream])
    assert stream.result.text.startswith(stable)
    assert stable


def test_segments_are_handed_out_once_with_times_of_the_stream(recognizer: Recognizer) -> None:
    rng = np.random.default_rng(4)
    texts = ["ACE B", "FAD", "BED CAB"]
    samples = np.concatenate([tones(text, rng, behind=2.0) for text in texts])
    stream = recognizer.create_stream(endpointing=True)
    found = feed(recognizer, stream, samples, RATE, [(3000, True)])
    assert [segment.text for segment in found] == texts
    assert stream.segments() == []
    assert all(segment.final and segment.stable_text == segment.text for segment in found)
    for before, after in pairwise(found):
        assert before.end <= after.start
        assert before.words[-1].end < after.words[0].start
        assert after.words[0].start > 2.0
    assert stream.result == found[-1] or stream.result.text == ""


def test_one_endless_stream_has_the_error_rate_of_its_utterances(recognizer: Recognizer) -> None:
    rng = np.random.default_rng(21)
    texts = [random_text(rng) for _ in range(60)]
    recordings = [tones(text, rng, 0.3, 1.0) for text in texts]
    alone = [whole(recognizer, samples).text for samples in recordings]
    stream = recognizer.create_stream(endpointing=True)
    found = feed(recognizer, stream, np.concatenate(recordings), RATE, [(1600, True)])
    together = " ".join(segment.text for segment in found)
    reference = " ".join(texts)
    words = len(reference.split())
    errors = [_errors(reference, said) / words for said in (" ".join(alone), together)]
    assert errors[0] < 0.2
    assert errors[1] <= errors[0] + 0.01
    assert len(found) == len(texts)


def _errors(reference: str, said: str) -> int:
    count = word_errors(reference, said)
    return count.substitutions + count.deletions + count.insertions


def test_a_long_segment_ends_between_words(tones_model: Path) -> None:
    rules = [EndpointRule(length=2.0, between_words=True)]
    recognizer = Recognizer.load(tones_model, endpoint_rules=rules)
    samples = speech(11, 12, 0.15)
    expected = whole(recognizer, samples)
    stream = recognizer.create_stream(endpointing=True)
    found = feed(recognizer, stream, samples, RATE, [(len(samples), True)])
    assert len(found) > 3
    assert " ".join(segment.text for segment in found) == expected.text
    assert [word for segment in found for word in segment.words] == list(expected.words)


def test_memory_stays_the_same_on_a_long_stream(recognizer: Recognizer) -> None:
    stream, samples, held = recognizer.create_stream(endpointing=True), speech(3, 12, 1.5), []
    assert len(samples) > 25 * RATE
    tracemalloc.start()
    for _ in range(5):
        for start in range(0, len(samples), RATE):
            stream.accept_waveform(samples[start : start + RATE], RATE)
            recognizer.decode([stream])
            assert stream.waiting_seconds == 0
            stream.segments()
        held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert max(held[2:]) < held[1] + 30_000


def test_reset_begins_another_recording(recognizer: Recognizer) -> None:
    stream = recognizer.create_stream()
    stream.accept_waveform(speech(1), RATE)
    recognizer.decode([stream])
    stream.reset()
    assert stream.result.text == ""
    assert stream.seconds == 0
    feed(recognizer, stream, soxr.resample(speech(2), RATE, 8000), 8000, [(999, True)])
    assert stream.result == whole(recognizer, soxr.resample(speech(2), RATE, 8000), 8000)


def test_nothing_gives_nothing(recognizer: Recognizer) -> None:
    stream = recognizer.create_stream(endpointing=True)
    recognizer.decode([])
    recognizer.decode([stream])
    assert stream.result.text == ""
    stream.input_finished()
    recognizer.decode([stream])
    assert stream.is_finished
    assert (stream.result.text, stream.result.words, stream.segments()) == ("", (), [])


def test_what_cannot_be_taken_is_named(recognizer: Recognizer) -> None:
    stream = recognizer.create_stream()
    for samples, rate, expected in (
        (np.zeros((2, 2, 2), np.float32), RATE, "shape"),
        (np.zeros(5, np.uint8), RATE, "uint8"),
        (np.array([0.0, np.nan]), RATE, "not numbers"),
        (
            np.array([0.0, -32767.0]),
            RATE,
            "samples up to 32767: expected values in .-1, 1., or 16-bit samples",
        ),
        (np.zeros(5), 10, "sample rate 10"),
    ):
        with pytest.raises(DataError, match=expected):
            stream.accept_waveform(samples, rate)
    stream.accept_waveform(np.zeros(100), RATE)
    with pytest.raises(DataError, match="8000 after 16000"):
        stream.accept_waveform(np.zeros(100), 8000)
    stream.input_finished()
    with pytest.raises(DataError, match="after input_finished"):
        stream.accept_waveform(np.zeros(100), RATE)


def test_load_takes_options_and_names_what_is_wrong(
    tmp_path: Path, tones_model: Path, tones_folder: Path
) -> None:
    ngram = tones_folder / "words.arpa"
    given = Recognizer.load(tones_model, ngram=ngram, beam=16, ngram_weight=0.5, oov_penalty=-2.0)
    samples = speech(2)
    assert whole(given, samples) == whole(Recognizer.load(tones_folder), samples)
    with pytest.raises(ConfigError, match="beam is 0"):
        Recognizer.load(tones_model, beam=0)
    with pytest.raises(ModelError, match="no such model"):
        Recognizer.load(tmp_path / "none.sqm")
    write_model(tmp_path / "lm.sqm", random_model("lstm", features=None))
    with pytest.raises(ModelError, match="a language model; expected an acoustic model"):
        Recognizer.load(tmp_path / "lm.sqm")


def test_the_folder_corrects_times_and_confidence(tmp_path: Path, tones_model: Path) -> None:
    (tmp_path / "am.sqm").write_bytes(tones_model.read_bytes())
    write_settings(
        tmp_path / "decoder.json",
        DecoderSettings(times=WordTimes(start=-0.5, end=0.25), calibration=Calibration(scale=0.0)),
    )
    plain = whole(Recognizer.load(tones_model, beam=64), speech(2)).words
    found = whole(Recognizer.load(tmp_path), speech(2)).words
    assert [word.text for word in found] == [word.text for word in plain]
    for word, before in zip(found, plain, strict=True):
        assert word.start == max(0.0, before.start - 0.5)
        assert word.end == before.end + 0.25
        assert word.confidence == 0.5


def test_the_package_gives_the_recognizer() -> None:
    assert speechq.Recognizer is Recognizer
    with pytest.raises(AttributeError, match="no attribute 'Recogniser'"):
        speechq.Recogniser  # noqa: B018
