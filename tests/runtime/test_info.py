from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import speechq
from packed_models import CELLS, random_model

from speechq.runtime.engine import Engine
from speechq.runtime.info import describe
from speechq.runtime.model_file import write_model


def test_numbers() -> None:
    model = random_model("lstm", bits=6, hidden=12, layers=2)
    found = describe(model)
    # 16 inputs, 12 units with peepholes, twice; 6 symbols.
    expected = 4 * 12 * (16 + 12 + 1) + 3 * 12 + 4 * 12 * (12 + 12 + 1) + 3 * 12 + 6 * (12 + 1)
    assert found["parameters"] == expected
    products = 4 * 12 * (16 + 12) + 4 * 12 * (12 + 12) + 6 * 12
    assert found["multiply_adds_per_second"] == pytest.approx(products * 100 / 3)
    rows = {(row["layer"], row["part"]): row for row in found["matrices"]}
    assert rows["l0", "in"]["bytes"] == 48 * 16 * 6 // 8 + 4 * 48 and rows["l0", "in"]["shape"] == [48, 16]
    assert rows["out", "vectors"]["bytes"] == 24
    assert [(layer["inputs"], layer["outputs"]) for layer in found["layers"]] == [(16, 12), (12, 12), (12, 6)]
    assert found["signals"] == {"feat": 8, "l0.h": 8, "l1.h": 8}


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("bits", [None, 3])
def test_size_is_that_of_the_file(kind: str, bits: int | None, tmp_path: Path) -> None:
    model = random_model(kind, bits=bits, hidden=40)
    found = describe(model)
    write_model(tmp_path / "m.sqm", model)
    size = (tmp_path / "m.sqm").stat().st_size
    assert found["bytes"] < size < found["bytes"] + 8192
    assert found["float_share"] == 1 if bits is None else 0.09 < found["float_share"] < 0.4
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("bits", [None, 3])
def test_weights_read_are_those_of_the_engine(kind: str, bits: int | None) -> None:
    model = random_model(kind, bits=bits, hidden=21)
    found = describe(model)
    assert found["weight_bytes"] == Engine(model).weight_bytes
    rates = found["weight_bytes_per_second"]
    assert rates["1"] == pytest.approx(found["weight_bytes"] * 100 / 3)
    assert rates["16"] == pytest.approx(found["weight_bytes"] * 100 / 48)


def test_look_ahead() -> None:
    assert describe(random_model("isru", taps_right=2))["look_ahead_seconds"] == pytest.approx(0.12)


def test_a_folder_has_its_files_and_options(tones_folder: Path) -> None:
    done = speechq("info", tones_folder, "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["units"]["kind"] == "characters"
    sizes = {name: (tones_folder / name).stat().st_size for name in ("am.sqm", "words.arpa", "decoder.json")}
    assert facts["folder"]["files"] == sizes
    assert facts["folder"]["decoder"] == {"ngram_weight": 0.5, "beam": 16, "oov_penalty": -2.0}
    shown = speechq("info", tones_folder).stdout
    assert "words.arpa" in shown
    assert "oov_penalty -2" in shown
