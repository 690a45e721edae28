"""Range-coded codes: exact, near the entropy, the same for Python and C++."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from packed_models import CELLS, FEATURES, random_model

from speechq.errors import ModelError
from speechq.runtime import model_file
from speechq.runtime.engine import Engine
from speechq.runtime.entropy import LANES, decode_codes, encode_codes, frequencies
from speechq.runtime.graph import Matrix, Model
from speechq.runtime.model_file import read_model, write_model
from speechq.runtime.packing import packed_bytes


def slow_decode(data: bytes, bits: int, count: int) -> list[int]:
    """The rule of docs/model-format.md, one code after the other."""
    qmax = 2 ** (bits - 1) - 1
    sizes = [int.from_bytes(data[2 * k : 2 * k + 2], "little") for k in range(2 * qmax + 1)]
    assert sum(sizes) == 16384
    at = 2 * len(sizes)
    states = [int.from_bytes(data[at + 4 * k : at + 4 * k + 4], "little") for k in range(64)]
    at += 256
    codes = []
    for n in range(count):
        x = states[n % 64]
        slot, symbol, below = x % 16384, 0, 0
        while not below <= slot < below + sizes[symbol]:
            below += sizes[symbol]
            symbol += 1
        codes.append(symbol - qmax)
        x = sizes[symbol] * (x // 16384) + slot - below
        if x < 65536:
            x = 65536 * x + int.from_bytes(data[at : at + 2], "little")
            at += 2
        states[n % 64] = x
    assert at == len(data)
    assert states == [65536] * 64
    return codes


def some_codes(rng: np.random.Generator, count: int, bits: int, spread: float) -> NDArray[np.int8]:
    qmax = 2 ** (bits - 1) - 1
    return np.clip(np.round(rng.normal(0, spread, count)), -qmax, qmax).astype(np.int8)


@settings(deadline=None)
@given(st.integers(1, 400), st.integers(2, 8), st.floats(0.0, 60.0), st.integers(0, 2**31))
def test_codes_come_back_exactly(count: int, bits: int, spread: float, seed: int) -> None:
    codes = some_codes(np.random.default_rng(seed), count, bits, spread)
    data = encode_codes(codes, bits)
    if packed_bytes(count, bits) <= 64 * data.size:
        np.testing.assert_array_equal(decode_codes(data, bits, (count,)), codes)
    assert slow_decode(data.tobytes(), bits, count) == codes.tolist()


@pytest.mark.parametrize(("bits", "spread"), [(2, 0.4), (2, 0.7), (4, 2.0), (8, 30.0)])
def test_the_size_is_near_the_entropy(bits: int, spread: float) -> None:
    codes = some_codes(np.random.default_rng(1), 100_000, bits, spread)
    shares = [n / codes.size for n in Counter(codes.tolist()).values()]
    entropy = -sum(p * math.log2(p) for p in shares)
    data = encode_codes(codes, bits)
    table = 2 * (2**bits - 1) + 4 * LANES
    assert data.size - table < 1.003 * entropy * codes.size / 8 + 2 * LANES
    assert data.size < packed_bytes(codes.size, bits)


@given(st.lists(st.integers(0, 10**6), min_size=3, max_size=255))
def test_frequencies_sum_up_and_miss_nothing(counts: list[int]) -> None:
    counts[0] += 1
    found = frequencies(np.array(counts))
    assert found.sum() == 16384
    assert [f > 0 for f in found] == [c > 0 for c in counts]


def test_damage_is_found() -> None:
    codes = some_codes(np.random.default_rng(2), 500, 3, 1.0)
    data = encode_codes(codes, 3)
    for wrong, message in [
        (data[:-2], "end too early"),
        (np.concatenate([data, data[:2]]), "do not end where they should"),
        (data[:-1], "not a whole number of words"),
        (data[:100], "too few"),
        (np.concatenate([data[:1] ^ 1, data[1:]]), r"frequencies of range-coded codes sum to 1638[35]"),
        (np.concatenate([data[:14], np.zeros(4, np.uint8), data[18:]]), "a state .* is too small"),
    ]:
        with pytest.raises(ModelError, match=message):
            decode_codes(wrong, 3, (500,))
    with pytest.raises(ModelError, match="too few for"):
        decode_codes(data, 3, (10**9,))


# In a model file


def larger(model: Model, rng: np.random.Generator) -> Model:
    """With more zeros in the recurrent layers, so that coding pays even for small matrices."""

    def sparse(matrix: Matrix) -> Matrix:
        if matrix.bits == 32:
            return matrix
        keep = rng.random(matrix.codes.shape) < 0.05
        return replace(matrix, codes=(matrix.codes * keep).astype(np.int8))

    layers = [
        replace(layer, matrices={n: sparse(m) for n, m in layer.matrices.items()}) for layer in model.layers
    ]
    return replace(model, layers=tuple(layers))


def output_of(path: Path, x: NDArray[np.float32]) -> NDArray[np.float32]:
    return Engine(path).forward([x])[0]


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_a_compressed_model_is_the_same_model(kind: str, bits: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(bits)
    model = larger(random_model(kind, bits=bits, hidden=64), rng)
    plain, compressed = tmp_path / "plain.sqm", tmp_path / "compressed.sqm"
    write_model(plain, model)
    write_model(compressed, model, compress=True)
    assert compressed.stat().st_size < plain.stat().st_size
    for a, b in zip(read_model(plain).layers, read_model(compressed).layers, strict=True):
        for name in a.matrices:
            np.testing.assert_array_equal(a.matrices[name].codes, b.matrices[name].codes)
            np.testing.assert_array_equal(a.matrices[name].steps, b.matrices[name].steps)
    x = rng.standard_normal((20, FEATURES.dim)).astype(np.float32)
    np.testing.assert_array_equal(output_of(plain, x), output_of(compressed, x))


def test_coding_that_does_not_pay_is_left_out(tmp_path: Path) -> None:
    model = random_model("sru", bits=2, hidden=4)
    write_model(tmp_path / "plain.sqm", model)
    write_model(tmp_path / "compressed.sqm", model, compress=True)
    assert (tmp_path / "plain.sqm").read_bytes() == (tmp_path / "compressed.sqm").read_bytes()


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**31))
def test_python_and_cpp_refuse_the_same_damage(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    rng = np.random.default_rng(seed)
    model = larger(random_model("lstm", bits=3, hidden=48), np.random.default_rng(4))
    coded = model_file.encode_codes

    def damaged(codes: NDArray[Any], bits: int) -> NDArray[np.uint8]:
        data = coded(codes, bits).copy()
        if rng.random() < 0.5:
            data[rng.integers(data.size)] ^= 1 << int(rng.integers(8))
        return data[: data.size - 2 * int(rng.random() < 0.1)]

    path = tmp_path_factory.mktemp("damage") / "model.sqm"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_file, "encode_codes", damaged)
        write_model(path, model, compress=True)
    found: list[str | None] = []
    for load in (read_model, Engine):
        try:
            load(path)
            found.append(None)
        except ModelError as error:
            found.append(str(error).partition("range-coded")[2])
    assert (found[0] is None) == (found[1] is None)
