"""Files of the work folder: what is written is read back, what is damaged is named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from speechq.bench.results import (
    Comparison,
    read_comparisons,
    read_metrics,
    read_results,
    read_run,
    read_sample,
    read_sensitivity,
    write_comparison,
    write_result,
    write_sample,
)
from speechq.errors import DataError


def test_result_round_trip(tmp_path: Path, make_result) -> None:
    result = make_result("w4a8-sgd-s1", "w4a8", "sgd", 1, 0.2, 1000)
    path = write_result(tmp_path, result)
    assert path == tmp_path / "evaluate" / "w4a8-sgd-s1" / "result.json"
    assert read_results(tmp_path) == [result]
    assert result.family == "w4a8-sgd"


def test_other_decoders_modes_and_splits_have_their_own_folder(tmp_path: Path, make_result) -> None:
    for other in (
        {},
        {"decoder": "beam / ngram"},
        {"mode": "stream"},
        {"split": "dev"},
        {"arithmetic": "integer"},
    ):
        write_result(tmp_path, make_result("m-s1", "w4a8", "sgd", 1, 0.2, 1000, **other))
    names = {path.parent.name for path in tmp_path.rglob("result.json")}
    assert names == {"m-s1", "m-s1.beam-ngram", "m-s1.stream", "m-s1.dev", "m-s1.integer"}
    assert len(read_results(tmp_path)) == 5


def test_half_written_folders_are_not_read(tmp_path: Path, make_result) -> None:
    path = write_result(tmp_path, make_result("m-s1", "w4a8", "sgd", 1, 0.2, 1000))
    path.parent.rename(path.parent.with_name(".m-s1.tmp"))
    assert read_results(tmp_path) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda value: value.pop("scheme"), "lacks scheme"),
        (lambda value: value["utterances"][3].pop("hypothesis"), r"utterances\[3\] lacks hypothesis"),
        (lambda value: value.update(utterances=[]), "at least one utterance"),
        (lambda value: value.pop("utterances"), "no list 'utterances'"),
        (lambda value: value.update(unit="letter"), "unit is 'letter'"),
        (lambda value: value.update(mode="live"), "mode is 'live'"),
        (lambda value: value.update(fold=40), "fold is 40"),
        (lambda value: value.update(arithmetic="analog"), "arithmetic is 'analog'"),
        (lambda value: value["utterances"].append(value["utterances"][0]), "id occurs twice"),
    ],
)
def test_damaged_results_are_named(tmp_path: Path, make_result, change, words: str) -> None:
    path = write_result(tmp_path, make_result("m-s1", "w4a8", "sgd", 1, 0.2, 1000))
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))
    with pytest.raises(DataError, match=words) as error:
        read_results(tmp_path)
    assert str(path) in str(error.value)


def test_comparison_round_trip(tmp_path: Path) -> None:
    assert read_comparisons(tmp_path) == []
    comparison = Comparison("w4a8-sgd-s1", 0.11, 0.1, 40)
    path = write_comparison(tmp_path, comparison)
    assert path == tmp_path / "pack" / "w4a8-sgd-s1" / "comparison.json"
    assert read_comparisons(tmp_path) == [comparison]
    assert comparison.difference == pytest.approx(-0.01)
    path.write_text("{}")
    with pytest.raises(DataError, match="the comparison lacks model, simulated, packed, utterances"):
        read_comparisons(tmp_path)


def test_metrics_of_a_killed_run(tmp_path: Path) -> None:
    path = tmp_path / "train" / "float-s1" / "metrics.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(
        '{"step": 1, "loss": 3.0}\n{"epoch": 1, "dev_loss": 2.0, "dev_wer": 0.5}\n{"step": 2, "lo'
    )
    (run,) = read_metrics(tmp_path)
    assert (run.run, len(run.steps), run.epochs[0]["dev_wer"]) == ("float-s1", 1, 0.5)
    path.write_text('{"step": 1, "lo\n{"step": 2, "loss": 3.0}\n')
    with pytest.raises(DataError, match="line 1 is not JSON"):
        read_metrics(tmp_path)


def test_missing_parts_are_empty(tmp_path: Path) -> None:
    assert (read_results(tmp_path), read_metrics(tmp_path), read_sensitivity(tmp_path)) == ([], [], [])
    assert read_sample(tmp_path) is None
    assert read_run(tmp_path) == {}


def test_sample_round_trip(work_dir: Path, tmp_path: Path) -> None:
    sample = read_sample(work_dir)
    assert sample is not None
    assert sample.symbols == ("<blank>", " ", "<", "&")
    write_sample(tmp_path, sample)
    again = read_sample(tmp_path)
    assert again is not None
    np.testing.assert_array_equal(again.log_probs, sample.log_probs)
    assert (again.reference, again.hypothesis, again.frame_seconds) == ("a < b & c", "a<b", 0.03)


def test_sample_that_does_not_fit(work_dir: Path, tmp_path: Path) -> None:
    with np.load(work_dir / "sample.npz") as arrays:
        values = dict(arrays)
    np.savez(tmp_path / "sample.npz", **{**values, "symbols": np.array('["<blank>", "a"]')})
    with pytest.raises(DataError, match=r"expected \[frames, 2\]"):
        read_sample(tmp_path)
    (tmp_path / "sample.npz").write_bytes(b"no archive")
    with pytest.raises(DataError, match="not a sample"):
        read_sample(tmp_path)
