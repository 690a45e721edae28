"""LibriSpeech, official layout: ``LibriSpeech/dev-clean/19/198/19-198-0000.flac``, ``19-198.trans.txt``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from speechq.data import torchaudio_lite
from speechq.data.audio import audio_duration
from speechq.data.manifest import Utterance, write_manifest
from speechq.errors import ConfigError, DataError
from speechq.text.normalize import ALPHABET, normalize_text

SUBSETS = (
    "train-clean-100",
    "train-clean-360",
    "train-other-500",
    "dev-clean",
    "dev-other",
    "test-clean",
    "test-other",
)
DEFAULT_SPLITS: dict[str, str | Sequence[str]] = {
    "train": "train-clean-100",
    "dev": "dev-clean",
    "test": "test-clean",
}


def prepare(
    source: Path,
    out: Path,
    *,
    splits: Mapping[str, str | Sequence[str]] | None = None,
    alphabet: str = ALPHABET,
    download: bool = False,
) -> dict[str, Path]:
    """Write ``out/<split>.jsonl`` for each of ``splits``, a subset's name or several to be joined.

    ``source`` is the folder ``LibriSpeech`` or the one that holds it. The default is ``DEFAULT_SPLITS``; for
    all 960 hours give ``{"train": ["train-clean-100", "train-clean-360", "train-other-500"], ...}``. Speakers
    are named by LibriSpeech's numbers. ``download`` fetches subsets that are missing into ``source``.
    """
    root = source / "LibriSpeech" if (source / "LibriSpeech").is_dir() else source
    chosen = {
        split: [subsets] if isinstance(subsets, str) else list(subsets)
        for split, subsets in (DEFAULT_SPLITS if splits is None else splits).items()
    }
    for split, subsets in chosen.items():
        for subset in subsets:
            _check_subset(subset)
            if download and not (root / subset).is_dir():
                root = fetch(source, subset)
            if not (root / subset).is_dir():
                raise DataError(
                    f"{root / subset}: LibriSpeech's {subset} (split {split!r}) is missing; unpack "
                    f"{subset}.tar.gz from https://www.openslr.org/12 so that this folder exists"
                )
    read = {
        split: [utterance for subset in subsets for utterance in _read_subset(root / subset, alphabet)]
        for split, subsets in chosen.items()
    }
    written = {}
    for split, utterances in read.items():
        written[split] = out / f"{split}.jsonl"
        write_manifest(written[split], utterances)
    return written


def fetch(out: Path, subset: str) -> Path:
    """Download one subset (337 MB to 30 GB) below ``out`` unless it is there; returns its ``LibriSpeech``."""
    _check_subset(subset)
    out.mkdir(parents=True, exist_ok=True)
    try:
        torchaudio_lite.datasets().LIBRISPEECH(str(out), url=subset, download=True)
    except (OSError, RuntimeError) as error:
        raise DataError(f"{out}: cannot download LibriSpeech's {subset} ({error})") from None
    return out / "LibriSpeech"


def _check_subset(subset: str) -> None:
    if subset not in SUBSETS:
        raise ConfigError(f"LibriSpeech has no subset {subset!r}; choose from {', '.join(SUBSETS)}")


def _read_subset(folder: Path, alphabet: str) -> list[Utterance]:
    """All utterances of a subset, by speaker, chapter and number."""
    utterances = []
    for transcript in sorted(folder.glob("*/*/*.trans.txt")):
        speaker = transcript.parent.parent.name
        for number, line in enumerate(transcript.read_text(encoding="utf-8").splitlines(), 1):
            identity, _, text = line.strip().partition(" ")
            if not text:
                raise DataError(f"{transcript}:{number}: expected an utterance id and its text")
            audio = transcript.parent / f"{identity}.flac"
            if not audio.is_file():
                raise DataError(f"{audio}: is missing, though {transcript}:{number} has its text")
            utterances.append(
                Utterance(
                    id=identity,
                    audio=audio,
                    duration=audio_duration(audio),
                    text=normalize_text(text, alphabet),
                    speaker=speaker,
                    corpus="librispeech",
                )
            )
    if not utterances:
        raise DataError(
            f"{folder}: holds no transcripts; expected files like 19/198/19-198.trans.txt below it"
        )
    return utterances
