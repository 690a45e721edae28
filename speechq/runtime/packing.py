"""Integer codes of 2 to 8 bits, packed without gaps.

The layout: codes in row-major order form one little-endian bit stream. Code ``n`` (two's complement, ``b``
bits) takes the stream's bits ``n*b`` to ``n*b + b - 1``, lowest bit first; bit ``k`` of the stream is bit
``k % 8`` of byte ``k // 8``. Rows are not aligned; zero bits fill the last byte of a matrix. Eight codes are
exactly ``b`` bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechq.errors import ModelError


def packed_bytes(count: int, bits: int) -> int:
    """Bytes that ``count`` codes of ``bits`` bits take."""
    return (count * bits + 7) // 8


def _check_bits(bits: int) -> None:
    if not 2 <= bits <= 8:
        raise ModelError(f"packing of {bits}-bit codes: expected 2 to 8 bits")


def pack_codes(codes: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """Pack ``codes`` (any shape, ``|code| <= 2^(bits-1) - 1``) into ``ceil(count * bits / 8)`` bytes.

    Raises ModelError where a code does not fit, so that a wrong export never gets into a file.
    """
    _check_bits(bits)
    qmax = 2 ** (bits - 1) - 1
    flat = np.asarray(codes).ravel()
    if flat.size and (int(flat.min()) < -qmax or int(flat.max()) > qmax):
        found = f"{flat.min()} to {flat.max()}"
        raise ModelError(f"packing: codes from {found} do not fit {bits} bits (at most ±{qmax})")
    groups = -(-flat.size // 8)
    padded = np.zeros((groups, 8), np.uint64)
    # The uint8 view of int8 is the two's complement; the mask cuts it to the low bits.
    padded.reshape(-1)[: flat.size] = flat.astype(np.int8).view(np.uint8) & np.uint8(2**bits - 1)
    padded <<= np.arange(0, 8 * bits, bits, dtype=np.uint64)
    words = np.bitwise_or.reduce(padded, axis=1).astype("<u8")
    stream = words.view(np.uint8).reshape(groups, 8)[:, :bits]
    return np.ascontiguousarray(stream).reshape(-1)[: packed_bytes(flat.size, bits)]


def unpack_codes(packed: NDArray[np.uint8], bits: int, shape: tuple[int, ...]) -> NDArray[np.int8]:
    """The int8 codes of ``shape`` from :func:`pack_codes`.

    Raises ModelError for a wrong number of bytes, for the unused code ``-2^(bits-1)`` and for fill bits that
    are set.
    """
    _check_bits(bits)
    count = int(np.prod(shape, dtype=np.int64))
    expected = packed_bytes(count, bits)
    if packed.size != expected:
        found = f"{packed.size} bytes of codes"
        raise ModelError(f"{found}, but {list(shape)} at {bits} bits are {expected} bytes")
    groups = -(-count // 8)
    stream = np.zeros(groups * bits, np.uint8)
    stream[:expected] = packed.reshape(-1)
    words = np.zeros((groups, 8), np.uint8)
    words[:, :bits] = stream.reshape(groups, bits)
    fields = words.view("<u8").astype(np.uint64) >> np.arange(0, 8 * bits, bits, dtype=np.uint64)
    fields &= np.uint64(2**bits - 1)
    flat = fields.reshape(-1)
    if flat[count:].any():
        raise ModelError("the fill bits behind the codes are not zero")
    flat = flat[:count]
    sign = 2 ** (bits - 1)
    codes: NDArray[np.int8] = ((flat.astype(np.int16) ^ sign) - sign).astype(np.int8)
    if count and int(codes.min()) < 1 - sign:
        raise ModelError(f"a code is {-sign}, but {bits}-bit codes lie within ±{sign - 1}")
    return codes.reshape(shape)
