"""One benchmark run: our engine at several word lengths and block sizes, and its peers."""

from __future__ import annotations

from collections.abc import Sequence

from speechq.bench.engine.loop import ROUNDS, SLICE_SECONDS, Measured, measure
from speechq.bench.engine.ours import our_contenders
from speechq.bench.engine.peers import NO_QRNN, peer_contenders
from speechq.bench.engine.synthetic import CELLS, CODED_BITS, CODED_GROUPS, FLOAT_BITS, Shape
from speechq.errors import ConfigError
from speechq.progress import say

LARGEST_BLOCK = 64


def run(
    shape: Shape,
    bits: Sequence[int],
    blocks: Sequence[int],
    *,
    threads: int = 1,
    peers: bool = False,
    rounds: int = ROUNDS,
    slice_seconds: float = SLICE_SECONDS,
) -> list[Measured]:
    """Measure all combinations of ``bits`` and ``blocks``, interleaved with the peers.

    32 bits are float, 1 bit is that of ternary weights in groups.

    Raises ConfigError for settings that the engine does not have, and for a peer that is not installed.
    """
    check(shape, bits, blocks, threads)
    contenders = [
        contender for number in bits for contender in our_contenders(shape, number, blocks, threads)
    ]
    if peers:
        found = peer_contenders(shape, blocks, threads)
        if not found:
            say(NO_QRNN)
        contenders += found
    return measure(contenders, rounds=rounds, slice_seconds=slice_seconds)


def check(shape: Shape, bits: Sequence[int], blocks: Sequence[int], threads: int) -> None:
    """Raise ConfigError for the first setting that is out of range."""
    if shape.cell not in CELLS:
        raise ConfigError(f"--cell {shape.cell}: expected one of {', '.join(CELLS)}")
    for name, value in (("layers", shape.layers), ("hidden", shape.hidden), ("threads", threads)):
        if value < 1:
            raise ConfigError(f"--{name} {value}: expected at least 1")
    for number in bits:
        if not (2 <= number <= 8 or number in (CODED_BITS, FLOAT_BITS)):
            raise ConfigError(
                f"--bits {number}: expected 2 to 8, 1 for {CODED_GROUPS} groups, or 32 for float"
            )
    for block in blocks:
        if not 1 <= block <= LARGEST_BLOCK:
            raise ConfigError(f"--block {block}: expected 1 to {LARGEST_BLOCK} frames")


def machine_note(shape: Shape, threads: int) -> str:
    """What was run on what: the instruction set in use, and what the processor lacks of those that help."""
    from speechq._native import isa, lacking_instruction_sets

    lacks = lacking_instruction_sets()
    size = f"{shape.layers} x {shape.hidden} {shape.cell}, {shape.inputs} inputs, one stream"
    missing = f"; this processor lacks {', '.join(lacks)}" if lacks else ""
    return f"{size}, {threads} thread{'s' * (threads > 1)}; instruction set {isa()}{missing}"
