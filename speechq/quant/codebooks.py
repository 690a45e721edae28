"""Codebooks of weights: Hessian-weighted k-means, entropy-constrained quantization (1612.01543)."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
_CHUNK = 1 << 16  # weights that are compared with all centres at a time


@dataclass(frozen=True)
class Codebook:
    """``value[i] = centres[index[i]]``."""

    centres: Array
    index: NDArray[np.int64]

    def values(self) -> Array:
        """The quantized weights."""
        return self.centres[self.index]

    def counts(self) -> NDArray[np.int64]:
        """How many weights each centre stands for."""
        return np.bincount(self.index, minlength=len(self.centres))


def weighted_error(weight: Array, importance: Array, codebook: Codebook) -> float:
    """``sum h_i (w_i - c_k(i))^2``, ``h`` the diagonal of the loss's Hessian or what stands for it."""
    return float((importance * (weight - codebook.values()) ** 2).sum())


def _means(weight: Array, importance: Array, index: NDArray[np.int64], centres: Array) -> Array:
    """``sum h w / sum h`` of each cluster; an empty one keeps its centre."""
    mass = np.bincount(index, importance, len(centres))
    total = np.bincount(index, importance * weight, len(centres))
    return np.where(mass > 0, total / np.maximum(mass, 1e-300), centres)


def ecsq(weight: Array, importance: Array, clusters: int, price: float, iterations: int = 100) -> Codebook:
    """Iterative entropy-constrained quantization: the least ``sum h (w - c)^2 + price * bits``, locally.

    ``weight`` and ``importance`` (positive) are flat. Assign each weight to ``argmin h (w - c)^2 - price *
    log2 p``; move centres to weighted means; drop empty clusters; until nothing changes. ``price`` 0 is
    Hessian-weighted k-means. Starts from quantiles of the weights.
    """
    centres = np.unique(np.quantile(weight, (np.arange(clusters) + 0.5) / clusters))
    index = np.searchsorted((centres[1:] + centres[:-1]) / 2, weight)
    for _ in range(iterations):
        counts = np.bincount(index, minlength=len(centres))
        if price > 0:
            used = counts > 0
            index = (np.cumsum(used) - 1)[index]
            centres, counts = centres[used], counts[used]
        centres = _means(weight, importance, index, centres)
        bits = -np.log2(np.maximum(counts, 1) / weight.size) if price > 0 else np.zeros(len(centres))
        new = _assigned(weight, importance, centres, price * bits)
        if np.array_equal(new, index):
            break
        index = new
    return Codebook(centres, index)


def _assigned(weight: Array, importance: Array, centres: Array, cost: Array) -> NDArray[np.int64]:
    found = np.empty(weight.size, np.int64)
    for start in range(0, weight.size, _CHUNK):
        w, h = weight[start : start + _CHUNK, None], importance[start : start + _CHUNK, None]
        found[start : start + _CHUNK] = np.argmin(h * (w - centres) ** 2 + cost, axis=1)
    return found


def weighted_kmeans(weight: Array, importance: Array, clusters: int, iterations: int = 100) -> Codebook:
    """Hessian-weighted k-means: the least ``sum h (w - c)^2``, locally; for codes of fixed length."""
    return ecsq(weight, importance, clusters, 0.0, iterations)


def uniform_ecsq(weight: Array, importance: Array, width: float) -> Codebook:
    """Bins of one width around its multiples; each reconstructed as its mean. For an entropy coder."""
    bins = np.floor(weight / width + 0.5).astype(np.int64)
    values, index = np.unique(bins, return_inverse=True)
    centres = values * width
    return Codebook(_means(weight, importance, index.reshape(-1), centres), index.reshape(-1))


def huffman_lengths(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Length of each symbol's Huffman code, 0 for one that does not occur, 1 for a single one."""
    heap: list[tuple[int, int, tuple[int, ...]]] = [
        (int(count), k, (k,)) for k, count in enumerate(counts) if count > 0
    ]
    heapq.heapify(heap)
    lengths = np.zeros(len(counts), np.int64)
    if len(heap) == 1:
        lengths[heap[0][1]] = 1
    while len(heap) > 1:
        (a, first, left), (b, _, right) = heapq.heappop(heap), heapq.heappop(heap)
        for symbol in left + right:
            lengths[symbol] += 1
        heapq.heappush(heap, (a + b, first, left + right))
    return lengths


def fixed_bits(codebook: Codebook) -> int:
    """Bits of all indices at one length and of the table of float32 centres."""
    clusters = len(codebook.centres)
    return codebook.index.size * max((clusters - 1).bit_length(), 1) + 32 * clusters


def huffman_bits(codebook: Codebook) -> int:
    """Bits of all indices in Huffman code, and of the table: float32 centres and lengths of a byte."""
    counts = codebook.counts()
    return int((counts * huffman_lengths(counts)).sum()) + (32 + 8) * len(codebook.centres)


def ratio(count: int, bits: int) -> float:
    """How many times smaller than ``count`` float32 weights."""
    return 32 * count / bits
