"""What the machine can do at best, and which share of it was reached."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

Arithmetic = Literal["float", "int8"]


def read_us(weight_bytes: int, block: int, gb_per_s: float) -> float:
    """Microseconds per frame for reading ``weight_bytes`` once per ``block`` frames."""
    return weight_bytes / block / gb_per_s / 1e3


def compute_us(macs: int, gmacs: float) -> float:
    """Microseconds per frame for ``macs`` multiply-adds at ``gmacs`` 1e9 multiply-adds per second."""
    return macs / gmacs / 1e3


def roofline(
    us_per_frame: float, *, weight_bytes: int, block: int, macs: int, gb_per_s: float, gmacs: float
) -> float:
    """Share reached of the tighter bound (Williams et al. 2009), 1 at best.

    ``weight_bytes`` are read once per block, ``macs`` multiply-adds are done per frame; ``gb_per_s`` must be
    the bandwidth of cyclically reading a buffer of ``weight_bytes``, ``gmacs`` the register-only peak of the
    arithmetic in question, both for as many threads as were used.
    """
    return max(read_us(weight_bytes, block, gb_per_s), compute_us(macs, gmacs)) / us_per_frame


def bandwidth(size: int, threads: int, seconds: float) -> float:
    """GB/s of cyclically reading ``size`` bytes, each thread a part of its own."""
    from speechq._native import read_bandwidth

    return _together(lambda: read_bandwidth(-(-size // threads), seconds), threads)


def peak(arithmetic: Arithmetic, threads: int) -> float:
    """1e9 multiply-adds per second with operands in registers, summed over threads."""
    from speechq._native import peak_gmacs

    return _together(lambda: peak_gmacs(arithmetic), threads)


def _together(measure: Callable[[], float], threads: int) -> float:
    """The sum of what ``threads`` threads reach at the same time."""
    if threads == 1:
        return measure()
    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(lambda _: measure(), range(threads)))
