"""recipes/wsj and recipes/librispeech from their corpora's own layout to the table, on tones."""

from __future__ import annotations

import dataclasses
import gzip
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from tiny_speech import RATE, random_text, tones

import speechq
from speechq.bench.wer import wer_table
from speechq.config import load_recipe
from speechq.data.corpora import wsj, wsj_language
from speechq.data.manifest import read_manifest
from speechq.errors import ConfigError, DataError
from speechq.recipes.plan import check_schemes
from speechq.recipes.run import run_recipe
from speechq.runtime.info import describe
from speechq.runtime.model_file import read_model
from speechq.text.wsj_text import split_sentences

RECIPES = Path(speechq.__file__).parents[1] / "recipes"
# disc, folder of the recordings, index of the set on its disc, utterances
SETS = [
    ("11-1.1", "wsj0/si_tr_s/01i", "11-13.1", "wsj0/doc/indices/train/tr_s_wv1.ndx", 8),
    ("13-1.1", "wsj1/si_tr_s/46h", "13-34.1", "wsj1/doc/indices/si_tr_s.ndx", 8),
    ("13-16.1", "wsj1/si_dt_20/4k0", "13-34.1", "wsj1/doc/indices/h1_p0.ndx", 4),
    ("11-14.1", "wsj0/si_et_20/440", "11-13.1", "wsj0/doc/indices/test/nvp/si_et_20.ndx", 4),
]
TINY = (
    "model.layers=1",
    "model.hidden=24",
    "train.epochs=2",
    "train.batch_seconds=8",
    "train.max_rows=4",
    "train.workers=1",
    "train.precision=float32",
    "retrain.epochs=1",
    'retrain.schemes=["w4a8"]',
    "lm.ngram.discount_fallback=true",
    "lm.char.model.hidden=12",
    "lm.char.train.epochs=2",
    "lm.char.train.parts=2",
    "lm.char.train.rows=2",
    "lm.char.train.steps=16",
    "lm.char.train.precision=float32",
    'lm.char.retrain.schemes=["w4a8"]',
    "lm.char.retrain.epochs=1",
    'decoders.models=["float+", "w4a8"]',
    'decoders.char_lms=["w4a8"]',
    "decoders.beam=6",
    "tune.rounds=2",
    "evaluate.bootstrap=100",
)


def compressed(text: str) -> bytes:
    """A file of the program compress: codes of 9 bits, each a single letter."""
    bits = "".join(format(letter, "09b")[::-1] for letter in text.encode())
    bits += "0" * (-len(bits) % 8)
    return b"\x1f\x9d\x09" + bytes(int(bits[k : k + 8][::-1], 2) for k in range(0, len(bits), 8))


def write_discs(root: Path) -> Path:
    """Recordings of tones, transcripts, indices and text as on the discs."""

    def place(disc: str, relative: str) -> Path:
        path = root / disc / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    rng = np.random.default_rng(1)
    for disc, folder, index_disc, index, count in SETS:
        lines, dots = "", ""
        stem = folder.rsplit("/", 1)[1] + "c01"
        for k in range(count):
            path, text = f"{folder}/{stem}{k:02}.wv1", random_text(rng)
            samples = tones(text, rng)
            soundfile.write(place(disc, path), samples, RATE, format="NIST", subtype="PCM_16")
            lines += f"{disc.replace('-', '_').replace('.', '_')}:{path}\n"
            dots += f"{text.lower()} [tongue_click] ({stem}{k:02})\n"
        place(disc, f"{folder}/{stem}00.dot").write_text(dots)
        place(index_disc, index).write_text(f";; Index\n{lines}")
    for year in wsj_language.YEARS:
        sentences = [random_text(rng).lower() for _ in range(30)]
        text = "<s.article>\n" + ".\n".join(sentences) + ".\n</s>\n"
        place("13-32.1", f"{wsj_language.FOLDER}/{year}/w{year}_001.z").write_bytes(compressed(text))
    return root


@pytest.fixture
def discs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    torch.set_num_threads(1)
    for name, count in (("si84", 8), ("si284", 16), ("dev93", 4), ("eval92", 4)):
        monkeypatch.setitem(wsj.SETS, name, dataclasses.replace(wsj.SETS[name], count=count))
    return write_discs(tmp_path / "discs")


def decoded(work: Path) -> set[tuple[str, str]]:
    return {(row["model"], row["decoder"]) for row in wer_table(work) if row["mode"] == "utterance"}


@pytest.mark.parametrize("name", ["wsj", "librispeech"])
def test_the_recipe_as_it_stands_is_valid(name: str) -> None:
    recipe = load_recipe(RECIPES / name)
    check_schemes(recipe)
    assert recipe.lm is not None and recipe.lm.char is not None
    if name == "wsj":
        assert (recipe.lm.char.model.hierarchy, recipe.lm.char.model.hidden) == ("b", 512)
        assert recipe.data.features.base_dim == 123
        assert recipe.data.options["alphabet"] == recipe.data.alphabet
    pieces = ("data.units=pieces", "lm.char=null", "decoders.use=[ngram]", "decoders.char_lms=[]")
    assert load_recipe(RECIPES / name, pieces).data.units == "pieces"


def test_the_whole_wsj_recipe(discs: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    run_recipe(RECIPES / "wsj", data=discs, work=work, assignments=TINY)
    models = {"float-s1", "float+-s1", "w4a8-direct-s1", "w4a8-adaptive-s1"}
    tuned = {"float+-s1", "w4a8-adaptive-s1"}
    beams = ("ngram", "char", "char+ngram")
    assert decoded(work) == {(m, "greedy") for m in models} | {(m, d) for m in tuned for d in beams}
    with gzip.open(work / "prepare" / "text.txt.gz", "rt") as text:
        sentences = text.read().splitlines()
    assert len(sentences) == 90
    learned = (work / "lm" / "text" / "train.txt").read_text().splitlines()
    assert learned == sentences
    spoken = {u.text for u in read_manifest(work / "prepare" / "train.jsonl")}
    assert len(spoken & set(learned)) < len(spoken)  # the transcripts are not part of it
    facts = describe(read_model(work / "tune" / "w4a8-adaptive-s1.char+ngram" / "lm.sqm"))
    assert facts["hierarchy"]["kind"] == "b" and facts["scheme"] == "w4a8"
    assert facts["units"]["count"] == 30
    settings = json.loads((work / "tune" / "w4a8-adaptive-s1.char" / "decoder.json").read_text())
    assert settings["provenance"]["dev_utterances"] == 4


def test_a_librispeech_corpus_runs_through_its_recipe_with_pieces(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    rng = np.random.default_rng(2)
    for subset, count in (("train-clean-100", 16), ("dev-clean", 4), ("test-clean", 4), ("test-other", 4)):
        folder = tmp_path / "LibriSpeech" / subset / "19" / "198"
        folder.mkdir(parents=True)
        lines = ""
        for k in range(count):
            text = random_text(rng)
            soundfile.write(folder / f"19-198-{k:04}.flac", tones(text, rng), RATE)
            lines += f"19-198-{k:04} {text}\n"
        (folder / "19-198.trans.txt").write_text(lines)
    options = [option for option in TINY if not option.startswith(("lm.char", "decoders.char_lms"))]
    pieces = ("data.units=pieces", "data.pieces=30", "lm.char=null", "decoders.use=[ngram]")
    run_recipe(
        RECIPES / "librispeech",
        data=tmp_path,
        work=tmp_path / "work",
        assignments=(*options, *pieces, "decoders.char_lms=[]"),
    )
    assert ("w4a8-adaptive-s1", "ngram") in decoded(tmp_path / "work")


# The text for language models


def test_a_period_ends_a_sentence_unless_it_abbreviates() -> None:
    lines = ["<p>", "Mr. Smith of I. B. M. left.  He", "u.s. sales rose.", "", ". a"]
    assert [" ".join(tokens) for tokens in split_sentences(lines, {"MR.", "I.", "B.", "M."})] == [
        "MR. SMITH OF I. B. M. LEFT",
        "HE",
        "U.S. SALES ROSE",
        ". A",
    ]


def test_the_abbreviations_are_those_of_the_transcripts(discs: Path, tmp_path: Path) -> None:
    dot = next((discs / "11-1.1").rglob("*.dot"))
    dot.write_text(dot.read_text().replace("(01ic0100)", "mr\\. a (01ic0100)", 1))
    folder = discs / "13-32.1" / wsj_language.FOLDER
    (folder / "87" / "w87_002.Z").write_bytes(compressed("a mr. b co. c\nin 1987\n"))
    alphabet = " '.ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    with pytest.warns(UserWarning, match="1 sentences with other characters are left out"):
        wsj.prepare(discs, tmp_path / "out", alphabet=alphabet, language_text=True)
    with gzip.open(tmp_path / "out" / wsj.TEXT, "rt") as text:
        assert text.read().splitlines()[30:32] == ["A MR. B CO", "C"]


def test_missing_text_is_named(discs: Path, tmp_path: Path) -> None:
    folder = discs / "13-32.1" / wsj_language.FOLDER
    damaged: Any = next((folder / "89").iterdir())
    damaged.write_bytes(b"no such packing")
    with pytest.raises(DataError, match=r"w89_001\.z: gzip cannot unpack it"):
        wsj.prepare(discs, tmp_path / "out", language_text=True)
    damaged.unlink()
    with pytest.raises(DataError, match=r"np_data/89: no text of that year"):
        wsj.prepare(discs, tmp_path / "out", language_text=True)
    assert not list((tmp_path / "out").glob("*"))
    folder.rename(folder.parent / "other")
    with pytest.raises(DataError, match=r"13-32\.1/wsj1/doc/lng_modl/lm_train/np_data: the text for"):
        wsj.prepare(discs, tmp_path / "out", language_text=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wsj.prepare(discs, tmp_path / "out")
    without = ("data.options.language_text=false", *TINY)
    with pytest.raises(ConfigError, match=r"lm\.corpus_text: the corpus wsj brings no text"):
        run_recipe(RECIPES / "wsj", data=discs, work=tmp_path / "work", assignments=without)
