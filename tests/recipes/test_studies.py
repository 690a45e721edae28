"""``speechq study``: what is measured, that it goes on, and its arithmetic."""

from __future__ import annotations

import itertools
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from tiny_speech import write_corpus

from speechq.bench.report import write_report
from speechq.bench.studies import (
    Point,
    effective_ratio,
    gap_closed,
    half_interval,
    read_study,
    summaries,
    table,
)
from speechq.bench.study_figures import study_figure
from speechq.bench.study_table import rows_of, write_figure
from speechq.errors import ConfigError, DataError
from speechq.recipes.run import run_recipe
from speechq.recipes.studies.bench import network_bytes
from speechq.recipes.studies.landscape import plane, set_vector, trained_vector
from speechq.recipes.studies.run import run_study
from speechq.recipes.studies.sensitivity import falling_bits, last_good, scheme_of, sizes_of
from speechq.runtime.model_file import read_model
from speechq.train.checkpoint import load_network
from speechq.train.pack import pack

STUDY: dict[str, Any] = {
    "seeds": [1, 2],
    "hidden": [8, 16],
    "layers": [1, 2],
    "capacity_schemes": ["w4a8", "w2a8"],
    "depth_schemes": ["w2", "w2a4"],
    "methods": ["adaptive", "adaptive+kd", "adaptive+sqwa"],
    "bits": [2, 4],
    "landscape": ["fixed", "adaptive", "adaptive+swa"],
    "grid": 3,
}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder with its float network trained."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("study")
    corpus = write_corpus(folder / "corpus", train=8)
    recipe = {
        "name": "tones",
        "data": {
            "corpus": "manifest",
            "source": str(corpus),
            "alphabet": " ABCDEF",
            "features": {"mels": 20},
        },
        "model": {"cell": "sru", "layers": 2, "hidden": 16},
        "train": {"epochs": 3, "batch_seconds": 4.0, "max_rows": 4, "workers": 1, "learning_rate": 0.01},
        "retrain": {"schemes": ["w2a8"], "methods": ["adaptive"], "epochs": 1},
        "study": STUDY,
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return run_recipe(folder, work=folder / "work", last="retrain")


def stamps(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("stamp.json")}


def points_of(work: Path, name: str) -> list[Point]:
    found = read_study(work, name)
    assert found is not None
    points: list[Point] = found["points"]
    return points


def test_methods_are_compared_and_the_recipes_networks_reused(work: Path) -> None:
    run_study("methods", work)
    points = points_of(work, "methods")
    assert {(p.method, p.seed) for p in points} == set(
        itertools.product(["float", "float+", *STUDY["methods"]], (1, 2))
    )
    of = {(p.method, p.seed): p for p in points}
    own = (work / "train" / "w2a8-adaptive-s1" / "final.ckpt").read_bytes()
    copy = work / "study" / "methods" / "2x16" / "train"
    assert (copy / "w2a8-adaptive-s1" / "final.ckpt").read_bytes() == own
    network, _ = load_network(copy / "w2a8-adaptive+kd-s2" / "final.ckpt")
    assert of["adaptive+kd", 2].bytes == network_bytes(network) < of["float", 1].bytes / 4
    header, rows = rows_of(work, "methods")
    losses = [float(row[header.index("loss")]) for row in rows]
    assert losses == sorted(losses)
    before = stamps(work)
    run_study("methods", work)
    assert stamps(work) == before
    (work / "study" / "methods" / "2x16" / "score" / "w2a8-adaptive+sqwa-s2" / "stamp.json").unlink()
    run_study("methods", work)
    assert points_of(work, "methods") == points
    assert {path for path in before if stamps(work)[path] != before[path]} == {
        work / "study" / "methods" / "2x16" / "score" / "w2a8-adaptive+sqwa-s2" / "stamp.json"
    }


def test_methods_that_do_not_go_with_the_scheme_are_left_out(
    work: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    chosen = "study.methods=[adaptive, adaptive+sparse]", "study.methods_scheme=w4a8", "study.seeds=[1]"
    run_study("methods", work, assignments=chosen)
    assert {p.method for p in points_of(work, "methods")} == {"float", "float+", "adaptive"}
    assert "adaptive+sparse is left out: sparse weights have at most 2 bits" in capfd.readouterr().err
    with pytest.raises(ConfigError, match=r"study\.methods: none goes with the recipe and w4a8"):
        run_study("methods", work, assignments=("study.methods=[adaptive+sparse]", *chosen[1:]))
    run_study("methods", work)


def test_the_other_studies_and_the_page(work: Path) -> None:
    one = ("study.seeds=[1]",)
    run_study("capacity", work, assignments=one)
    points = points_of(work, "capacity")
    assert {(p.hidden, p.scheme, p.method) for p in points} == {
        (h, s, m)
        for h in (8, 16)
        for s, m in [
            ("float", "float"),
            ("float", "float+"),
            ("w4a8", "adaptive"),
            ("w2a8", "adaptive"),
        ]
    }
    run_study("depth-width", work, assignments=one)
    points = points_of(work, "depth-width")
    assert {(p.layers, p.hidden, p.scheme) for p in points} == set(
        itertools.product((1, 2), (8, 16), ("float", "w2", "w2a4"))
    )
    run_study("sensitivity", work, assignments=one)
    found = read_study(work, "sensitivity")
    assert found is not None
    schemes = {p.scheme for p in found["points"]}
    groups = ("l0.in", "l0.skip", "l1.in", "out")
    single = {"float"} | {f"float,{g}=w{b}" for g in groups for b in (2, 4)}
    assert schemes > single
    assert {scheme[0] for scheme in schemes - single} == {"w"}
    assert found["affordable"] is None  # 2 bits are 6 % of float's bytes, the budget is 4 %
    of = {(p.scheme, p.method): p.error for p in found["points"]}
    allowed = 1.03 * of["float", "float+"]
    assert all(of[s, "adaptive"] <= allowed for s in {found["chosen"]} - {None})
    wide = (*one, "study.margin=1e9", "study.budget=1.0")
    run_study("sensitivity", work, assignments=wide)
    assert points_of(work, "sensitivity")[-1].scheme == "w2a8"  # the cheapest of all is good enough
    found = read_study(work, "sensitivity")
    assert found is not None
    assert found["chosen"] == found["affordable"] == "w2a8"
    run_study("landscape", work, assignments=one)
    run_study("methods", work, assignments=one)
    for name in ("sensitivity", "capacity", "depth-width", "landscape"):
        assert "<svg" in write_figure(work, name).read_text()
    for name in ("capacity", "depth-width"):
        study = read_study(work, name)
        assert study is not None
        assert {axes.get_xscale() for axes in study_figure(name, study, 7.2).axes} == {"log"}
    page = write_report(work).read_text()
    for name in ("sensitivity", "capacity", "depth-width", "methods", "landscape"):
        assert f"Study: {name}" in page
    assert "The cheapest scheme within the margin: w2a8; the best within the budget: w2a8." in page


def test_the_plane_passes_through_the_three_networks(work: Path) -> None:
    run_study("landscape", work, assignments=("study.seeds=[1]",))
    found = read_study(work, "landscape")
    assert found is not None
    assert np.array(found["losses"]).shape == (3, 3)
    train = work / "study" / "landscape" / "2x16" / "train"
    networks = [load_network(train / f"w2a8-{m}-s1" / "final.ckpt")[0] for m in STUDY["landscape"]]
    vectors = [trained_vector(network) for network in networks]
    first, second, places = plane(vectors)
    assert float(first.norm()) == pytest.approx(1.0)
    assert float(second.norm()) == pytest.approx(1.0)
    assert float(first @ second) == pytest.approx(0.0, abs=1e-9)
    for (x, y), vector in zip(places, vectors, strict=True):
        at = vectors[0].double() + x * first + y * second
        torch.testing.assert_close(at.float(), vector, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["places"], places)
    # the axes reach beyond all three
    assert found["x"][0] < min(x for x, _ in places) <= max(x for x, _ in places) < found["x"][-1]
    set_vector(networks[0], vectors[2])
    for mine, other in zip(networks[0].parameters(), networks[2].parameters(), strict=True):
        assert torch.equal(mine, other)


def test_bytes_are_those_of_the_packed_model(work: Path) -> None:
    run_recipe(work.parent, work=work, first="pack", last="pack")
    for name in ("float-s1", "w2a8-adaptive-s1"):
        network, _ = load_network(work / "train" / name / "final.ckpt")
        model = read_model(work / "models" / f"{name}.sqm")
        size = 0
        for layer in model.layers:
            for matrix in layer.matrices.values():
                bits = matrix.codes.size * matrix.bits
                size += math.ceil(bits / 8) + 4 * matrix.steps.size
            size += sum(4 * vector.size for vector in layer.vectors.values())
        assert network_bytes(network) == size


def test_the_file_is_the_one_that_pack_writes(work: Path, tmp_path: Path) -> None:
    run_study("methods", work)
    (mine,) = (p for p in points_of(work, "methods") if (p.method, p.seed) == ("adaptive", 1))
    pack(work / "train" / "w2a8-adaptive-s1" / "final.ckpt", tmp_path / "model.sqm", compress=True)
    assert mine.file == (tmp_path / "model.sqm").stat().st_size


def test_a_network_that_was_half_taken_over_is_taken_again(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while it copies, a study must not find a network without its checkpoint."""
    run_study("methods", work)
    target = work / "study" / "methods" / "2x16" / "train" / "w2a8-adaptive-s1"
    shutil.rmtree(target)
    copied = shutil.copytree

    def die(source: Path, folder: Path, **more: Any) -> None:
        copied(source, folder, **more)
        (folder / "final.ckpt").unlink()
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "copytree", die)
    with pytest.raises(KeyboardInterrupt):
        run_study("methods", work)
    assert not target.exists()
    monkeypatch.undo()
    run_study("methods", work)
    assert (target / "final.ckpt").is_file()


def test_mistakes_are_explained(work: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="magic: no such study; expected one of sensitivity, capacity"):
        run_study("magic", work)
    with pytest.raises(ConfigError, match="no work folder of a recipe"):
        run_study("methods", tmp_path)
    with pytest.raises(DataError, match="the study was not run"):
        rows_of(tmp_path, "methods")
    with pytest.raises(ConfigError, match=r"study\.methods: .*'magic' is no rule"):
        run_study("methods", work, assignments=("study.methods=[magic]",))


# Arithmetic


def point(method: str, seed: int, loss: float, size: int = 100, hidden: int = 8) -> Point:
    return Point(1, hidden, "w2a8", method, seed, loss, 0.5, size, size)


def test_intervals_are_students() -> None:
    assert half_interval([1.0]) is None
    assert half_interval([1.0, 3.0]) == pytest.approx(12.706 * math.sqrt(2) / math.sqrt(2))
    assert half_interval([1.0, 2.0, 3.0]) == pytest.approx(4.303 / math.sqrt(3))
    for count, t in ((12, 2.201), (16, 2.131), (31, 2.042), (101, 1.984)):
        values = [float(k % 2) for k in range(count)]
        spread = float(np.std(values, ddof=1)) / math.sqrt(count)
        assert half_interval(values) == pytest.approx(t * spread, rel=2e-3)
    rows = summaries([point("a", 1, 1.0), point("b", 1, 5.0), point("a", 2, 3.0)])
    assert [(row.method, row.seeds, row.loss) for row in rows] == [("a", 2, 2.0), ("b", 1, 5.0)]


def test_the_share_of_the_gap() -> None:
    plain = [point("adaptive", s, 1.0 + 0.1 * s) for s in (1, 2, 3)]
    best = [point("float+", s, 0.6 + 0.1 * s) for s in (1, 2, 3)]
    better = [point("x", s, 0.8 + 0.1 * s) for s in (3, 1, 2)]
    share, half = gap_closed(better, plain, best)
    assert share == pytest.approx(0.5)
    assert half == pytest.approx(0.0, abs=1e-9)  # paired: seeds differ, gains do not
    header, rows = table("methods", {"points": plain + best + better, "plain": "adaptive"})
    assert header[-1] == "of the gap closed"
    assert [row[2] for row in rows] == ["float+", "x", "adaptive"]
    assert rows[1][-1].startswith("50 %")
    assert rows[0][-1] == rows[2][-1] == ""


def test_effective_ratios_come_from_the_float_curve() -> None:
    curve = [(1000.0, 2.0), (4000.0, 1.0), (2000.0, 2.5), (16000.0, 0.5)]
    # the 2000-byte network is worse than the smaller one, so the curve runs from 1000 to 4000
    assert effective_ratio(curve, 1.5, 100) == (pytest.approx(math.sqrt(1000 * 4000) / 100), False)
    assert effective_ratio(curve, 1.0, 100) == (pytest.approx(40.0), False)
    assert effective_ratio(curve, 0.4, 100) == (160.0, True)
    assert effective_ratio(curve, 9.0, 100) == (pytest.approx(10.0), False)


def test_bits_fall_where_they_cost_least() -> None:
    rng = np.random.default_rng(1)
    weights = {"a": 1000, "b": 300, "c": 50}
    bits = (2, 4, 8)
    for _ in range(30):
        lost = {}
        for group in weights:
            for b, value in zip(bits, sorted(rng.uniform(-0.2, 1, 3), reverse=True), strict=True):
                lost[group, b] = value
        path = falling_bits(lost, weights, bits)
        assert path[0] == dict.fromkeys(weights, 8)
        assert path[-1] == dict.fromkeys(weights, 2)
        assert len(path) == 1 + 2 * len(weights)

        def price(now: dict[str, int], group: str) -> float:
            down = bits[bits.index(now[group]) - 1]
            more = max(lost[group, down], 0) - max(lost[group, now[group]], 0)  # noqa: B023
            return float(more / (weights[group] * (now[group] - down)))

        for now, following in itertools.pairwise(path):
            (group,) = (g for g in weights if following[g] < now[g])
            assert price(now, group) == min(price(now, g) for g in weights if now[g] > 2)
    assert scheme_of({"a": 2, "b": 2, "c": 8}) == "w2a8,c=w8"


@pytest.mark.parametrize("count", [1, 2, 7, 29])
def test_the_last_that_is_good(count: int) -> None:
    for boundary in range(count + 1):
        asked: list[int] = []

        def good(index: int, boundary: int = boundary, asked: list[int] = asked) -> bool:
            asked.append(index)
            return index < boundary

        assert last_good(count, good) == (boundary - 1 if boundary else None)
        assert len(asked) <= math.ceil(math.log2(count + 1))


def test_a_scheme_is_charged_as_it_is_packed(work: Path) -> None:
    network, _ = load_network(work / "train" / "float-s1" / "final.ckpt")
    quantized, _ = load_network(work / "train" / "w2a8-adaptive-s1" / "final.ckpt")
    sizes = sizes_of(network, per_row=True)
    assert sizes.bytes(dict.fromkeys(sizes.weights, 2)) == network_bytes(quantized)


def test_the_command_prints_its_table(work: Path) -> None:
    from commands import speechq

    done = speechq("study", "methods", work, "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert {row["method"] for row in rows} == {"float", "float+", *STUDY["methods"]}
    assert all(float(row["WER %"]) >= 0 and float(row["± WER"]) >= 0 for row in rows)
    listed = speechq("study", "methods", work, "--markdown").stdout.splitlines()
    assert listed[0].startswith("| network | scheme | method | loss | ± loss | WER % |")
    assert len(listed) == 2 + len(rows)
    shown = speechq("study", "methods", work)
    assert "of the gap closed" in shown.stdout
    assert shown.stdout.rstrip().endswith("figure.svg")
    wrong = speechq("study", "x", work)
    assert wrong.returncode == 2
    assert "no such study" in wrong.stderr
