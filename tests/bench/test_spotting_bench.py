from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import speechq
from tiny_speech import write_split

from speechq.bench.spotting import Scored, draw_keywords, roc
from speechq.errors import DataError


def test_the_curve_counts_misses_and_false_alarms() -> None:
    scored = Scored(hits=(0.9, 0.8, 0.3), false_alarms=(0.95, 0.2), occurrences=5, keywords=2, hours=0.5)
    rows = {row["threshold"]: row for row in roc(scored)}
    assert rows[0.1]["misses"] == pytest.approx(0.4)
    assert rows[0.1]["false_alarms_per_hour"] == 2.0
    assert rows[0.85]["misses"] == pytest.approx(0.8)
    assert rows[0.85]["false_alarms_per_hour"] == 1.0


def test_keywords_are_long_words_that_occur_twice() -> None:
    texts = ["LONGER WORDS HERE", "WORDS LONGER", "LONGER OTHERS"]
    assert draw_keywords(texts, 2, 1) == ["LONGER", "WORDS"]
    with pytest.raises(DataError, match="2 words have at least 5 letters"):
        draw_keywords(texts, 3, 1)


def test_keywords_of_a_test_set_and_in_files(tmp_path: Path, tones_model: Path) -> None:
    said = write_split(tmp_path, "test", 3)
    lines = [json.loads(line) for line in (tmp_path / "test.jsonl").read_text().splitlines()]
    word = max(said[0].text.split(), key=len)
    done = speechq("spot", tones_model, "-k", word, *(u.audio for u in said), tmp_path / "none.wav")
    assert done.returncode == 1
    assert "none.wav: there is no such recording" in done.stderr
    found = [line.split("\t") for line in done.stdout.splitlines()]
    assert [str(said[0].audio), word] in [[row[0], row[4]] for row in found]
    done = speechq("spot", tones_model, "-k", word, "--json", said[0].audio)
    assert json.loads(done.stdout)[0]["keyword"] == word
    done = speechq("spot", tones_model, "-k", "XYZ", said[0].audio)
    assert done.returncode == 2
    assert done.stderr.startswith("speechq: keyword 'XYZ'")
    assert len(lines) == 3


def test_the_curve_from_the_command_line(tmp_path: Path, tones_model: Path) -> None:
    said = write_split(tmp_path, "test", 2)
    (tmp_path / "twice.jsonl").write_text(
        "".join(
            json.dumps(
                {"id": f"{k}", "audio": str(said[0].audio), "duration": 1.0, "text": "ABCDE", "speaker": "s"}
            )
            + "\n"
            for k in range(2)
        )
    )
    done = speechq(
        "bench",
        "spot",
        tones_model,
        tmp_path / "twice.jsonl",
        "--keywords",
        "1",
        "--json",
        "--plot",
        tmp_path / "r.svg",
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert {"threshold", "misses", "false_alarms_per_hour"} == set(rows[0])
    assert "<svg" in (tmp_path / "r.svg").read_text()
