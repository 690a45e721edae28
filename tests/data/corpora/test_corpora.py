"""The registry of corpora, and the corpus that is manifests already."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from speechq.data.corpora import CORPORA, prepare_corpus
from speechq.data.manifest import read_manifest
from speechq.errors import ConfigError, DataError
from speechq.text.normalize import ALPHABET


def write_manifests(folder: Path) -> Path:
    (folder / "audio").mkdir(parents=True)
    for split in ("train", "dev"):
        (folder / "audio" / f"{split}.wav").touch()
        value = {
            "id": split,
            "audio": f"audio/{split}.wav",
            "duration": 1,
            "text": "A B",
            "speaker": "s",
            "age": 7,
        }
        (folder / f"{split}.jsonl").write_text(json.dumps(value) + "\n")
    return folder


def test_every_corpus_has_a_module():
    assert {name for name in CORPORA if importlib.util.find_spec(CORPORA[name]) is None} == set()


def test_unknown_names_and_options(tmp_path):
    with pytest.raises(ConfigError, match="'tmit' is not known; choose one of timit, librispeech"):
        prepare_corpus("tmit", tmp_path, tmp_path)
    with pytest.raises(ConfigError, match="no option 'phone'; its options are text, phones"):
        prepare_corpus("timit", tmp_path, tmp_path, phone=61)
    with pytest.raises(ConfigError, match=r"'synth': option seed: .*valid integer.* \(found 'many'\)"):
        prepare_corpus("synth", tmp_path, tmp_path, seed="many")
    with pytest.raises(ConfigError, match=r"'librispeech': option splits: .* \(found 5\)"):
        prepare_corpus("librispeech", tmp_path, tmp_path, splits=5)


def test_manifests_move(tmp_path):
    source = write_manifests(tmp_path / "in" / "deep")
    written = prepare_corpus("manifest", str(source), str(tmp_path / "out"), alphabet=ALPHABET)
    assert list(written) == ["dev", "train"]
    assert json.loads(written["train"].read_text())["audio"] == "../in/deep/audio/train.wav"
    assert read_manifest(written["train"])[0].text == "A B"
    one = prepare_corpus("manifest", source / "dev.jsonl", tmp_path / "one")
    assert one == {"dev": tmp_path / "one" / "dev.jsonl"}
    named = prepare_corpus("manifest", source, tmp_path / "named", splits={"test": "dev.jsonl"})
    assert read_manifest(named["test"])[0].id == "dev"


def test_nothing_is_written_unless_all_manifests_are_sound(tmp_path):
    source = write_manifests(tmp_path / "in")
    (source / "audio" / "train.wav").unlink()
    with pytest.raises(DataError, match=r"train\.wav does not exist"):
        prepare_corpus("manifest", source, tmp_path / "out")
    with pytest.raises(DataError, match=r"' ' 'A' 'B' in 'A B'"):
        prepare_corpus("manifest", source / "dev.jsonl", tmp_path / "out", alphabet="xyz")
    assert not (tmp_path / "out").exists()
    with pytest.raises(DataError) as caught:  # all problems of all of them at once
        prepare_corpus("manifest", source, tmp_path / "out", alphabet={"train": "xyz", "dev": "xyz"})
    said = str(caught.value).splitlines()
    places = ("dev.jsonl:", "dev.jsonl:1:", "train.jsonl:", "train.jsonl:1:", "train.jsonl:1:")
    assert [line.partition(" ")[0] for line in said] == [f"{source}/{place}" for place in places]
    with pytest.raises(DataError, match=r"test\.jsonl: there is no such manifest"):
        prepare_corpus("manifest", source, tmp_path / "out", splits={"test": "test.jsonl"})
    with pytest.raises(DataError, match="holds no manifest"):
        prepare_corpus("manifest", source / "audio", tmp_path / "out")


def test_the_mixed_set(shared, tmp_path):
    written = prepare_corpus("manifest", shared / "data" / "mixed", tmp_path, alphabet=ALPHABET)
    read = {split: read_manifest(path) for split, path in written.items()}
    assert {split: len(utterances) for split, utterances in read.items()} == {
        "train": 6842,
        "dev": 312,
        "test": 392,
    }
    hours = {split: sum(u.duration for u in utterances) / 3600 for split, utterances in read.items()}
    assert hours == pytest.approx({"train": 8.180, "dev": 0.504, "test": 0.641}, abs=1e-3)
    speakers = [{u.speaker for u in utterances} for utterances in read.values()]
    assert sum(map(len, speakers)) == len(set.union(*speakers)) == 199 + 24 + 25
    texts = {split: {u.text for u in utterances} for split, utterances in read.items()}
    assert not texts["train"] & (texts["dev"] | texts["test"])


def test_preparing_needs_no_torch():
    modules = [name for name in CORPORA.values() if not name.endswith("synth")]
    program = f"import sys, {', '.join(modules)}\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
