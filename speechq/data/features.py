"""Log-mel features by kaldi-native-fbank, one streaming path that the offline path uses as well.

Frames are 25 ms every 10 ms, Povey window, no dither, ``snip_edges``: an incomplete window at the end is
dropped, and so is an incomplete stack of frames. Cutting the audio into any chunks therefore gives the same
bits.

A frame holds the log energy (if asked for), then the mel bins; with deltas all of these again as first, then
as second differences: 123 values with energy and 40 bins.
"""

from __future__ import annotations

import kaldi_native_fbank as knf
import numpy as np
from numpy.typing import NDArray

from speechq.config import FeatureConfig
from speechq.errors import ConfigError

FloatArray = NDArray[np.float32]

# Kaldi's difference filters over +-2 frames, and the same filter applied twice.
_DELTA = np.array([-2, -1, 0, 1, 2], np.float32) / np.float32(10)
_DELTA_DELTA = np.convolve(_DELTA.astype(np.float64), _DELTA.astype(np.float64)).astype(np.float32)
_CONTEXT = 4
FRAME_SECONDS = 0.010


def _options(config: FeatureConfig) -> knf.FbankOptions:
    options = knf.FbankOptions()
    options.frame_opts.samp_freq = config.sample_rate
    options.frame_opts.dither = config.dither
    options.frame_opts.snip_edges = True
    options.mel_opts.num_bins = config.mels
    options.mel_opts.low_freq = config.low_hz
    options.mel_opts.high_freq = config.high_hz
    options.use_energy = config.energy
    return options


def _filter(window: FloatArray, taps: FloatArray) -> FloatArray:
    """``sum_k taps[k] * window[:, k]``, k in order: the same bits for any number of frames."""
    total: FloatArray = window[:, 0] * taps[0]
    for k in range(1, len(taps)):
        total = total + window[:, k] * taps[k]
    return total


class FeatureStream:
    """Samples in, 10 ms feature frames ``[frames, config.base_dim]`` out, in chunks of any size.

    With deltas a frame comes 40 ms late, because its differences look four frames ahead; the first and last
    frame are repeated beyond the edges, as Kaldi does.
    """

    def __init__(self, config: FeatureConfig) -> None:
        self.config = config
        try:
            self._fbank = knf.OnlineFbank(_options(config))
        except ValueError as error:
            raise ConfigError(
                f"features.mels: {config.mels} bands are too many for sample_rate: {config.sample_rate}, "
                f"low_hz and high_hz ({error})"
            ) from error
        self._taken = 0
        self._base: FloatArray = np.zeros((0, config.mels + int(config.energy)), np.float32)
        self._base_start = 0
        self._emitted = 0

    def accept(self, samples: FloatArray) -> FloatArray:
        """Add ``samples`` (mono, [-1, 1], at ``config.sample_rate``); the frames that became ready."""
        if len(samples):
            # The native code reads a Python sequence of the 16-bit sample range, as Kaldi's recipes feed it.
            scaled = np.asarray(samples, np.float32) * np.float32(32768)
            self._fbank.accept_waveform(self.config.sample_rate, scaled.tolist())
        return self._drain(last=False)

    def finish(self) -> FloatArray:
        """End the input and return the remaining frames."""
        self._fbank.input_finished()
        return self._drain(last=True)

    def _drain(self, last: bool) -> FloatArray:
        ready = self._fbank.num_frames_ready
        count = ready - self._taken
        frames = np.empty((count, self.config.mels + int(self.config.energy)), np.float32)
        for row, index in enumerate(range(self._taken, ready)):
            frames[row] = self._fbank.get_frame(index)  # a view, gone after the pop
        self._fbank.pop(count)
        self._taken = ready
        return self._differences(frames, last) if self.config.deltas else frames

    def _differences(self, fresh: FloatArray, last: bool) -> FloatArray:
        self._base = np.concatenate([self._base, fresh])
        end = self._base_start + len(self._base)
        stop = end if last else max(self._emitted, end - _CONTEXT)
        offsets = np.arange(-_CONTEXT, _CONTEXT + 1)
        index = np.arange(self._emitted, stop)[:, None] + offsets
        window = (
            self._base[np.clip(index, 0, max(end - 1, 0)) - self._base_start]
            if stop > self._emitted
            else None
        )
        if window is None:
            return np.zeros((0, self.config.base_dim), np.float32)
        first = _filter(window[:, 2:7], _DELTA)
        second = _filter(window, _DELTA_DELTA)
        out = np.concatenate([window[:, _CONTEXT], first, second], axis=1)
        self._emitted = stop
        keep = max(0, stop - _CONTEXT)
        self._base = self._base[keep - self._base_start :]
        self._base_start = keep
        return out


def fbank(samples: FloatArray, config: FeatureConfig) -> FloatArray:
    """All 10 ms frames of a recording: ``[frames, config.base_dim]``."""
    stream = FeatureStream(config)
    return np.concatenate([stream.accept(samples), stream.finish()])


def stack_frames(frames: FloatArray, config: FeatureConfig, offset: int = 0) -> FloatArray:
    """Join ``config.stack`` frames every ``config.stride``: ``[n, base_dim]`` to ``[m, dim]``."""
    count = max(0, (len(frames) - offset - config.stack) // config.stride + 1)
    starts = offset + np.arange(count) * config.stride
    stacked: FloatArray = frames[starts[:, None] + np.arange(config.stack)].reshape(count, config.dim)
    return stacked


def network_frames(frames: int, config: FeatureConfig) -> int:
    """How many network frames a recording of ``frames`` 10 ms frames gives."""
    return max(0, (frames - config.stack) // config.stride + 1)


class Frontend:
    """Samples in, normalized and stacked network frames ``[n, config.dim]`` out, in chunks of any size.

    ``mean`` and ``scale`` are per value of a 10 ms frame: ``(x - mean) * scale``.
    """

    def __init__(self, config: FeatureConfig, mean: FloatArray, scale: FloatArray) -> None:
        self.config = config
        self._stream = FeatureStream(config)
        self._mean = np.asarray(mean, np.float32)
        self._scale = np.asarray(scale, np.float32)
        self._waiting: FloatArray = np.zeros((0, config.base_dim), np.float32)
        self._skip = 0

    def accept(self, samples: FloatArray) -> FloatArray:
        """Add samples and return the network frames that became ready."""
        return self._push(self._stream.accept(samples))

    def finish(self) -> FloatArray:
        """End the input and return the remaining network frames."""
        return self._push(self._stream.finish())

    def _push(self, frames: FloatArray) -> FloatArray:
        normalized = (frames - self._mean) * self._scale
        joined = np.concatenate([self._waiting, normalized])
        drop = min(self._skip, len(joined))
        self._skip -= drop
        joined = joined[drop:]
        out = stack_frames(joined, self.config)
        used = len(out) * self.config.stride
        self._skip += max(0, used - len(joined))
        self._waiting = joined[used:]
        return out
