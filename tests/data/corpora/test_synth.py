from __future__ import annotations

import hashlib
import json
import multiprocessing
import random
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from speechq.data.corpora import distortion, espeak, grammar, synth
from speechq.data.corpora.distortion import Distortion
from speechq.data.corpora.espeak import Speaker, say
from speechq.data.manifest import Utterance, read_manifest
from speechq.errors import ConfigError, DataError

pytest.importorskip("espeakng_loader", reason="needs eSpeak NG: pip install 'speechq[demo]'")

RATE = 16000


def digest(samples: np.ndarray[Any, Any]) -> str:
    return hashlib.sha256(samples.tobytes()).hexdigest()


def say_digest(text: str, voice: Speaker) -> str:
    return digest(say(text, voice)[0])


def check_phones(utterance: Utterance) -> None:
    starts, ends = [p[1] for p in utterance.phones], [p[2] for p in utterance.phones]
    assert starts[0] == 0.0
    assert ends[-1] == pytest.approx(utterance.duration, abs=2e-3)
    assert starts[1:] == ends[:-1]
    assert all(end > start for start, end in zip(starts, ends, strict=True))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Utterance]]:
    out = tmp_path_factory.mktemp("synth")
    manifests = synth.prepare(None, out, train_utterances=90, dev_utterances=40, test_words=2000, workers=2)
    assert manifests == {split: out / f"{split}.jsonl" for split in ("train", "dev", "test")}
    return {split: read_manifest(path) for split, path in manifests.items()}


# --- eSpeak


@pytest.mark.parametrize("variant", ["f2", "klatt4", "Andy", "m3"])
def test_speech_depends_on_its_arguments_alone(variant: str) -> None:
    voice = Speaker("us", variant)
    first = say_digest("seven little foxes", voice)
    say("something else", Speaker("scot", "f5"), 190, 70)
    assert say_digest("seven little foxes", voice) == first


def test_speech_is_the_same_in_another_process() -> None:
    voice = Speaker("rp", "f2")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        other = pool.apply(say_digest, ("seven little foxes", voice))
    assert other == say_digest("seven little foxes", voice)


def test_phones_lie_where_the_sound_is() -> None:
    """Sibilants have their energy above 3 kHz, vowels below, whatever eSpeak's events say."""
    samples, phones, _ = say("she sells six sea shells so she says", Speaker("us", "m3"), 150)
    checked = 0
    for label, start, end in phones:
        middle = samples[round((start + 0.02) * RATE) : round((end - 0.02) * RATE)]
        if middle.size < 300 or label == espeak.SILENCE:
            continue
        power = np.abs(np.fft.rfft(middle * np.hanning(middle.size))) ** 2
        high = power[round(3000 / RATE * middle.size) :].sum() / power.sum()
        if label in ("s", "S"):
            assert high > 0.5, (label, start)
            checked += 1
        elif label[0] in "aeiouEIOUV":
            assert high < 0.2, (label, start)
            checked += 1
    assert checked >= 14


def test_phone_labels_of_known_words() -> None:
    _, phones, words = say("six cats", Speaker("us", "m3"))
    assert [label for label, _, _ in phones] == ["_", "s", "I", "k", "s", "k", "a", "t", "s", "_"]
    assert words == [(0, phones[1][1], phones[4][2]), (1, phones[5][1], phones[8][2])]


def test_words_that_are_spoken_as_one_are_one_entry() -> None:
    _, phones, words = say("cats in the hall", Speaker("us", "m3"))
    assert [number for number, _, _ in words] == [0, 1, 3]
    assert words[-1][2] == phones[-2][2]


def test_margins_are_silent_and_of_the_asked_length() -> None:
    samples, phones, _ = say("hello", Speaker("gb", "m1"), margin=0.15)
    loud = np.flatnonzero(np.abs(samples) > 2e-3) / RATE
    assert loud[0] == pytest.approx(0.15, abs=0.01)
    assert samples.size / RATE - loud[-1] == pytest.approx(0.15, abs=0.01)
    assert phones[0][0] == phones[-1][0] == espeak.SILENCE


def test_rate_and_pitch_have_their_effect() -> None:
    def pitch_of(samples: np.ndarray[Any, Any]) -> float:
        wave = samples[samples.size // 2 - 2000 : samples.size // 2 + 2000].astype(np.float64)
        correlation = np.correlate(wave, wave, "full")[wave.size - 1 :]
        return RATE / (80 + int(correlation[80:400].argmax()))  # a man's voice is below 200 Hz

    voice = Speaker("us", "m3")
    slow, fast = (say("one two three four", voice, rate)[0].size for rate in (130, 200))
    assert 1.3 < slow / fast < 1.8
    low, high = (pitch_of(say("aah", voice, 130, pitch)[0]) for pitch in (30, 70))
    assert high > 1.15 * low


def test_spelled_a_is_the_letter() -> None:
    assert synth.spoken("HIS NAME IS A BEN") == "his name is a ben"
    assert synth.spoken("MY NAME IS ANNA A N N A") == "my name is anna eigh n n eigh"
    assert synth.spoken("DON'T SPELL A B") == "don't spell eigh b"
    labels = [label for label, _, _ in say(synth.spoken("B A B"), Speaker("us", "m3"))[1]]
    assert labels.count("eI") == 1


def test_bad_arguments_of_say() -> None:
    with pytest.raises(ConfigError, match=r"no accent 'fr'.*us, nyc"):
        say("hello", Speaker("fr", "m1"))
    with pytest.raises(ConfigError, match=r"no voice 'gmw/xx"):
        espeak._synthesize("hello", "gmw/xx+m1", 160, 50, 1)
    with pytest.raises(DataError, match="no sound"):
        say("", Speaker("us", "m1"))


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(ConfigError, match=r"pip install 'speechq\[demo\]'"):
        synth.prepare(None, tmp_path / "out")
    assert not (tmp_path / "out").exists()


# --- the corpus


def test_voices_of_the_splits_are_disjoint_and_some_variants_unheard() -> None:
    voices = {split: set(synth.split_voices(split)) for split in grammar.SPLITS}
    assert not voices["train"] & voices["dev"]
    assert not voices["train"] & voices["test"]
    assert not voices["dev"] & voices["test"]
    variants = {split: {voice.variant for voice in chosen} for split, chosen in voices.items()}
    for split in ("dev", "test"):
        assert len(voices[split]) >= 20
        unheard = {v for v in voices[split] if v.variant not in variants["train"]}
        assert 0.2 < len(unheard) / len(voices[split]) < 0.4
    assert len(voices["train"]) > 200
    with pytest.raises(ConfigError, match="no split 'all'"):
        synth.split_voices("all")


def test_test_split_is_large_and_unheard(corpus: dict[str, list[Utterance]]) -> None:
    train, test = corpus["train"], corpus["test"]
    words = [word for utterance in test for word in utterance.text.split()]
    assert 2000 <= len(words) < 2020
    assert len({utterance.speaker for utterance in test}) >= 10
    heard = {word for text in islice(grammar.sentences("train", 1), 4000) for word in text.split()}
    assert sum(word not in heard for word in words) / len(words) >= 0.02
    for split in ("dev", "test"):
        assert not {u.speaker for u in train} & {u.speaker for u in corpus[split]}
        assert not {u.text for u in train} & {u.text for u in corpus[split]}
    assert not {u.speaker for u in corpus["dev"]} & {u.speaker for u in test}


def test_recordings_are_as_the_manifest_says(corpus: dict[str, list[Utterance]]) -> None:
    for split, utterances in corpus.items():
        assert len({utterance.id for utterance in utterances}) == len(utterances)
        for utterance in utterances[::7]:
            info = soundfile.info(utterance.audio)
            assert (info.samplerate, info.channels, info.subtype) == (RATE, 1, "PCM_16")
            assert info.duration == pytest.approx(utterance.duration, abs=1e-3)
            assert utterance.audio.parent.name == utterance.speaker
            assert utterance.audio.parents[1].name == split
            samples, _ = soundfile.read(utterance.audio)
            assert -33 < 20 * np.log10(np.sqrt(np.mean(samples**2))) < -17
            assert np.abs(samples).max() < 1.0
            assert utterance.corpus == "synth"


def test_phones_cover_every_recording(corpus: dict[str, list[Utterance]]) -> None:
    for utterances in corpus.values():
        for utterance in utterances:
            check_phones(utterance)
            assert len(utterance.phones) >= 1.5 * len(utterance.text.split())
            assert " ".join(label for label, _, _ in utterance.words) == utterance.text
            edges = [edge for _, start, end in utterance.words for edge in (start, end)]
            assert edges == sorted(edges)


def contents(out: Path) -> dict[str, str]:
    found = {str(p.relative_to(out)): digest(soundfile.read(p)[0]) for p in out.rglob("*.flac")}
    return found | {p.name: p.read_text() for p in out.glob("*.jsonl")}


def test_same_seed_same_samples_with_any_number_of_workers(tmp_path: Path) -> None:
    sizes: dict[str, Any] = {"train_utterances": 41, "dev_utterances": 3, "test_words": 20}
    share: dict[str, Any] = {"noise": 0.3, "reverberation": 0.5}
    synth.prepare(None, tmp_path / "a", workers=1, seed=3, **sizes, **share)
    synth.prepare(None, tmp_path / "b", workers=2, seed=3, **sizes, **share)
    first, second = contents(tmp_path / "a"), contents(tmp_path / "b")
    assert len([name for name in first if name.endswith(".flac")]) > 44
    assert first == second
    synth.prepare(None, tmp_path / "c", workers=1, seed=4, **(sizes | {"train_utterances": 5}))
    other = contents(tmp_path / "c")
    assert not set(first.values()) & set(other.values())


def test_an_interrupted_preparation_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: dict[str, Any] = {"train_utterances": 45, "dev_utterances": 2, "test_words": 10}
    synth.prepare(None, tmp_path, workers=1, **sizes)
    real, calls = synth._make, []

    def killed(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(synth, "_make", killed)
    (tmp_path / "audio" / ".train.left.tmp").mkdir()  # of a preparation that was killed outright
    with pytest.raises(KeyboardInterrupt):
        synth.prepare(None, tmp_path, workers=1, seed=2, **sizes)
    assert not (tmp_path / "train.jsonl").exists()
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]
    read_manifest(tmp_path / "test.jsonl")  # the splits not begun are whole


def test_bad_options_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"noise is 1.5"):
        synth.prepare(None, tmp_path, noise=1.5)
    with pytest.raises(ConfigError, match=r"dev_utterances is 0"):
        synth.prepare(None, tmp_path, dev_utterances=0)
    with pytest.raises(ConfigError, match=r"noise_folder: .*recordings"):
        synth.prepare(None, tmp_path, noise=0.5, noise_folder=tmp_path)


def test_plain_line_where_there_is_no_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    synth.prepare_text(["HELLO"], tmp_path, workers=1)
    assert capsys.readouterr().err == "train: 1 utterances spoken\n"


def test_given_sentences_are_spoken_by_training_voices(tmp_path: Path) -> None:
    texts = ["THE QUICK BROWN FOX", "IT ISN'T A JOKE", "THE QUICK BROWN FOX"]
    path = synth.prepare_text(texts, tmp_path, split="extra", seed=5, workers=1)
    utterances = read_manifest(path)
    assert path == tmp_path / "extra.jsonl"
    assert [utterance.text for utterance in utterances] == texts
    assert {utterance.speaker for utterance in utterances} <= {str(v) for v in synth.split_voices("train")}
    assert utterances[0].speaker != utterances[2].speaker
    for utterance in utterances:
        check_phones(utterance)
    with pytest.raises(DataError, match=r"sentence 2 is 'Hello!'"):
        synth.prepare_text(["YES", "Hello!"], tmp_path)
    with pytest.raises(ConfigError, match=r"voices is 'some'"):
        synth.prepare_text(["YES"], tmp_path, voices="some")  # type: ignore[arg-type]


# --- noise and rooms


def talk(choices: random.Random) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.random.default_rng(choices.randrange(1000)).standard_normal(8000) * 0.1


def test_noise_has_the_promised_ratio() -> None:
    clean = np.sin(np.arange(16000) * 0.1)
    for seed in range(30):
        noisy = Distortion(noise=1.0).apply(clean, np.random.default_rng(seed), talk)
        assert noisy.size == clean.size
        ratio = 10 * np.log10(np.mean(clean**2) / np.mean((noisy - clean) ** 2))
        assert 4.99 <= ratio <= 25.01


def test_shares_are_kept() -> None:
    clean = np.sin(np.arange(1600) * 0.1)
    generator = np.random.default_rng(0)
    changed = [
        not np.array_equal(Distortion(noise=0.3).apply(clean, generator, talk), clean) for _ in range(400)
    ]
    assert 0.23 < np.mean(changed) < 0.37
    assert np.array_equal(Distortion().apply(clean, generator, talk), clean)


def test_pink_noise_falls_by_three_decibels_an_octave() -> None:
    class Pink:
        def __init__(self) -> None:
            self.real = np.random.default_rng(1)

        def choice(self, kinds: tuple[str, ...]) -> str:
            return kinds[1]

        def standard_normal(self, size: int) -> Any:
            return self.real.standard_normal(size)

    noise = distortion._noise(1 << 17, None, Pink(), talk)  # type: ignore[arg-type]
    power = np.abs(np.fft.rfft(noise)) ** 2
    octaves = [10 * np.log10(power[1 << k : 2 << k].mean()) for k in range(8, 16)]
    assert np.diff(octaves) == pytest.approx(-3.01, abs=0.8)


def test_a_room_keeps_the_direct_sound_in_place_and_decays() -> None:
    click = np.zeros(16000)
    click[1000] = 1.0
    heard = Distortion(reverberation=1.0).apply(click, np.random.default_rng(1), talk)
    assert heard.size == click.size
    assert np.abs(heard[:1000]).max() < 1e-9
    assert heard[1000] == pytest.approx(1.0)
    early, late = (np.mean(heard[start : start + 800] ** 2) for start in (1040, 2640))
    assert early > 4 * late > 0


def test_convolution_against_numpy() -> None:
    generator = np.random.default_rng(2)
    for size, length in ((1, 1), (5, 9), (100, 33), (64, 65)):
        samples, response = generator.standard_normal(size), generator.standard_normal(length)
        assert distortion._convolve(samples, response) == pytest.approx(np.convolve(samples, response)[:size])


def test_noise_and_rooms_from_folders(shared: Path) -> None:
    folder = shared / "data" / "noise_rir"
    clean, _, _ = say("hello world", Speaker("us", "m1"))
    chosen = Distortion(1.0, 1.0, folder / "noise", folder / "rir")
    first, second = (
        chosen.apply(clean.astype(np.float64), np.random.default_rng(seed), talk) for seed in (1, 1)
    )
    assert np.array_equal(first, second)
    assert np.all(np.isfinite(first))
    assert not np.allclose(first, clean)


def test_silent_noise_file_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(100), 8000)
    with pytest.raises(DataError, match=r"a\.wav is silent"):
        Distortion(1.0, 0.0, tmp_path).apply(np.ones(100), np.random.default_rng(1), talk)


def test_manifest_is_plain_json(corpus: dict[str, list[Utterance]], tmp_path: Path) -> None:
    lines: Iterator[str] = iter(
        (corpus["test"][0].audio.parents[3] / "test.jsonl").read_text(encoding="utf-8").splitlines()
    )
    first = json.loads(next(lines))
    assert first["audio"].startswith("audio/test/")
    assert first["speaker"].count("+") == 1
