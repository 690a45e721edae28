"""How the C library keeps the memory that a training step frees."""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # glibc's malloc.h


def keep_freed_memory() -> None:
    """Let freed blocks stay in the heap of this process, where the C library is glibc; elsewhere do nothing.

    Every step asks for the same large blocks. By default glibc gives each back to the system, which then
    clears its pages anew: about a sixth of the time of a step of a small network.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(_TOP_PAD, 128 << 20)
