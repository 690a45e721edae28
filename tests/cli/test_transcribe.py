from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from commands import speechq
from tiny_speech import RATE, tones, write_split

from speechq import Recognizer
from speechq.errors import ConfigError
from speechq.runtime.batch import find_recordings, share


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings of several formats and rates in a folder, and one that is broken."""
    folder = tmp_path_factory.mktemp("recordings")
    (folder / "more").mkdir()
    rng = np.random.default_rng(1)
    soundfile.write(folder / "a.flac", tones("ACE B", rng, 0.3, 0.3), RATE)
    soundfile.write(folder / "b.wav", tones("FAD", rng, 0.3, 0.3), RATE)
    soundfile.write(folder / "more" / "c.WAV", tones("BE CAF", rng, 0.3, 0.3), RATE, "PCM_16", format="NIST")
    (folder / "more" / "broken.wav").write_bytes(b"RIFF and then nothing")
    (folder / "notes.txt").write_text("not a recording")
    return folder


def test_files_and_folders_become_text_and_a_broken_one_stops_nothing(
    recordings: Path, tones_model: Path
) -> None:
    done = speechq("transcribe", tones_model, recordings, "--jobs", "2")
    assert done.returncode == 1
    names = ["a.flac", "b.wav", "more/c.WAV"]
    expected = ["ACE B", "FAD", "BE CAF"]
    assert done.stdout == "".join(f"{recordings / n}\t{t}\n" for n, t in zip(names, expected, strict=True))
    assert f"speechq: {recordings / 'more' / 'broken.wav'}: cannot be read as audio" in done.stderr
    assert "3 of 4 files transcribed" in done.stderr
    assert "Traceback" not in done.stderr


def test_one_file_is_its_text_alone(recordings: Path, tones_folder: Path) -> None:
    done = speechq("transcribe", tones_folder, recordings / "a.flac")
    assert (done.returncode, done.stdout) == (0, "ACE B\n")
    done = speechq("transcribe", tones_folder, recordings / "a.flac", "--format", "json")
    value = json.loads(done.stdout)
    assert value["text"] == "ACE B"
    assert (
        value["words"] == Recognizer.load(tones_folder).transcribe(recordings / "a.flac").to_json()["words"]
    )


def test_a_file_per_recording(tmp_path: Path, recordings: Path, tones_model: Path) -> None:
    done = speechq(
        "transcribe", tones_model, recordings, "--format", "srt", "-o", tmp_path / "out", "--jobs", "1"
    )
    assert (done.returncode, done.stdout) == (1, "")
    written = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*")}
    assert written == {"a.srt", "b.srt", "more/c.srt"}
    assert "\nACE B\n" in (tmp_path / "out" / "a.srt").read_text()


def test_what_is_wrong_is_said_in_a_sentence(tmp_path: Path, recordings: Path, tones_model: Path) -> None:
    (tmp_path / "b.flac").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    for arguments, expected in (
        (["--format", "doc", recordings], "--format doc: expected one of txt, json, srt, vtt, ctm"),
        (["--format", "srt", recordings], "needs a folder for the files: --output"),
        ([tmp_path / "empty"], "holds no recording"),
        (["--beam", "0", recordings], "beam is 0"),
        (["-o", tmp_path / "o", recordings / "b.wav", tmp_path / "b.flac"], "would both be written to"),
    ):
        done = speechq("transcribe", tones_model, *arguments)
        assert done.returncode == 2
        assert done.stderr.startswith("speechq: ")
        assert expected in done.stderr
    done = speechq("transcribe", tmp_path / "none.sqm", recordings)
    assert (done.returncode, "no such model" in done.stderr) == (2, True)


def test_processes_of_torchrun_share_the_files(tmp_path: Path) -> None:
    found = find_recordings([u.audio for u in write_split(tmp_path, "test", 7)])
    parts = [share(found, {"RANK": str(rank), "WORLD_SIZE": "3"}) for rank in range(3)]
    assert [len(part) for part in parts] == [3, 2, 2]
    assert sorted((r.path for part in parts for r in part), key=str) == sorted(r.path for r in found)
    assert share(found, {}) == found
    for wrong in ({"RANK": "3", "WORLD_SIZE": "3"}, {"RANK": "one"}):
        with pytest.raises(ConfigError, match="as torchrun sets them"):
            share(found, wrong)


def test_a_share_is_transcribed_under_torchruns_variables(
    recordings: Path, tones_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    done = speechq("transcribe", tones_model, recordings / "a.flac", recordings / "b.wav", "--jobs", "1")
    assert done.stdout == f"{recordings / 'b.wav'}\tFAD\n"
    assert done.stderr == ""


def test_folders_are_searched_for_recordings_only(recordings: Path) -> None:
    names = [str(recording.name).replace(os.sep, "/") for recording in find_recordings([recordings])]
    assert names == ["a.flac", "b.wav", "more/broken.wav", "more/c.WAV"]
