"""The model that comes with the package."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from commands import speechq

from speechq import Recognizer
from speechq.errors import ConfigError
from speechq.runtime.model_folder import DEFAULT, divide, find_model
from speechq.text.error_rates import word_errors

MIXED = Path(__file__).parents[2].parent / "shared" / "data" / "mixed"


def test_it_is_whole_small_and_has_a_card() -> None:
    files = find_model()
    assert files.ngram is not None
    assert files.settings is not None
    assert sum(path.stat().st_size for path in DEFAULT.iterdir()) <= 8 << 20
    card = (DEFAULT / "README.md").read_text()
    assert all(word in card for word in ("Data and licences", "Error rates", "good for"))


def test_nothing_said_is_no_word(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros(32000), 16000)
    assert Recognizer.load().transcribe(tmp_path / "silence.wav").text == ""


@pytest.mark.skipif(not MIXED.is_dir(), reason="needs the speech in ../shared/data/mixed")
def test_it_recognizes_readers() -> None:
    rows = [json.loads(line) for line in (MIXED / "dev.jsonl").read_text().splitlines()]
    readers = [row for row in rows if row["corpus"].startswith("librispeech")][:8]
    paths = [MIXED / row["audio"] for row in readers]
    done = speechq("transcribe", *paths, "--format", "json", "--jobs", "1")
    assert done.returncode == 0
    heard = [json.loads(line)["text"] for line in done.stdout.splitlines()]
    wrong = [word_errors(row["text"], text) for row, text in zip(readers, heard, strict=True)]
    assert sum(one.errors for one in wrong) < 0.6 * sum(len(row["text"].split()) for row in readers)


def test_the_first_path_is_the_model_if_it_is_one(tmp_path: Path) -> None:
    recording = tmp_path / "a.wav"
    soundfile.write(recording, np.zeros(16000), 16000)
    assert divide([recording]) == (DEFAULT, [recording])
    assert divide([tmp_path, recording]) == (DEFAULT, [tmp_path, recording])
    assert divide([DEFAULT, recording]) == (DEFAULT, [recording])
    assert divide([tmp_path / "x.sqm", recording]) == (tmp_path / "x.sqm", [recording])
    with pytest.raises(ConfigError, match="expected recordings behind it"):
        divide([DEFAULT])
