"""How many bytes of weights a frame costs, against the number of frames per weight read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from speechq.bench.engine.counters import CACHE_MISSES, LINE_BYTES, CountersMissing, count_events
from speechq.bench.engine.loop import Contender
from speechq.bench.engine.ours import our_contenders
from speechq.bench.engine.synthetic import FLOAT_BITS, Shape
from speechq.runtime.packing import packed_bytes

Row = dict[str, Any]

_COUNTED_FRAMES = 512
_STEPPED = ("rec",)  # matrices that a true recurrence needs at every time step


@dataclass(frozen=True)
class Traffic:
    """Bytes of weights per frame: ``loaded`` by the processor, and of these ``memory`` at least from memory.

    A matrix that a recurrence needs at every step is loaded once per frame, but comes out of the cache for
    all steps of a block except the first, if the cache holds it.
    """

    loaded: float
    memory: float


def counted(shape: Shape, bits: int, block: int) -> Traffic:
    """The bytes of codes or float weights that the recurrent layers ask for, in blocks of ``block``."""
    loaded = memory = 0.0
    for matrices in shape.matrices:
        for name, (rows, columns) in matrices.items():
            size = 4 * rows * columns if bits == FLOAT_BITS else packed_bytes(rows * columns, bits)
            loaded += size if name in _STEPPED else size / block
            memory += size / block
    return Traffic(loaded, memory)


def missed(contender: Contender) -> float:
    """Bytes per frame that the caches missed, by the processor's counters.

    Raises CountersMissing where they cannot be read.
    """
    contender.prepare()
    contender.step()
    steps = -(-_COUNTED_FRAMES // contender.block)

    def work() -> None:
        for _ in range(steps):
            contender.step()

    return LINE_BYTES * count_events(CACHE_MISSES, work) / (steps * contender.block)


def traffic_rows(shape: Shape, bits: Sequence[int], blocks: Sequence[int]) -> tuple[list[Row], str]:
    """A row per word length and block size, and why ``missed_bytes`` is null, if it is.

    Keys: cell, layers, hidden, bits, block, weight_bytes; per frame loaded_bytes, memory_bytes, missed_bytes.
    """
    rows, note = [], ""
    for number in bits:
        for contender in our_contenders(shape, number, blocks, threads=1):
            found = counted(shape, number, contender.block)
            misses = None
            if not note:
                try:
                    misses = missed(contender)
                except CountersMissing as error:
                    note = str(error)
            rows.append(
                {
                    "cell": shape.cell,
                    "layers": shape.layers,
                    "hidden": shape.hidden,
                    "bits": number,
                    "block": contender.block,
                    "weight_bytes": contender.weight_bytes,
                    "loaded_bytes": found.loaded,
                    "memory_bytes": found.memory,
                    "missed_bytes": misses,
                }
            )
    return rows, note
