from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from speechq.data.corpora import librispeech
from speechq.data.manifest import read_manifest
from speechq.errors import ConfigError, DataError
from speechq.text.units import Units


def write_chapter(root: Path, subset: str, speaker: int, chapter: int, texts: list[str]) -> None:
    folder = root / subset / str(speaker) / str(chapter)
    folder.mkdir(parents=True)
    lines = []
    for number, text in enumerate(texts):
        name = f"{speaker}-{chapter}-{number:04}"
        soundfile.write(folder / f"{name}.flac", np.zeros(1600 * (number + 1)), 16000)
        lines.append(f"{name} {text}\n")
    (folder / f"{speaker}-{chapter}.trans.txt").write_text("".join(lines))


@pytest.fixture
def corpus(tmp_path) -> Path:
    root = tmp_path / "LibriSpeech"
    write_chapter(root, "train-clean-100", 19, 198, ["NORTHANGER ABBEY", "THIS LITTLE WORK"])
    write_chapter(root, "train-clean-360", 14, 208, ["DON'T"])
    write_chapter(root, "dev-clean", 84, 121550, ["A"])
    write_chapter(root, "test-clean", 61, 70968, ["B"])
    return tmp_path


@pytest.mark.parametrize("inside", [False, True])
def test_default_splits(corpus, inside):
    source = corpus / "LibriSpeech" if inside else corpus
    written = librispeech.prepare(source, corpus / "out")
    assert {split: path.name for split, path in written.items()} == {
        split: f"{split}.jsonl" for split in ("train", "dev", "test")
    }
    first, second = read_manifest(written["train"], Units.characters())
    assert (first.id, first.text, first.speaker) == ("19-198-0000", "NORTHANGER ABBEY", "19")
    assert (second.duration, second.corpus) == (0.2, "librispeech")


def test_joined_subsets(corpus):
    splits = {"train": ["train-clean-100", "train-clean-360"], "other": "dev-clean"}
    written = librispeech.prepare(corpus, corpus / "out", splits=splits)
    assert [u.id for u in read_manifest(written["train"])] == ["19-198-0000", "19-198-0001", "14-208-0000"]
    assert written["other"] == corpus / "out" / "other.jsonl"


def test_missing_and_damaged_parts(corpus):
    with pytest.raises(DataError, match=r"LibriSpeech/dev-other: .*dev-other\.tar\.gz"):
        librispeech.prepare(corpus, corpus / "out", splits={"dev": "dev-other"})
    with pytest.raises(ConfigError, match="no subset 'dev'; choose from train-clean-100"):
        librispeech.prepare(corpus, corpus / "out", splits={"dev": "dev"})
    (corpus / "LibriSpeech" / "dev-clean" / "84" / "121550" / "84-121550-0000.flac").unlink()
    with pytest.raises(DataError, match=r"84-121550-0000\.flac: is missing.*trans\.txt:1"):
        librispeech.prepare(corpus, corpus / "out")
    assert not (corpus / "out").exists()
    (corpus / "LibriSpeech" / "test-clean" / "61" / "70968" / "61-70968.trans.txt").unlink()
    with pytest.raises(DataError, match="holds no transcripts"):
        librispeech.prepare(corpus, corpus / "out", splits={"test": "test-clean"})


def test_download_asks_torchaudio(tmp_path, monkeypatch):
    calls = []

    def dataset(root, url, download):
        if url == "test-other":
            raise RuntimeError("hash mismatch")
        calls.append((root, url, download))

    monkeypatch.setattr(librispeech.torchaudio_lite, "datasets", lambda: SimpleNamespace(LIBRISPEECH=dataset))
    assert librispeech.fetch(tmp_path / "new", "dev-clean") == tmp_path / "new" / "LibriSpeech"
    assert calls == [(str(tmp_path / "new"), "dev-clean", True)]
    with pytest.raises(DataError, match=r"test-other \(hash mismatch\)"):
        librispeech.fetch(tmp_path, "test-other")
    with pytest.raises(ConfigError, match="no subset"):
        librispeech.fetch(tmp_path, "nonsense")


def test_only_missing_subsets_are_fetched(corpus, monkeypatch):
    def dataset(root, url, download):
        write_chapter(Path(root) / "LibriSpeech", url, 3, 4, ["C"])

    monkeypatch.setattr(librispeech.torchaudio_lite, "datasets", lambda: SimpleNamespace(LIBRISPEECH=dataset))
    splits = {"train": "train-clean-100", "test": "test-other"}
    written = librispeech.prepare(corpus, corpus / "out", splits=splits, download=True)
    assert [u.speaker for u in read_manifest(written["train"])] == ["19", "19"]
    assert [u.id for u in read_manifest(written["test"])] == ["3-4-0000"]
    new = corpus / "new"
    assert [u.text for u in read_manifest(librispeech.prepare(new, new / "out", download=True)["dev"])] == [
        "C"
    ]
