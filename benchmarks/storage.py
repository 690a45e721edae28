"""Bits per weight and error of ways to store the weights of a network, at several rates each.

    python benchmarks/storage.py work/demo/train/float-s1/last.ckpt

The importance of a weight is the square root of Adam's second moment where the checkpoint has it
(1612.01543), or 1. Ratios are against float32 and count tables; the error is the weighted squared error over
the weighted squares. All matrices are quantized together, each divided by its root mean square first.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
import torch

from speechq.quant.codebooks import (
    Codebook,
    ecsq,
    fixed_bits,
    huffman_bits,
    ratio,
    uniform_ecsq,
    weighted_kmeans,
)
from speechq.quant.dither import dithered
from speechq.quant.rounding import code, optimal_steps, qmax_of
from speechq.runtime.entropy import encode_codes
from speechq.train.checkpoint import load_network, read_checkpoint

Result = tuple[str, int, np.ndarray]


def weights_of(path: str) -> tuple[list[np.ndarray], list[np.ndarray], bool]:
    """Matrices, their importances, and whether those come from Adam."""
    network, _ = load_network(path)
    _, _, tensors = read_checkpoint(path)
    names = {id(p): name for name, p in network.named_parameters()}
    matrices, importances = [], []
    known = any(key.endswith("/exp_avg_sq") for key in tensors)
    for parameter in network.matrices():
        weight = parameter.detach().numpy().astype(np.float64)
        moment = tensors.get(f"optimizer/{names[id(parameter)]}/exp_avg_sq", torch.ones_like(parameter))
        scale = np.sqrt(np.mean(weight**2))
        matrices.append(weight / scale)
        importance = np.sqrt(moment.numpy().astype(np.float64)) * scale**2
        importances.append(np.maximum(importance, 1e-6 * importance.mean()))
    return matrices, importances, known


def grids(matrices: list[np.ndarray]) -> Iterator[Result]:
    """Steps per row, codes at a fixed width and range-coded, as the model file has them."""
    for bits in (2, 3, 4, 6):
        fixed, coded, values = 0, 0, []
        for matrix in matrices:
            steps = optimal_steps(matrix.astype(np.float32), bits, per_row=True)
            codes = code(matrix.astype(np.float32), steps[:, None], qmax_of(bits))
            values.append((codes * steps[:, None]).ravel())
            fixed += bits * codes.size + 32 * len(steps)
            coded += 8 * encode_codes(codes, bits).size + 32 * len(steps)
        yield f"row steps, {bits} bits", fixed, np.concatenate(values)
        yield f"row steps, {bits} bits, range-coded", coded, np.concatenate(values)


def books(weight: np.ndarray, importance: np.ndarray) -> Iterator[Result]:
    """Codebooks and dither."""

    def shown(name: str, book: Codebook, bits: int) -> Result:
        return name, bits, book.values()

    for clusters in (4, 8, 16):
        book = weighted_kmeans(weight, importance, clusters, iterations=20)
        yield shown(f"Hessian-weighted k-means, {clusters} centres", book, fixed_bits(book))
    mean = float(importance.mean())
    for price in (0.3, 0.05, 0.01):
        book = ecsq(weight, importance, 32, price * mean, iterations=20)
        yield shown(f"ECSQ, price {price}, Huffman", book, huffman_bits(book))
    for width in (1.5, 0.8, 0.4):
        book = uniform_ecsq(weight, importance, width)
        yield shown(f"uniform ECSQ, width {width}, Huffman", book, huffman_bits(book))
    for width in (1.5, 0.8, 0.4):
        found = dithered(weight, width, seed=1)
        yield f"dither, width {width}, DEFLATE", found.bits(), found.values()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("checkpoint")
    matrices, importances, known = weights_of(parser.parse_args().checkpoint)
    weight = np.concatenate([matrix.ravel() for matrix in matrices])
    importance = np.concatenate([part.ravel() for part in importances])
    print(f"{weight.size:,} weights, importance {'from Adam' if known else '1 per squared scale'}\n")
    print("| stored as | bits per weight | ratio | weighted error |\n| --- | --- | --- | --- |")
    whole = float((importance * weight**2).sum())
    for name, bits, values in (*grids(matrices), *books(weight, importance)):
        error = float((importance * (weight - values) ** 2).sum()) / whole
        print(f"| {name} | {bits / weight.size:.3f} | {ratio(weight.size, bits):.1f} | {error:.4f} |")


if __name__ == "__main__":
    main()
