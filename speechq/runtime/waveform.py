"""Sound as it comes: any rate, chunk size, sample type and number of channels to mono at the model's rate."""

from __future__ import annotations

from typing import Any

import numpy as np
import soxr
from numpy.typing import ArrayLike, NDArray

from speechq.errors import DataError

FloatArray = NDArray[np.float32]

LOWEST_RATE, HIGHEST_RATE = 1000, 768_000
_LOUDEST = 1000.0  # full scale is 1: what is so far beyond has another scale, or is noise
_FULL_SCALE = {"int16": 1 << 15, "int32": 1 << 31}


def mono(samples: ArrayLike) -> FloatArray:
    """``samples`` [n] or [n, channels], float in [-1, 1] or int16 or int32, as float32 [n].

    Channels are averaged. Raises DataError for other types and shapes and for what is not a number.
    """
    array: NDArray[Any] = np.asarray(samples)
    if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] == 0):
        raise DataError(f"samples of shape {list(array.shape)}: expected [samples] or [samples, channels]")
    if array.dtype.name in _FULL_SCALE:
        array = (array / np.float64(_FULL_SCALE[array.dtype.name])).astype(np.float32)
    elif array.dtype.kind == "f":
        array = array.astype(np.float32, copy=False)
    elif array.size:
        raise DataError(f"samples of type {array.dtype}: expected float32, float64, int16 or int32")
    if not np.isfinite(array).all():
        raise DataError("samples that are not numbers; expected values in [-1, 1]")
    if array.size and (loudest := float(np.abs(array).max())) > _LOUDEST:
        raise DataError(f"samples up to {loudest:g}: expected values in [-1, 1], or 16-bit samples as int16")
    if array.ndim == 1:
        return np.asarray(array, np.float32)
    return array[:, 0] if array.shape[1] == 1 else array.mean(axis=1, dtype=np.float32)


class WaveformStream:
    """Samples of one recording in, chunk by chunk; mono float32 at ``rate`` per second out.

    Gives, however it is cut, the samples that ``speechq.data.audio.read_audio`` gives for the whole.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.seconds = 0.0
        self._source = 0
        self._taken = 0
        self._resampler: Any = None

    def accept(self, samples: ArrayLike, sample_rate: int) -> FloatArray:
        """What ``samples`` at ``sample_rate`` per second make available; DataError if the rate changes."""
        if not LOWEST_RATE <= sample_rate <= HIGHEST_RATE or sample_rate != int(sample_rate):
            raise DataError(
                f"sample rate {sample_rate}: expected a whole number from {LOWEST_RATE:,} to {HIGHEST_RATE:,}"
            )
        if self._source not in (0, sample_rate):
            raise DataError(
                f"sample rate {sample_rate} after {self._source}: a stream keeps its rate; reset it first"
            )
        chunk = mono(samples)
        if not self._source:
            self._source = int(sample_rate)
            if self._source != self.rate:
                self._resampler = soxr.ResampleStream(self._source, self.rate, 1, "float32", "HQ")
        self._taken += len(chunk)
        self.seconds = self._taken / self._source
        return self._convert(chunk, last=False)

    def finish(self) -> FloatArray:
        """The rest, once the recording is at its end."""
        return self._convert(np.zeros(0, np.float32), last=True)

    def _convert(self, chunk: FloatArray, last: bool) -> FloatArray:
        if self._resampler is not None:
            chunk = self._resampler.resample_chunk(np.ascontiguousarray(chunk), last=last)
        return np.clip(chunk, -1.0, 1.0)
