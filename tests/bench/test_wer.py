"""The error rate table against counts made by hand and a slow bootstrap."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from speechq.bench.results import EvaluationResult, Utterance, read_results, write_result
from speechq.bench.wer import markdown_table, render_tables, summary_rows, wer_table
from speechq.errors import DataError

CONTRACT = [
    "model",
    "scheme",
    "method",
    "corpus",
    "split",
    "seed",
    "decoder",
    "size_bytes",
    "wer",
    "cer",
    "wer_low",
    "wer_high",
    "substitutions",
    "deletions",
    "insertions",
    "words",
    "delta_vs_float",
    "delta_low",
    "delta_high",
    "rtf",
]


def result(
    model: str, method: str, texts: list[tuple[str, str, str]], seed: int = 1, **other
) -> EvaluationResult:
    """A result of (corpus, reference, hypothesis) triples."""
    items = tuple(Utterance(f"u{i}", corpus, ref, hyp, 1.0) for i, (corpus, ref, hyp) in enumerate(texts))
    scheme = "float" if method.startswith("float") else "w4a8"
    values = {"decoder": "greedy", "split": "test", "mode": "utterance", "size_bytes": 10, "rtf": 0.5} | other
    return EvaluationResult(model, scheme, method, seed, commit="c", file="f", utterances=items, **values)


def test_figures_made_by_hand(tmp_path: Path) -> None:
    spoken = [("a", "one two three", ""), ("a", "four", ""), ("b", "five six", "")]
    heard = ["one too three", "", "five six seven"]
    texts = [(corpus, ref, hyp) for (corpus, ref, _), hyp in zip(spoken, heard, strict=True)]
    right = [(corpus, ref, ref) for corpus, ref, _ in spoken]
    write_result(tmp_path, result("w4a8-sgd-s1", "sgd", texts))
    write_result(tmp_path, result("float-s1", "float", right))
    rows = wer_table(tmp_path)
    assert all(list(row)[: len(CONTRACT)] == CONTRACT for row in rows)
    found = {(row["model"], row["corpus"]): row for row in rows}
    assert set(found) == {(m, c) for m in ("w4a8-sgd-s1", "float-s1") for c in ("all", "a", "b")}
    row = found["w4a8-sgd-s1", "all"]
    assert [row[key] for key in ("substitutions", "deletions", "insertions", "words")] == [1, 1, 1, 6]
    assert row["wer"] == 0.5
    # Characters: w for o; "four" lost; " seven" too much; 13 + 4 + 8 in the references.
    assert row["cer"] == pytest.approx((1 + 4 + 6) / 25)
    assert row["delta_vs_float"] == 0.5
    assert row["relative_delta"] is None  # float makes no error
    assert 0.0 <= row["wer_low"] <= 0.5 <= row["wer_high"]
    assert found["w4a8-sgd-s1", "b"]["wer_low"] is None  # a single utterance
    assert found["float-s1", "all"]["delta_vs_float"] == 0.0
    json.dumps(rows, allow_nan=False)


def test_intervals_equal_a_slow_bootstrap(work_dir: Path) -> None:
    by_name = {item.name: item for item in read_results(work_dir)}
    rows = {(r["model"], r["corpus"]): r for r in wer_table(work_dir, pooled=True, draws=300, seed=3)}

    def edits(name: str) -> list[int]:  # the made-up errors are all substitutions
        texts = sorted(by_name[name].utterances, key=lambda item: item.id)
        return [
            sum(a != b for a, b in zip(t.reference.split(), t.hypothesis.split(), strict=True)) for t in texts
        ]

    words = [
        len(t.reference.split()) for t in sorted(by_name["float+-s1"].utterances, key=lambda item: item.id)
    ]
    ours = [edits("w4a8-sgd-s1"), edits("w4a8-sgd-s2")]
    base = [edits("float+-s1"), edits("float+-s2")]
    generator = np.random.default_rng(3)
    single, pooled = [], []
    for _ in range(300):
        drawn = generator.integers(len(words), size=len(words))
        length = sum(words[i] for i in drawn)
        one, two, first, second = (sum(errors[i] for i in drawn) / length for errors in (*ours, *base))
        single.append(one - first)
        pooled.append((one + two) / 2 - (first + second) / 2)
    row = rows["w4a8-sgd-s1", "all"]
    assert (row["delta_low"], row["delta_high"]) == pytest.approx(tuple(np.quantile(single, [0.025, 0.975])))
    row = rows["w4a8-sgd", "all"]
    assert (row["delta_low"], row["delta_high"]) == pytest.approx(tuple(np.quantile(pooled, [0.025, 0.975])))
    assert row["wer"] == pytest.approx((sum(ours[0]) + sum(ours[1])) / (2 * sum(words)))
    assert row["seed"] is None and row["seeds"] == [1, 2] and row["words"] == 2 * sum(words)


def test_the_table_is_the_same_each_time_and_pooling_only_adds_rows(work_dir: Path) -> None:
    single, pooled = wer_table(work_dir), wer_table(work_dir, pooled=True)
    assert single == wer_table(work_dir)
    assert [row for row in pooled if row["seed"] is not None] == single
    assert len(single) == 2 * 8 * 3
    assert len(pooled) - len(single) == 8 * 3
    summary = summary_rows(pooled)
    assert len(summary) == 8 * 3 and all(row["seed"] is None for row in summary)
    assert len(summary_rows(single)) == len(single)


def test_identical_texts_differ_by_exactly_zero(tmp_path: Path, make_result) -> None:
    for seed in (1, 2, 3):
        write_result(tmp_path, make_result(f"float+-s{seed}", "float", "float+", seed, 0.2, 9))
        write_result(tmp_path, make_result(f"w4a8-sgd-s{seed}", "w4a8", "sgd", seed, 0.2, 9))
    for row in wer_table(tmp_path, pooled=True):
        assert (row["delta_vs_float"], row["delta_low"], row["delta_high"]) == (0.0, 0.0, 0.0)


def test_reference_is_float_plus_of_the_same_seed(work_dir: Path, tmp_path: Path, make_result) -> None:
    rows = [row for row in wer_table(work_dir, draws=50) if row["corpus"] == "all"]
    assert {row["reference"] for row in rows} == {"float+"}
    assert all(row["reference_seeds"] == [row["seed"]] for row in rows)
    # Without float+ it is float; a seed that float lacks is compared with the mean of the seeds it has.
    for seed in (1, 2):
        write_result(tmp_path, make_result(f"float-s{seed}", "float", "float", seed, 0.1, 9))
    write_result(tmp_path, make_result("w4a8-sgd-s5", "w4a8", "sgd", 5, 0.3, 9))
    rows = [row for row in wer_table(tmp_path, draws=50) if row["corpus"] == "all"]
    floats = [row["wer"] for row in rows if row["method"] == "float"]
    (row,) = (row for row in rows if row["method"] == "sgd")
    assert row["reference_seeds"] == [1, 2]
    assert row["delta_vs_float"] == pytest.approx(row["wer"] - np.mean(floats))


def test_other_decoders_are_not_compared(tmp_path: Path, make_result) -> None:
    write_result(tmp_path, make_result("float-s1", "float", "float", 1, 0.1, 9))
    write_result(tmp_path, make_result("w4a8-sgd-s1", "w4a8", "sgd", 1, 0.1, 9, decoder="beam"))
    rows = {row["decoder"]: row for row in wer_table(tmp_path, draws=50)}
    assert rows["beam"]["delta_vs_float"] is None and rows["greedy"]["delta_vs_float"] == 0.0


def test_other_test_sets_are_refused(tmp_path: Path, make_result) -> None:
    write_result(tmp_path, make_result("float-s1", "float", "float", 1, 0.1, 9))
    short = make_result("w4a8-sgd-s1", "w4a8", "sgd", 1, 0.1, 9)
    write_result(tmp_path, replace(short, utterances=short.utterances[:-1]))
    with pytest.raises(DataError, match="same test set") as error:
        wer_table(tmp_path)
    assert "w4a8-sgd-s1" in str(error.value) and "float-s1" in str(error.value)


def test_phones_are_folded(tmp_path: Path) -> None:
    # TIMIT's usual folding makes ix and ih, and ao and aa, one class each; s stays itself.
    texts = [("timit", "sh ix ao", "sh ih aa"), ("timit", "s iy", "z iy")]
    write_result(tmp_path, result("float-s1", "float", texts, unit="phone", fold=39))
    rows = wer_table(tmp_path)
    assert (rows[0]["substitutions"], rows[0]["words"], rows[0]["cer"]) == (1, 5, None)
    assert "PER %" in markdown_table(rows) and "CER" not in markdown_table(rows)
    write_result(tmp_path, result("float-s1", "float", texts, unit="phone", fold=None))
    assert wer_table(tmp_path)[0]["substitutions"] == 3


def test_stream_has_no_interval_and_says_stream(tmp_path: Path) -> None:
    for name, method in (("float-s1", "float"), ("w4a8-sgd-s1", "sgd")):
        write_result(tmp_path, result(name, method, [("a", "one two", "one too")], mode="stream"))
    rows = wer_table(tmp_path)
    assert all(
        row["wer_low"] is None and row["delta_low"] is None and row["mode"] == "stream" for row in rows
    )
    assert all(row["delta_vs_float"] == 0.0 for row in rows)
    write_result(tmp_path, result("float-s1", "float", [("a", "one two", "one")] * 2))
    assert "greedy (stream)" in markdown_table(wer_table(tmp_path))


def test_integer_arithmetic_is_a_column(tmp_path: Path) -> None:
    spoken = [("a", "one two", ""), ("a", "three", ""), ("b", "four five six", "")]

    def heard(*texts: str) -> list[tuple[str, str, str]]:
        return [(corpus, ref, text) for (corpus, ref, _), text in zip(spoken, texts, strict=True)]

    perfect = heard("one two", "three", "four five six")
    for seed in (1, 2):
        write_result(tmp_path, result(f"float-s{seed}", "float", perfect, seed))
        write_result(tmp_path, result(f"w4a8-sgd-s{seed}", "sgd", perfect, seed))
        write_result(tmp_path, result(f"w4a8-sgd-s{seed}", "sgd", [("a", "one", "one")], seed, mode="stream"))
    before = wer_table(tmp_path, pooled=True)
    assert {row["wer_integer"] for row in before} == {None}
    assert "integer" not in markdown_table(before)
    texts = heard("one too", "", "four five six seven")
    write_result(tmp_path, result("w4a8-sgd-s1", "sgd", texts, arithmetic="integer"))
    rows = wer_table(tmp_path, pooled=True)
    assert [{**row, "wer_integer": None} for row in rows] == before  # nothing else changes
    found = {(r["model"], r["corpus"], r["mode"]): r["wer_integer"] for r in rows}
    assert found["w4a8-sgd-s1", "all", "utterance"] == 3 / 6
    assert found["w4a8-sgd-s1", "a", "utterance"] == 2 / 3
    assert found["w4a8-sgd-s1", "b", "utterance"] == 1 / 3
    assert found["w4a8-sgd-s1", "all", "stream"] is None
    assert found["w4a8-sgd-s2", "all", "utterance"] is None
    assert found["w4a8-sgd", "all", "utterance"] is None  # not all seeds were run
    write_result(tmp_path, result("w4a8-sgd-s2", "sgd", perfect, 2, arithmetic="integer"))
    rows = wer_table(tmp_path, pooled=True)
    found = {(r["model"], r["corpus"], r["mode"]): r["wer_integer"] for r in rows}
    assert found["w4a8-sgd", "all", "utterance"] == 3 / 12
    lines = markdown_table(rows).splitlines()
    column = lines[2].split(" | ").index("WER % integer")
    cells = {line.split(" | ")[0]: line.split(" | ")[column] for line in lines if "| all | greedy |" in line}
    assert cells["| w4a8-sgd-s1"] == "50.0" and cells["| float-s1"] == "\N{EN DASH}"


def test_integer_arithmetic_needs_its_twin(tmp_path: Path) -> None:
    write_result(tmp_path, result("w4a8-sgd-s1", "sgd", [("a", "one", "one")], arithmetic="integer"))
    with pytest.raises(DataError, match=r"w4a8-sgd-s1\.integer/result\.json.*w4a8-sgd-s1/result\.json"):
        wer_table(tmp_path)
    write_result(tmp_path, result("w4a8-sgd-s1", "sgd", [("a", "two", "one")]))
    with pytest.raises(DataError, match="another test set"):
        wer_table(tmp_path)


def test_nothing_evaluated_and_no_words(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run the recipe's stage evaluate"):
        wer_table(tmp_path)
    write_result(tmp_path, result("float-s1", "float", [("quiet", "", "noise"), ("a", "one", "one")]))
    with pytest.raises(DataError, match="corpus 'quiet' has no reference text"):
        wer_table(tmp_path)


def test_tables_for_people(work_dir: Path) -> None:
    rows = wer_table(work_dir, pooled=True, draws=200)
    text = markdown_table(rows)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(rows)
    assert len({line.count("|") for line in lines}) == 1
    assert "w4a8-sgd (mean of 2 seeds)" in text and "float+-s1" in text and "reference" in text
    order = [line.split(" | ")[0].strip("| ") for line in lines[2:8]]
    seeds = ("-s1", "-s2", " (mean of 2 seeds)")
    assert order == [name + seed for name in ("float", "float+") for seed in seeds]
    stream = io.StringIO()
    Console(file=stream, width=200).print(*render_tables(rows))
    assert "w2a8-direct-s2" in stream.getvalue() and "Corpus" in stream.getvalue()


def test_one_corpus_is_shown_once(tmp_path: Path) -> None:
    write_result(
        tmp_path, result("float-s1", "float", [("a", "one two", "one too"), ("a", "three", "three")])
    )
    rows = wer_table(tmp_path)
    assert [row["corpus"] for row in rows] == ["all", "a"]
    assert markdown_table(rows).count("float-s1") == 1
