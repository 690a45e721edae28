from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechq.data.corpora import timit
from speechq.data.manifest import read_manifest
from speechq.errors import ConfigError, DataError
from speechq.text.phones import PHONES_39, PHONES_48, PHONES_61
from speechq.text.units import Units

PHONES = [("h#", 0, 1600), ("q", 1600, 1800), ("ao", 1800, 4000), ("kcl", 4000, 5000), ("h#", 5000, 8000)]


def write_sentence(folder: Path, name: str, *, upper: bool, riff: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)

    def path(suffix: str) -> Path:
        return folder / (f"{name}.{suffix}".upper() if upper else f"{name}.{suffix}")

    noise = np.random.default_rng(0).uniform(-0.1, 0.1, 8000)
    soundfile.write(path("wav"), noise, 16000, subtype="PCM_16", format="WAV" if riff else "NIST")
    path("phn").write_text("".join(f"{start} {end} {label}\n" for label, start, end in PHONES))
    path("txt").write_text("0 8000 Oh, don't!\n")
    path("wrd").write_text("1600 5000 oh\n5000 8000 don't\n")


def write_disc(root: Path, *, upper: bool = True, riff: bool = False) -> Path:
    """Two speakers of each part; one of TEST is in no list of the protocol."""
    for relative in (
        "TRAIN/DR1/FCJF0",
        "TRAIN/DR8/MBCG0",
        "TEST/DR1/MDAB0",
        "TEST/DR1/FAKS0",
        "TEST/DR2/MXXX0",
    ):
        for name in ("sa1", "si648", "sx37"):
            write_sentence(root / (relative if upper else relative.lower()), name, upper=upper, riff=riff)
    return root


@pytest.fixture
def small_counts(monkeypatch):
    monkeypatch.setattr(timit, "EXPECTED", {"train": 4, "dev": 2, "test": 2})


def test_speaker_lists():
    assert (len(timit.CORE_TEST), len(timit.DEV)) == (24, 50)
    assert not timit.CORE_TEST & timit.DEV
    # The core test set has two men and one woman of each of the eight dialects.
    assert sum(name.startswith("m") for name in timit.CORE_TEST) == 16
    assert all(len(name) == 5 and name[0] in "fm" for name in timit.CORE_TEST | timit.DEV)
    assert timit.EXPECTED["dev"] == 8 * len(timit.DEV)
    assert timit.EXPECTED["test"] == 8 * len(timit.CORE_TEST)


@pytest.mark.parametrize("upper", [True, False])
@pytest.mark.parametrize("riff", [True, False])
@pytest.mark.parametrize("parent", ["", "TIMIT", "timit/data"])
def test_disc_layouts(tmp_path, small_counts, upper, riff, parent):
    write_disc(tmp_path / "disc" / parent, upper=upper, riff=riff)
    written = timit.prepare(tmp_path / "disc", tmp_path / "out")
    assert list(written) == ["train", "dev", "test"]
    ids = {split: [u.id for u in read_manifest(path)] for split, path in written.items()}
    assert ids == {
        "train": ["dr1-fcjf0-si648", "dr1-fcjf0-sx37", "dr8-mbcg0-si648", "dr8-mbcg0-sx37"],
        "dev": ["dr1-faks0-si648", "dr1-faks0-sx37"],
        "test": ["dr1-mdab0-si648", "dr1-mdab0-sx37"],
    }
    utterance = read_manifest(written["dev"], Units.phones(PHONES_61))[0]
    assert utterance.text == "h# q ao kcl h#"
    assert utterance.duration == 0.5
    assert (utterance.speaker, utterance.corpus) == ("faks0", "timit")
    assert utterance.phones[2] == ("ao", 1800 / 16000, 0.25)


@pytest.mark.parametrize(
    ("options", "units", "text", "phones"),
    [
        ({"phones": 48}, Units.phones(PHONES_48), "sil ao cl sil", 4),
        ({"phones": 39}, Units.phones(PHONES_39), "sil aa sil sil", 4),
        ({"phones": 39, "collapse_silence": True}, Units.phones(PHONES_39), "sil aa sil", 3),
        ({"text": "words"}, Units.characters(), "OH DON'T", 5),
    ],
)
def test_texts(tmp_path, small_counts, options, units, text, phones):
    written = timit.prepare(write_disc(tmp_path / "disc"), tmp_path / "out", **options)
    utterance = read_manifest(written["test"], units)[0]
    assert utterance.text == text
    assert len(utterance.phones) == phones
    assert utterance.phones[-1][2] == 0.5


@pytest.mark.filterwarnings("ignore:.*gives")
def test_incomplete_discs(tmp_path):
    disc = write_disc(tmp_path / "disc")
    with pytest.raises(DataError, match="gives 4 utterances for train where the full disc gives 3696"):
        timit.prepare(disc, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.warns(UserWarning, match="gives 2 utterances for dev"):
        written = timit.prepare(disc, tmp_path / "out", strict=False)
    assert len(read_manifest(written["train"])) == 4

    (disc / "TEST").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"disc/TEST: is missing; the LDC disc has"):
        timit.prepare(disc, tmp_path / "out")
    with pytest.raises(DataError, match="expected the folders TRAIN and TEST"):
        timit.prepare(tmp_path / "nothing", tmp_path / "out")


def test_damaged_files(tmp_path, small_counts):
    disc = write_disc(tmp_path / "disc")
    labels = disc / "TRAIN" / "DR1" / "FCJF0" / "SX37.PHN"
    labels.write_text("0 10 h#\n10 20 oops\n")
    with pytest.raises(DataError, match=r"SX37\.PHN:2: '10 20 oops'"):
        timit.prepare(disc, tmp_path / "out")
    labels.with_suffix(".WAV").unlink()
    with pytest.raises(DataError, match=r"sx37\.wav"):
        timit.prepare(disc, tmp_path / "out")
    with pytest.raises(ConfigError, match="phones, words"):
        timit.prepare(disc, tmp_path / "out", text="letters")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="61, 48 or 39"):
        timit.prepare(disc, tmp_path / "out", phones=40)  # type: ignore[arg-type]


def test_the_sample_gives_the_texts_of_its_manifests(shared, tmp_path):
    """The manifests beside the sample were made by other code; they keep the SA sentences in train."""
    folder = shared / "data" / "timit_sample"
    written = timit.prepare(folder, tmp_path, text="words")
    counts = {}
    for split, path in written.items():
        given = {u.id: u for u in read_manifest(folder / f"{split}.jsonl")}
        for utterance in read_manifest(path, Units.characters()):
            assert utterance.text == given[utterance.id].text
            assert utterance.speaker == given[utterance.id].speaker
            assert utterance.duration == pytest.approx(given[utterance.id].duration, abs=1e-4)
            assert utterance.audio.samefile(given[utterance.id].audio)
        counts[split] = len(read_manifest(path))
    assert counts == {"train": 64, "dev": 16, "test": 16}


def test_both_layouts_of_the_sample_agree(shared, tmp_path):
    folder = shared / "data" / "timit_sample"
    flat = timit.prepare(folder, tmp_path / "flat", phones=39)
    with pytest.warns(UserWarning):
        disc = timit.prepare(folder / "sphere_ldc_layout", tmp_path / "disc", phones=39, strict=False)
    assert list(disc) == ["train"]
    by_id = {u.id: u for u in read_manifest(flat["train"], Units.phones(PHONES_39))}
    utterances = read_manifest(disc["train"], Units.phones(PHONES_39))
    assert len(utterances) == 16
    for utterance in utterances:
        same = by_id[utterance.id]
        assert (utterance.text, utterance.phones) == (same.text, same.phones)
        assert utterance.duration == pytest.approx(same.duration, abs=1e-3)
