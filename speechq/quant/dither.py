"""Universal quantization with subtractive dither: the error does not depend on the weights (1802.02271).

``q = round((w + u) / d)``, ``w^ = d q - u`` with ``u`` uniform in [-d/2, d/2], drawn again by the decoder.
The generator is therefore part of the format: value n of a seed is SplitMix64's, in 1/2^53.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_GOLDEN = 0x9E3779B97F4A7C15


def uniform(seed: int, count: int) -> NDArray[np.float64]:
    """``count`` numbers in [-1/2, 1/2): SplitMix64 of ``seed + n * golden``, n from 1, its upper 53 bits."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed & (2**64 - 1)) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_GOLDEN)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53 - 0.5


@dataclass(frozen=True)
class Dithered:
    """Integers of the weights that are not zero, and which those are; zeros get no dither."""

    codes: NDArray[np.int32]
    present: NDArray[np.bool_]
    width: float
    seed: int

    def values(self) -> NDArray[np.float64]:
        """The quantized weights."""
        found = np.zeros(self.present.shape)
        found[self.present] = self.width * (self.codes - uniform(self.seed, self.codes.size))
        return found

    def bits(self) -> int:
        """Bits by a universal coder (DEFLATE): of codes as bytes where they fit, and of the map of zeros."""
        fits = self.codes.size == 0 or np.abs(self.codes).max() <= 127
        codes = self.codes.astype(np.int8 if fits else "<i4").tobytes()
        zeros = b"" if self.present.all() else zlib.compress(np.packbits(self.present).tobytes(), 9)
        return 8 * (len(zlib.compress(codes, 9)) + len(zeros))


def dithered(weight: NDArray[np.float64], width: float, seed: int) -> Dithered:
    """``weight`` (any shape) on a grid of ``width`` that is shifted at random for each weight."""
    present = weight != 0
    kept = weight[present]
    codes = np.floor(kept / width + uniform(seed, kept.size) + 0.5)
    return Dithered(codes.astype(np.int32), present, width, seed)
