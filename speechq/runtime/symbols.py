"""The input of a language model: symbol numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechq.errors import DataError


def checked_symbols(rows: Sequence[NDArray[Any]], count: int) -> list[NDArray[np.int32]]:
    """``rows`` of symbols ``[T]`` as int32; DataError unless all are integers from 0 to ``count - 1``."""
    for row in rows:
        if row.ndim != 1 or not np.issubdtype(row.dtype, np.integer):
            raise DataError(f"symbols of shape {list(row.shape)} {row.dtype}: expected integers [symbols]")
        if row.size and not (row.min() >= 0 and row.max() < count):
            raise DataError(f"symbols from {row.min()} to {row.max()}: expected 0 to {count - 1}")
    return [np.ascontiguousarray(row, np.int32) for row in rows]
