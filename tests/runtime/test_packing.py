from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from speechq.errors import ModelError
from speechq.runtime.packing import pack_codes, packed_bytes, unpack_codes


def slow_pack(codes: NDArray[np.int8], bits: int) -> bytes:
    """The layout as one long Python integer: code n stands at bit n * bits."""
    stream = 0
    for n, code in enumerate(codes.ravel().tolist()):
        stream |= (code % 2**bits) << (n * bits)
    return stream.to_bytes((codes.size * bits + 7) // 8, "little")


def random_codes(rows: int, columns: int, bits: int, seed: int) -> NDArray[np.int8]:
    qmax = 2 ** (bits - 1) - 1
    return np.random.default_rng(seed).integers(-qmax, qmax + 1, (rows, columns)).astype(np.int8)


@given(st.integers(0, 12), st.integers(0, 19), st.integers(2, 8), st.integers(0, 10**6))
def test_layout_and_round_trip(rows: int, columns: int, bits: int, seed: int) -> None:
    codes = random_codes(rows, columns, bits, seed)
    packed = pack_codes(codes, bits)
    assert packed.dtype == np.uint8
    assert packed.tobytes() == slow_pack(codes, bits)
    assert packed.size == packed_bytes(codes.size, bits)
    np.testing.assert_array_equal(unpack_codes(packed, bits, codes.shape), codes)


def test_known_bytes() -> None:
    # 01 11 00 01 and 11 11 01 00, the first code in the lowest bits.
    ternary = np.array([[1, -1, 0, 1], [-1, -1, 1, 0]], np.int8)
    assert pack_codes(ternary, 2).tobytes() == bytes([0b01001101, 0b00011111])


@pytest.mark.parametrize("bits", range(2, 9))
def test_the_most_negative_code_does_not_exist(bits: int) -> None:
    with pytest.raises(ModelError, match="do not fit"):
        pack_codes(np.full((1, 3), -(2 ** (bits - 1)), np.int16), bits)
    with pytest.raises(ModelError, match="within"):
        unpack_codes(np.frombuffer(slow_pack(np.full(8, -(2 ** (bits - 1))), bits), np.uint8), bits, (2, 4))


def test_wrong_size_and_fill() -> None:
    packed = pack_codes(random_codes(3, 5, 3, 0), 3)
    with pytest.raises(ModelError, match="bytes"):
        unpack_codes(packed[:-1], 3, (3, 5))
    packed[-1] |= 0x80
    with pytest.raises(ModelError, match="fill"):
        unpack_codes(packed, 3, (3, 5))
    with pytest.raises(ModelError, match="9-bit"):
        pack_codes(packed, 9)
