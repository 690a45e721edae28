"""A corpus without any download: sentences of :mod:`.grammar` spoken by eSpeak NG with many voices.

A voice is an accent and a variant (``us+f2``); this name is the manifest's ``speaker``. Voices and sentences
of the three splits are disjoint, dev and test contain words that training has never heard, and equal
arguments give equal samples, however many processes work.
"""

from __future__ import annotations

import io
import random
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import soundfile
from numpy.typing import NDArray

from speechq.data.corpora import grammar
from speechq.data.corpora.distortion import Distortion
from speechq.data.corpora.espeak import SAMPLE_RATE, Phone, Speaker, Spoken, check_installed, say
from speechq.data.manifest import Utterance, write_manifest
from speechq.data.workers import run_all
from speechq.errors import ConfigError, DataError
from speechq.files import remove_stale, replacing_folder
from speechq.progress import Bar, console, progress
from speechq.progress import say as say_line

_ACCENTS = ("us", "nyc", "gb", "rp", "lanc")
# A linear phone classifier trained on the other variants gets more than half of their frames right.
# Whispering, croaking, clipping and robot-like variants are left out altogether.
_CLEAR = """
    Alex Denis Diogo Gene Gene2 Henrique Hugo Mario Michael Mike Nguyen Reed Storm adam benjamin boris ed
    edward edward2 f1 f2 f3 f5 grandma grandpa iven3 iven4 john klatt3 klatt4 klatt5 klatt6 m1 m2 m3 m4 m5 m6
    m7 m8 max michel miguel pablo paul pedro quincy rob robert sandro victor
"""
# Women's voices that are understood less well, for training only: without them women would be rare there.
_OTHERS = "Andrea anika aunty belinda linda steph"
_UNHEARD = {"dev": ("f1", "m4"), "test": ("iven4", "max")}
_RATES, _PITCHES, _MARGINS = (130, 175), (30, 70), (0.1, 0.2)
_LEVEL_DB = (-30.0, -20.0)
_FLOOR_DB = -72.0
_CHUNK = 40


def split_voices(split: str) -> list[Speaker]:
    """Voices of one split.

    Most of those of dev and test are variants that training hears with other accents; the others (about a
    quarter) are variants that training never hears.
    """
    if split not in grammar.SPLITS:
        raise ConfigError(f"no split {split!r}; there are {', '.join(grammar.SPLITS)}")
    owner: dict[Speaker, str] = {}
    for name, variants in _UNHEARD.items():
        for place, variant in enumerate(variants):
            owner |= {Speaker(accent, variant): name for accent in _ACCENTS[place : place + 3]}
    heard = [variant for variant in _CLEAR.split() if not any(variant in only for only in _UNHEARD.values())]
    for place, variant in enumerate(heard[::3]):
        owner[Speaker(_ACCENTS[place % len(_ACCENTS)], variant)] = "test"
        owner[Speaker(_ACCENTS[(place + 2) % len(_ACCENTS)], variant)] = "dev"
    for variant in [*heard, *_OTHERS.split()]:
        for accent in _ACCENTS:
            owner.setdefault(Speaker(accent, variant), "train")
    return sorted(speaker for speaker, name in owner.items() if name == split)


@dataclass(frozen=True)
class _Order:
    """One utterance to be made, with everything that decides its samples."""

    id: str
    text: str
    speaker: Speaker
    seed: str
    others: tuple[Speaker, ...]


class _Alignments(NamedTuple):
    """Phones and words of an utterance, ``(label, start_s, end_s)``."""

    phones: tuple[Phone, ...]
    words: tuple[Phone, ...]


def spoken(text: str) -> str:
    """What eSpeak is given: lower case, and A named as a letter where letters are spelled."""
    lower = text.lower()
    return re.sub(r"(?<![\w'])(?:[a-z] )+[a-z](?![\w'])", lambda run: re.sub(r"\ba\b", "eigh", run[0]), lower)


def _words(text: str, found: Sequence[Spoken]) -> tuple[Phone, ...]:
    """Alignment of the words of ``text``; those that were spoken as one have a label together.

    Empty if the first word has no sound of its own.
    """
    words = text.split()
    ends = [number for number, _, _ in found[1:]] + [len(words)]
    rows = zip(found, ends, strict=True) if found and found[0][0] == 0 else ()
    return tuple((" ".join(words[first:last]), start, end) for (first, start, end), last in rows)


def _render(order: _Order, distortion: Distortion) -> tuple[NDArray[np.float32], _Alignments]:
    """Samples ``[n]`` and alignments of one utterance; a function of its arguments alone."""
    generator = np.random.default_rng(zlib.crc32(order.seed.encode()))
    rate, pitch = (int(generator.integers(low, high + 1)) for low, high in (_RATES, _PITCHES))
    clean, phones, words = say(
        spoken(order.text), order.speaker, rate, pitch, margin=float(generator.uniform(*_MARGINS))
    )

    def talk(choices: random.Random) -> NDArray[np.float64]:
        text = spoken(next(grammar.sentences("train", choices.randrange(2**31))))
        rate, pitch = choices.randint(*_RATES), choices.randint(*_PITCHES)
        return say(text, choices.choice(order.others), rate, pitch)[0].astype(np.float64)

    samples = distortion.apply(clean.astype(np.float64), generator, talk)
    samples *= 10.0 ** (generator.uniform(*_LEVEL_DB) / 20.0) / np.sqrt(np.mean(samples**2))
    # every recording has a noise floor; features of digital silence look like those of no real audio
    samples += generator.standard_normal(samples.size) * 10.0 ** (_FLOOR_DB / 20.0)
    samples *= min(1.0, 0.99 / np.abs(samples).max())
    return samples.astype(np.float32), _Alignments(tuple(phones), _words(order.text, words))


def _make(orders: Sequence[_Order], distortion: Distortion, folder: Path) -> list[tuple[float, _Alignments]]:
    """Write the audio of some utterances into ``folder``; their durations and alignments."""
    made = []
    for order in orders:
        samples, alignments = _render(order, distortion)
        path = folder / str(order.speaker) / f"{order.id}.flac"
        path.parent.mkdir(exist_ok=True)
        encoded = io.BytesIO()  # libsndfile's own writing does not say that the disc is full
        soundfile.write(encoded, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
        path.write_bytes(encoded.getvalue())
        made.append((samples.size / SAMPLE_RATE, alignments))
    return made


def _make_all(
    orders: Sequence[_Order], distortion: Distortion, folder: Path, workers: int, bar: Bar
) -> list[tuple[float, _Alignments]]:
    """``_make`` of all utterances, in their order, by several processes."""
    jobs = [(orders[start : start + _CHUNK], distortion, folder) for start in range(0, len(orders), _CHUNK)]
    made: dict[int, list[tuple[float, _Alignments]]] = {}
    for k, spoken_chunk in run_all(_make, jobs, workers):
        made[k] = spoken_chunk
        bar.advance(len(spoken_chunk))
    return [utterance for k in range(len(jobs)) for utterance in made[k]]


def _write_split(
    orders: Sequence[_Order], split: str, out: Path, distortion: Distortion, workers: int | None
) -> Path:
    """Audio first, manifest last: a killed preparation leaves nothing that looks complete."""
    manifest = out / f"{split}.jsonl"
    manifest.unlink(missing_ok=True)
    remove_stale(out / "audio", split)
    folder = out / "audio" / split
    with replacing_folder(folder) as temporary, progress(split, len(orders), "utterances") as bar:
        made = _make_all(orders, distortion, temporary, workers or 0, bar)
    if not console.is_terminal:
        say_line(f"{split}: {len(orders)} utterances spoken")
    write_manifest(
        manifest,
        [
            Utterance(
                id=order.id,
                audio=folder / str(order.speaker) / f"{order.id}.flac",
                duration=duration,
                text=order.text,
                speaker=str(order.speaker),
                corpus="synth",
                phones=alignments.phones,
                words=alignments.words,
            )
            for order, (duration, alignments) in zip(orders, made, strict=True)
        ],
    )
    return manifest


def _orders(texts: Iterable[str], split: str, speakers: Sequence[Speaker], seed: int) -> list[_Order]:
    """One utterance a text. Voices take turns in shuffled order: even few utterances have many."""
    generator = random.Random(f"{seed}/voices/{split}")
    orders: list[_Order] = []
    turn: list[Speaker] = []
    for index, text in enumerate(texts):
        turn = turn or generator.sample(list(speakers), len(speakers))
        name = f"{split}-{index:06d}"
        orders.append(_Order(name, text, turn.pop(), f"{seed}/{name}", tuple(speakers)))
    return orders


def _until(words: int, texts: Iterator[str]) -> Iterator[str]:
    count = 0
    while count < words:
        text = next(texts)
        count += len(text.split())
        yield text


def prepare(
    source: Path | None,
    out: Path,
    *,
    seed: int = 1,
    train_utterances: int = 4000,
    dev_utterances: int = 200,
    test_words: int = 2000,
    noise: float = 0.0,
    reverberation: float = 0.0,
    noise_folder: str | Path | None = None,
    room_folder: str | Path | None = None,
    workers: int | None = None,
) -> dict[str, Path]:
    """Speak the corpus into ``out``: FLAC files in ``audio/<split>/<voice>/`` and one manifest a split.

    ``source`` is not read (other corpora need one). ``noise`` and ``reverberation`` are shares of the
    utterances, see :class:`.Distortion`. Returns the manifests by split.
    """
    check_installed()
    distortion = Distortion(noise, reverberation, noise_folder, room_folder)
    sizes = {"train_utterances": train_utterances, "dev_utterances": dev_utterances, "test_words": test_words}
    for key, value in sizes.items():
        if value < 1:
            raise ConfigError(f"{key} is {value}, but must be at least 1")
    texts = {
        "train": islice(grammar.sentences("train", seed), train_utterances),
        "dev": islice(grammar.sentences("dev", seed), dev_utterances),
        "test": _until(test_words, grammar.sentences("test", seed)),
    }
    return {
        split: _write_split(
            _orders(chosen, split, split_voices(split), seed), split, Path(out), distortion, workers
        )
        for split, chosen in texts.items()
    }


def prepare_text(
    sentences: Iterable[str],
    out: Path,
    *,
    split: str = "train",
    seed: int = 1,
    voices: Literal["train", "all"] = "train",
    noise: float = 0.0,
    reverberation: float = 0.0,
    noise_folder: str | Path | None = None,
    room_folder: str | Path | None = None,
    workers: int | None = None,
) -> Path:
    """Speak given sentences (A-Z, apostrophe, space), each once, and write ``out/<split>.jsonl``.

    ``voices`` is ``train`` (only those that :func:`prepare` trains with) or ``all``.
    """
    check_installed()
    texts = list(sentences)
    for number, text in enumerate(texts, 1):
        if not re.fullmatch(r"[A-Z']+( [A-Z']+)*", text):
            raise DataError(
                f"sentence {number} is {text!r}, but only A-Z, apostrophe and single spaces can be spoken"
            )
    chosen = {"train": ("train",), "all": grammar.SPLITS}.get(voices)
    if chosen is None:
        raise ConfigError(f"voices is {voices!r}, but must be 'train' or 'all'")
    speakers = [speaker for name in chosen for speaker in split_voices(name)]
    distortion = Distortion(noise, reverberation, noise_folder, room_folder)
    return _write_split(_orders(texts, split, speakers, seed), split, Path(out), distortion, workers)
