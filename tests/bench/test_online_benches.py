"""The benchmarks of live recognition, on tones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import speechq
from tiny_speech import write_split

from speechq.bench.latency import measure as measure_latency
from speechq.bench.serving import measure as measure_load
from speechq.bench.soak import measure as measure_soak


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("said")
    write_split(folder, "test", 6, longest_pause=0.6)
    return folder / "test.jsonl"


def test_every_stream_has_its_words_and_those_beyond_are_refused(tones_folder: Path, said: Path) -> None:
    pytest.importorskip("websockets")
    rows = measure_load(tones_folder, said, [1, 6], 3.0, 4)
    assert [(row["served"], row["refused"], row["equal_to_offline"]) for row in rows] == [
        (1, 0, 1),
        (4, 2, 4),
    ]
    assert all(0 < row["lag_median"] <= row["lag_95"] <= row["lag_highest"] < 5 for row in rows)


def test_the_curve_of_the_lag_from_the_command_line(tones_model: Path, said: Path, tmp_path: Path) -> None:
    pytest.importorskip("websockets")
    figure = tmp_path / "lag.svg"
    options = ["--streams", "1,3", "--seconds", "2", "--max-streams", "2", "--json", "--plot", figure]
    done = speechq("bench", "serve", tones_model, said, *options)
    assert done.returncode == 0, done.stderr
    assert [row["refused"] for row in json.loads(done.stdout)] == [0, 1]
    drawn = figure.read_text()
    for text in ("lag, median", "lag, 95th percentile", "1 refused", "clients that speak"):
        assert text in drawn
    done = speechq("bench", "serve", tones_model, said, "--streams", "0")
    assert (done.returncode, "--streams 0: expected 1 or more clients" in done.stderr) == (2, True)


def test_words_appear_before_they_are_stable(tones_folder: Path, said: Path) -> None:
    rows = measure_latency(tones_folder, said, [1, 16], [4, 60], 0)
    assert [(row["block"], row["depth"]) for row in rows] == [(1, 4), (1, 60), (16, 4), (16, 60)]
    for row in rows:
        assert row["words"] >= 6
        assert -0.1 < row["appears_median"] <= row["stable_median"] < 3.0
    assert rows[0]["appears_median"] < rows[2]["appears_median"]  # a large block waits for its frames
    assert rows[0]["stable_95"] <= rows[1]["stable_95"]


def test_an_endless_stream_is_measured(tones_folder: Path, said: Path) -> None:
    rows = measure_soak(tones_folder, said, 0.1)
    assert rows[0]["audio_seconds"] == pytest.approx(300, abs=0.2)
    assert rows[-1]["audio_seconds"] == pytest.approx(360, abs=0.2)
    assert rows[-1]["segments"] > 50
    assert abs(rows[-1]["growth_bytes"]) < 8 << 20


def test_the_table_of_latency(tones_model: Path, said: Path) -> None:
    done = speechq("bench", "latency", tones_model, said, "--block", "4", "--depth", "20", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["block"] == 4
