from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechq.data.corpora import wsj
from speechq.data.manifest import read_manifest
from speechq.errors import ConfigError, DataError
from speechq.text.normalize import ALPHABET

SPLITS = {
    "train": "si284",
    "small": "si84",
    "dev": "dev93",
    "dev_5k": "dev93_5k",
    "test": "eval92",
    "test_5k": "eval92_5k",
    "eval93": "eval93",
}

# set of recordings: disc, path without suffix, raw transcript
RECORDINGS = [
    ("11-1.1", "wsj0/si_tr_s/01i/01ic0201", "I\\. B\\. M\\. rose \\.point five %percent"),
    ("11-1.1", "wsj0/si_tr_s/01i/01io0301", "Yes ,comma it [tongue_click] did \\.period"),
    ("11-2.1", "wsj0/si_tr_s/401/401c0201", "left out"),
    ("11-2.1", "wsj0/si_tr_s/402/402c0201", "kept"),
    ("13-1.1", "wsj1/si_tr_s/46h/46hc0201", "of the second corpus"),
    ("13-16.1", "wsj1/si_dt_20/4k0/4k0c0301", "a dev sentence"),
    ("13-16.1", "wsj1/si_dt_05/4k0/4k0c0401", "a small dev sentence"),
    ("11-14.1", "wsj0/si_et_20/440/440c0401", "a test sentence"),
    ("11-14.1", "wsj0/si_et_05/440/440c0501", "a small test sentence"),
    ("13-33.1", "wsj1/si_et_h1/4oa/4oac0201", "a later test sentence"),
]
COUNTS = {"si84": 3, "si284": 4, "dev93": 1, "dev93_5k": 1, "eval92": 1, "eval92_5k": 1, "eval93": 1}


def index_line(disc: str, path: str, *, space: str = "", suffix: str = ".wv1") -> str:
    return f"{disc.replace('-', '_').replace('.', '_')}:{space}{path}{suffix}\n"


def write_discs(root: Path, *, merged: bool = False) -> Path:
    def place(disc: str, relative: str) -> Path:
        # One pressing of disc 13-16.1 has its names in upper case.
        relative = relative.upper() if disc == "13-16.1" and not merged else relative
        path = root / relative if merged else root / "media" / disc / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    for disc, path, text in RECORDINGS:
        soundfile.write(place(disc, f"{path}.wv1"), np.zeros(1600), 16000, format="NIST", subtype="PCM_16")
        name = path.rsplit("/", 1)[1]
        with place("11-10.1", f"wsj0/transcrp/dots/{name[:6]}00.dot").open("a") as stream:
            stream.write(f"{text} ({name.upper() if disc == '13-16.1' else name})\n")

    def index(disc: str, path: str, recordings: slice, **options: str) -> None:
        lines = [index_line(d, p, **options) for d, p, _ in RECORDINGS[recordings]]
        place(disc, path).write_text(";; File: updated 04/26/94\n;;\n" + "".join(lines))

    index("11-13.1", "wsj0/doc/indices/train/tr_s_wv1.ndx", slice(0, 4))
    index("13-34.1", "wsj1/doc/indices/si_tr_s.ndx", slice(4, 5), space=" ")
    index("13-34.1", "wsj1/doc/indices/h1_p0.ndx", slice(5, 6))
    index("13-34.1", "wsj1/doc/indices/h2_p0.ndx", slice(6, 7))
    index("11-13.1", "wsj0/doc/indices/test/nvp/si_et_20.ndx", slice(7, 8), suffix="")
    index("11-13.1", "wsj0/doc/indices/test/nvp/si_et_05.ndx", slice(8, 9), suffix="")
    place("13-32.1", "wsj1/doc/indices/wsj1/eval/h1_p0.ndx").write_text(
        index_line("13-32.1", "wsj1/si_et_h1/4oa/4oac0201")
    )
    return root


@pytest.fixture
def small_counts(monkeypatch):
    for name, count in COUNTS.items():
        monkeypatch.setitem(wsj.SETS, name, dataclasses.replace(wsj.SETS[name], count=count))


@pytest.mark.parametrize("merged", [False, True])
def test_all_sets(tmp_path, small_counts, merged):
    discs = write_discs(tmp_path / "wsj", merged=merged)
    written = wsj.prepare(discs, tmp_path / "out", splits=SPLITS)
    read = {split: read_manifest(path) for split, path in written.items()}
    assert {split: [u.id for u in utterances] for split, utterances in read.items()} == {
        "train": ["01ic0201", "402c0201", "46hc0201"],
        "small": ["01ic0201", "402c0201"],
        "dev": ["4k0c0301"],
        "dev_5k": ["4k0c0401"],
        "test": ["440c0401"],
        "test_5k": ["440c0501"],
        "eval93": ["4oac0201"],
    }
    first = read["train"][0]
    assert (first.text, first.speaker, first.duration) == ("I B M ROSE POINT FIVE PERCENT", "01i", 0.1)
    assert read["dev"][0].text == "A DEV SENTENCE"


def test_options(tmp_path, small_counts):
    discs = write_discs(tmp_path / "wsj")
    written = wsj.prepare(
        discs,
        tmp_path / "out",
        splits={"train": "si84"},
        verbalized_punctuation="keep",
        alphabet=ALPHABET + ".",
    )
    assert [u.text for u in read_manifest(written["train"])] == [
        "I. B. M. ROSE POINT FIVE PERCENT",
        "YES COMMA IT DID PERIOD",
        "KEPT",
    ]
    with pytest.raises(ConfigError, match="drop, keep"):
        wsj.prepare(discs, tmp_path / "out", verbalized_punctuation="maybe")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no set 'eval94'; choose from si84"):
        wsj.prepare(discs, tmp_path / "out", splits={"test": "eval94"})


def test_missing_parts(tmp_path, small_counts, monkeypatch):
    discs = write_discs(tmp_path / "wsj")
    out = tmp_path / "out"
    with pytest.raises(DataError, match=r"expected disc folders like 11-13\.1"):
        wsj.prepare(tmp_path / "out", out)

    (discs / "media" / "11-14.1" / "wsj0" / "si_et_20" / "440" / "440c0401.wv1").unlink()
    with pytest.raises(DataError, match=r"440c0401\.wv1: recording of eval92 is missing"):
        wsj.prepare(discs, out)

    (discs / "media" / "11-10.1" / "wsj0" / "transcrp" / "dots" / "402c0200.dot").unlink()
    with pytest.raises(DataError, match="no transcript for 1 recordings, the first 402c0201"):
        wsj.prepare(discs, out, splits={"train": "si84"})
    with pytest.warns(UserWarning, match="402c0201"):
        written = wsj.prepare(discs, out, splits={"train": "si84"}, strict=False)
    assert [u.id for u in read_manifest(written["train"])] == ["01ic0201"]

    monkeypatch.setitem(wsj.SETS, "si84", dataclasses.replace(wsj.SETS["si84"], count=7138))
    with pytest.raises(DataError, match="index of si84 names 3 recordings, not 7138"):
        wsj.prepare(discs, out, splits={"train": "si84"})

    index = discs / "media" / "13-34.1" / "wsj1" / "doc" / "indices" / "h1_p0.ndx"
    index.write_text("what is this\n")
    with pytest.raises(DataError, match=r"h1_p0\.ndx:1: 'what is this'"):
        wsj.prepare(discs, out, splits={"dev": "dev93"})
    index.unlink()
    with pytest.raises(DataError, match=r"13-34\.1/wsj1/doc/indices/h1_p0\.ndx: the index file of dev93"):
        wsj.prepare(discs, out, splits={"dev": "dev93"})
