from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechq.data.manifest import Utterance, read_manifest, write_manifest
from speechq.errors import DataError
from speechq.text.units import Units

GOOD = {"id": "u", "audio": "a.wav", "duration": 1.5, "text": "HELLO", "speaker": "s"}


def write_lines(path: Path, *values: object) -> Path:
    path.write_text("".join((v if isinstance(v, str) else json.dumps(v)) + "\n" for v in values))
    return path


def test_every_kind_of_problem_is_told_at_once(tmp_path):
    (tmp_path / "a.wav").touch()
    path = write_lines(
        tmp_path / "m.jsonl",
        GOOD,
        "{broken",
        {key: value for key, value in GOOD.items() if key != "text"} | {"id": "3"},
        GOOD | {"id": "4", "duration": "long"},
        GOOD | {"id": "5", "audio": "missing.wav"},
        GOOD | {"id": "6", "text": " "},
        GOOD | {"id": "7", "text": "HELL0"},
        GOOD | {"id": "8", "duration": 0},
        GOOD,
        [1, 2],
        GOOD | {"id": "11", "phones": [["aa", 0.5, 0.2]]},
        GOOD | {"id": 12},
        GOOD | {"id": "13", "duration": float("nan")},
        "",
        GOOD | {"id": "15", "corpus": 3},
    )
    with pytest.raises(DataError) as caught:
        read_manifest(path, Units.characters())
    head, *lines = str(caught.value).splitlines()
    assert head == f"{path}: {len(lines)} problems"
    expected = [
        (2, "not valid JSON"),
        (3, "'text' is missing"),
        (4, "'duration' must be a number"),
        (5, f"{tmp_path / 'missing.wav'} does not exist"),
        (6, "'text' is empty"),
        (7, "'0' in 'HELL0'"),
        (8, "above 0"),
        (9, "id 'u' was used in line 1"),
        (10, "not a JSON object"),
        (11, "'phones'"),
        (12, "'id' must be a string"),
        (13, "'duration' must be a number"),
        (15, "'corpus'"),
    ]
    assert [line.split(": ")[0] for line in lines] == [f"{path}:{number}" for number, _ in expected]
    for line, (_, words) in zip(lines, expected, strict=True):
        assert words in line


def test_a_long_list_is_cut_with_its_total(tmp_path):
    path = write_lines(tmp_path / "m.jsonl", *["{"] * 1000)
    with pytest.raises(DataError) as caught:
        read_manifest(path)
    lines = str(caught.value).splitlines()
    assert "1000 problems" in lines[0]
    assert len(lines) < 30
    assert lines[-1] == "... and 980 more"


def test_checks_can_be_left_out_and_extra_keys_are_ignored(tmp_path):
    path = write_lines(tmp_path / "m.jsonl", GOOD | {"age": 7, "text": "HELL0"})
    assert read_manifest(path, check_audio=False) == [Utterance("u", tmp_path / "a.wav", 1.5, "HELL0", "s")]


def test_unreadable_manifests(tmp_path):
    with pytest.raises(DataError, match=r"none\.jsonl"):
        read_manifest(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(DataError, match="empty"):
        read_manifest(tmp_path / "empty.jsonl")
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="UTF-8"):
        read_manifest(tmp_path / "binary.jsonl")


def test_audio_is_written_relative_to_the_manifest(tmp_path):
    audio = tmp_path / "corpus" / "audio" / "a.wav"
    audio.parent.mkdir(parents=True)
    audio.touch()
    target = tmp_path / "work" / "data" / "train.jsonl"
    write_manifest(target, [Utterance("u", audio, 1.0, "A", "s")])
    assert json.loads(target.read_text())["audio"] == "../../corpus/audio/a.wav"
    assert read_manifest(target)[0].audio.samefile(audio)
    assert [path.name for path in target.parent.iterdir()] == ["train.jsonl"]


def test_manifest_behind_a_link(tmp_path):
    audio = tmp_path / "audio" / "a.wav"
    audio.parent.mkdir()
    audio.touch()
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "er")
    write_manifest(tmp_path / "link" / "m.jsonl", [Utterance("u", audio, 1.0, "A", "s")])
    assert read_manifest(tmp_path / "link" / "m.jsonl")[0].audio.samefile(audio)
    assert read_manifest(tmp_path / "deep" / "er" / "m.jsonl")[0].audio.samefile(audio)


def test_a_failing_write_leaves_the_old_manifest(tmp_path):
    target = tmp_path / "m.jsonl"
    target.write_text("old")
    twice = Utterance("u", tmp_path / "a.wav", 1.0, "A", "s")
    with pytest.raises(DataError, match="'u'"):
        write_manifest(target, [twice, twice])
    assert target.read_text() == "old"


SOME_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)
TIMES = st.floats(0, 1e6)


@given(
    st.lists(
        st.builds(
            Utterance,
            id=SOME_TEXT,
            audio=st.sampled_from([Path("a.wav"), Path("b c/ü.flac")]),
            duration=st.floats(1e-3, 1e6),
            text=SOME_TEXT,
            speaker=st.text(st.characters(exclude_categories=["Cs"])),
            corpus=st.sampled_from(["", "x"]),
            phones=st.lists(st.tuples(SOME_TEXT, TIMES).map(lambda p: (p[0], p[1], p[1] + 1.0))).map(tuple),
        ),
        min_size=1,
        unique_by=lambda utterance: utterance.id,
    )
)
def test_round_trip(utterances):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        rooted = [Utterance(**{**vars(u), "audio": folder / u.audio}) for u in utterances]
        write_manifest(folder / "m.jsonl", rooted)
        assert read_manifest(folder / "m.jsonl", check_audio=False) == rooted


@pytest.mark.parametrize(("split", "count"), [("train", 6842), ("dev", 312), ("test", 392)])
def test_real_manifests(shared, split, count):
    utterances = read_manifest(shared / "data" / "mixed" / f"{split}.jsonl", Units.characters())
    assert len(utterances) == count
    assert all(utterance.corpus for utterance in utterances)
