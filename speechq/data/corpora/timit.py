"""TIMIT: the LDC disc (``TRAIN/DR1/FCJF0/SA1.WAV``) and the NLTK sample (``timit/dr1-fvmh0/sa1.wav``).

Protocol of published phone error rates: the SA sentences, which all speakers read, are left out; 462 speakers
train, 50 dev, 24 core test; the other 94 speakers of TEST are not used. Speaker lists as in Kaldi's recipe.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from speechq.data.audio import SAMPLE_RATE, audio_duration
from speechq.data.corpora.discs import entries, find
from speechq.data.manifest import Utterance, write_manifest
from speechq.errors import ConfigError, DataError
from speechq.text.normalize import ALPHABET, normalize_text
from speechq.text.phones import PHONES_61, SILENCE, fold_label, phone_set

_CORE_TEST_NAMES = """
mdab0 mwbt0 felc0 mtas1 mwew0 fpas0 mjmp0 mlnt0 fpkt0 mlll0 mtls0 fjlm0 mbpm0 mklt0 fnlp0 mcmj0
mjdh0 fmgd0 mgrt0 mnjm0 fdhc0 mjln0 mpam0 fmld0
"""
CORE_TEST = frozenset(_CORE_TEST_NAMES.split())
_DEV_NAMES = """
faks0 fdac1 fjem0 mgwt0 mjar0 mmdb1 mmdm2 mpdf0 fcmh0 fkms0 mbdg0 mbwm0 mcsh0 fadg0 fdms0 fedw0
mgjf0 mglb0 mrtk0 mtaa0 mtdt0 mthc0 mwjg0 fnmr0 frew0 fsem0 mbns0 mmjr0 mdls0 mdlf0 mdvc0 mers0
fmah0 fdrw0 mrcs0 mrjm4 fcal1 mmwh0 fjsj0 majc0 mjsw0 mreb0 fgjd0 fjmg0 mroa0 mteb0 mjfc0 mrjr0
fmml0 mrws1
"""
DEV = frozenset(_DEV_NAMES.split())
EXPECTED = {"train": 3696, "dev": 400, "test": 192}

# The NLTK sample holds speakers of TRAIN only; it gets a split of its own.
SAMPLE_DEV = frozenset({"ftlg0", "madd0"})
SAMPLE_TEST = frozenset({"mcpm0", "falk0"})

_KNOWN = frozenset(PHONES_61)


@dataclass(frozen=True)
class _Sentence:
    """Files of one recording; ``dialect`` such as ``dr1``, names in lower case."""

    dialect: str
    speaker: str
    name: str
    audio: Path
    phones: Path
    words: Path


def prepare(
    source: Path,
    out: Path,
    *,
    text: Literal["phones", "words"] = "phones",
    phones: Literal[61, 48, 39] = 61,
    collapse_silence: bool = False,
    alphabet: str = ALPHABET,
    strict: bool = True,
) -> dict[str, Path]:
    """Write ``train.jsonl``, ``dev.jsonl`` and ``test.jsonl``.

    ``text`` is the phone string in the set ``phones`` (q is deleted from 48 on, repeated ``sil`` made one
    only with ``collapse_silence``) or the words in ``alphabet``; the phones always go along as alignments in
    seconds. A disc that does not give 3696, 400 and 192 utterances is a DataError, or a warning without
    ``strict``; splits of which it holds nothing are not written then.
    """
    if text not in ("phones", "words"):
        raise ConfigError(f"timit: text {text!r} is not one of phones, words")
    phone_set(phones)
    root = _root(source)
    disc = find(root, "train") is not None or find(root, "test") is not None
    sentences = _disc_splits(root, strict) if disc else _sample_splits(root)
    if disc:
        _check_counts(root, {split: len(found) for split, found in sentences.items()}, strict)
    read = {
        split: [_utterance(sentence, text, phones, collapse_silence, alphabet) for sentence in found]
        for split, found in sentences.items()
    }
    written = {}
    for split, utterances in read.items():
        if utterances:
            written[split] = out / f"{split}.jsonl"
            write_manifest(written[split], utterances)
    return written


def _root(source: Path) -> Path:
    """The folder that holds TRAIN and TEST, or the speaker folders of the NLTK sample."""
    for relative in ("", "timit", "data", "timit/data", "timit/timit"):
        root = find(source, relative) if relative else source
        if root is None:
            continue
        below = entries(root)
        if "train" in below or "test" in below or any(_is_sample_speaker(name) for name in below):
            return root
    raise DataError(
        f"{source}: is not TIMIT; expected the folders TRAIN and TEST of the LDC disc (in it or in its "
        "folder TIMIT), or speaker folders like dr1-fvmh0 of the NLTK sample"
    )


def _is_sample_speaker(name: str) -> bool:
    return len(name) == 9 and name.startswith("dr") and name[2].isdigit() and name[3] == "-"


def _disc_splits(root: Path, strict: bool) -> dict[str, list[_Sentence]]:
    found: dict[str, list[_Sentence]] = {"train": [], "dev": [], "test": []}
    for part in ("TRAIN", "TEST"):
        folder = find(root, part)
        if folder is None:
            _complain(f"{root / part}: is missing; the LDC disc has the folders TRAIN and TEST", strict)
            continue
        for dialect, below in entries(folder).items():
            for speaker, speaker_folder in entries(below).items():
                split = "train" if part == "TRAIN" else _test_split(speaker)
                if split is not None:
                    found[split].extend(_sentences(speaker_folder, dialect, speaker))
    return found


def _test_split(speaker: str) -> str | None:
    return "test" if speaker in CORE_TEST else "dev" if speaker in DEV else None


def _sample_splits(root: Path) -> dict[str, list[_Sentence]]:
    found: dict[str, list[_Sentence]] = {"train": [], "dev": [], "test": []}
    for name, folder in entries(root).items():
        if _is_sample_speaker(name):
            dialect, speaker = name.split("-")
            split = "dev" if speaker in SAMPLE_DEV else "test" if speaker in SAMPLE_TEST else "train"
            found[split].extend(_sentences(folder, dialect, speaker))
    return found


def _sentences(folder: Path, dialect: str, speaker: str) -> Iterator[_Sentence]:
    """The SI and SX sentences of a speaker."""
    files = entries(folder)
    for name, path in files.items():
        stem, dot, suffix = name.rpartition(".")
        if suffix != "phn" or not dot or stem.startswith("sa"):
            continue
        # Some copies on the web keep the SPHERE file and add a RIFF one under X.WAV.wav.
        audio = files.get(f"{stem}.wav") or files.get(f"{stem}.wav.wav")
        words = files.get(f"{stem}.txt")
        if audio is None or words is None:
            raise DataError(f"{path}: its recording {stem}.wav or its text {stem}.txt is missing in {folder}")
        yield _Sentence(dialect, speaker, stem, audio, path, words)


def _check_counts(root: Path, counts: dict[str, int], strict: bool) -> None:
    for split, expected in EXPECTED.items():
        if counts[split] != expected:
            _complain(
                f"{root}: gives {counts[split]} utterances for {split} where the full disc gives {expected}",
                strict,
            )


def _complain(message: str, strict: bool) -> None:
    if strict:
        raise DataError(f"{message} (option strict=false takes what there is)")
    warnings.warn(message, stacklevel=2)


def _utterance(
    sentence: _Sentence, text: str, size: Literal[61, 48, 39], collapse_silence: bool, alphabet: str
) -> Utterance:
    phones = _fold_alignment(_read_phones(sentence.phones), size, collapse_silence)
    if text == "phones":
        spoken = " ".join(label for label, _, _ in phones)
    else:
        spoken = normalize_text(_read_words(sentence.words), alphabet)
    return Utterance(
        id=f"{sentence.dialect}-{sentence.speaker}-{sentence.name}",
        audio=sentence.audio,
        duration=audio_duration(sentence.audio),
        text=spoken,
        speaker=sentence.speaker,
        corpus="timit",
        phones=tuple((label, start / SAMPLE_RATE, end / SAMPLE_RATE) for label, start, end in phones),
    )


def _read_phones(path: Path) -> list[tuple[str, int, int]]:
    """Lines ``start end label`` of a .PHN file, times in samples."""
    phones = []
    for number, line in enumerate(path.read_text(encoding="latin-1").splitlines(), 1):
        parts = line.split()
        if not parts:
            continue
        well_formed = len(parts) == 3 and parts[0].isdigit() and parts[1].isdigit() and parts[2] in _KNOWN
        if not well_formed or int(parts[0]) > int(parts[1]):
            raise DataError(
                f"{path}:{number}: {line!r} is not 'start end phone' with one of TIMIT's 61 phones"
            )
        phones.append((parts[2], int(parts[0]), int(parts[1])))
    if not phones:
        raise DataError(f"{path}: holds no phones")
    return phones


def _fold_alignment(
    phones: list[tuple[str, int, int]], size: Literal[61, 48, 39], collapse_silence: bool
) -> list[tuple[str, int, int]]:
    folded: list[tuple[str, int, int]] = []
    for label, start, end in phones:
        name = label if size == 61 else fold_label(label, size)
        if name is None:
            continue
        if collapse_silence and name == SILENCE and folded and folded[-1][0] == SILENCE:
            folded[-1] = (SILENCE, folded[-1][1], end)
        else:
            folded.append((name, start, end))
    return folded


def _read_words(path: Path) -> str:
    """The sentence of a .TXT file, ``first_sample last_sample Sentence.``"""
    parts = path.read_text(encoding="latin-1").split(None, 2)
    if len(parts) != 3 or not parts[0].isdigit() or not parts[1].isdigit():
        raise DataError(f"{path}: expected 'first_sample last_sample sentence'")
    return parts[2]
