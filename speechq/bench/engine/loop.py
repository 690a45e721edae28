"""The measuring loop: contenders and bounds take turns, so that a noisy machine hits all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from speechq.bench.engine import bounds
from speechq.bench.engine.bounds import Arithmetic
from speechq.bench.engine.synthetic import FLOAT_BITS, Shape

ROUNDS = 7
SLICE_SECONDS = 0.15  # of one contender in one round


@dataclass(frozen=True)
class Contender:
    """Something that runs one stream of frames through a network.

    ``step`` processes the next ``block`` frames; ``prepare`` is called, untimed, before a series of steps.
    ``weight_bytes`` are read at least once per block, ``macs`` are multiply-adds per frame.
    """

    engine: str
    shape: Shape
    bits: int
    block: int
    threads: int
    weight_bytes: int
    macs: int
    step: Callable[[], object]
    prepare: Callable[[], object] = lambda: None

    @property
    def arithmetic(self) -> Arithmetic:
        return "float" if self.bits == FLOAT_BITS else "int8"


@dataclass(frozen=True)
class Measured:
    """Medians over all rounds; ``gb_per_s`` and ``gmacs`` are the bounds in the same rounds."""

    contender: Contender
    us_per_frame: float
    gb_per_s: float
    gmacs: float

    @property
    def read_us(self) -> float:
        """Microseconds per frame that reading the weights takes at least."""
        return bounds.read_us(self.contender.weight_bytes, self.contender.block, self.gb_per_s)

    @property
    def compute_us(self) -> float:
        """Microseconds per frame that the products take at least."""
        return bounds.compute_us(self.contender.macs, self.gmacs)

    @property
    def roofline(self) -> float:
        """Share reached of the tighter bound."""
        return bounds.roofline(
            self.us_per_frame,
            weight_bytes=self.contender.weight_bytes,
            block=self.contender.block,
            macs=self.contender.macs,
            gb_per_s=self.gb_per_s,
            gmacs=self.gmacs,
        )


def seconds_per_step(contender: Contender, slice_seconds: float) -> float:
    """Median of steps for about ``slice_seconds``, after one that brings the weights into the cache.

    The median, because a step during which another program has the processor says nothing.
    """
    contender.prepare()
    contender.step()
    seconds = []
    begin = last = time.perf_counter()
    while last - begin < slice_seconds:
        contender.step()
        now = time.perf_counter()
        seconds.append(now - last)
        last = now
    return statistics.median(seconds)


def measure(
    contenders: Sequence[Contender],
    *,
    rounds: int = ROUNDS,
    slice_seconds: float = SLICE_SECONDS,
) -> list[Measured]:
    """Measure all contenders and the bounds that apply to them, in ``rounds`` interleaved rounds."""
    sizes = sorted({(c.weight_bytes, c.threads) for c in contenders})
    kinds = sorted({(c.arithmetic, c.threads) for c in contenders})
    seconds: dict[int, list[float]] = {k: [] for k in range(len(contenders))}
    bandwidths: dict[tuple[int, int], list[float]] = {key: [] for key in sizes}
    peaks: dict[tuple[Arithmetic, int], list[float]] = {key: [] for key in kinds}
    for _ in range(rounds):
        for size, threads in sizes:
            bandwidths[size, threads].append(bounds.bandwidth(size, threads, slice_seconds))
        for kind, threads in kinds:
            peaks[kind, threads].append(bounds.peak(kind, threads))
        for k, contender in enumerate(contenders):
            seconds[k].append(seconds_per_step(contender, slice_seconds))
    return [
        Measured(
            contender,
            us_per_frame=1e6 * statistics.median(seconds[k]) / contender.block,
            gb_per_s=statistics.median(bandwidths[contender.weight_bytes, contender.threads]),
            gmacs=statistics.median(peaks[contender.arithmetic, contender.threads]),
        )
        for k, contender in enumerate(contenders)
    ]
