"""Generative knowledge transfer: a student learns from text that a teacher writes (1608.04077, paper 17)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from speechq.config import TextTrainConfig, TransferConfig
from speechq.errors import ConfigError
from speechq.lm.symbols import END_SYMBOL, Symbols
from speechq.progress import progress
from speechq.runtime.engine import Engine
from speechq.runtime.model_file import read_model
from speechq.text.units import Units
from speechq.train.text import StreamJob, TextBatch

_SYMBOLS, _LABELS = "symbols.npy", "labels.npy"


@dataclass(frozen=True)
class Taught:
    """Streams that a teacher wrote: ``symbols`` int32 [T + 1, S], each stream behind an end symbol;
    ``labels`` float16 [T, S, symbols], the probabilities that it gave to what stands behind each, or None."""

    symbols: Symbols
    labels: NDArray[np.float16] | None

    def batch(self, first: int, steps: int) -> TextBatch:
        """``steps`` symbols of all streams from ``first``, as far as there are so many."""
        part = slice(first, min(first + steps, len(self.symbols) - 1))
        x = torch.from_numpy(self.symbols[part].astype(np.int64))
        if self.labels is None:
            y = torch.from_numpy(self.symbols[part.start + 1 : part.stop + 1].astype(np.int64))
        else:
            y = torch.from_numpy(self.labels[part].astype(np.float32))
        return TextBatch(x, y, torch.full((x.shape[1],), len(x)))


def teacher_of(transfer: TransferConfig) -> Path:
    """The teacher's model file; ConfigError if there is none."""
    if not transfer.teacher.is_file():
        raise ConfigError(
            f"transfer.teacher: {transfer.teacher}: there is no such file; a packed model is expected"
        )
    return transfer.teacher


def write_taught(
    transfer: TransferConfig, units: Units, folder: Path, streams: int, length: int, seed: Sequence[int]
) -> None:
    """Let the teacher write ``streams`` texts of ``length`` symbols into ``folder``, with its probabilities.

    Every symbol is drawn from the probabilities, sharpened or flattened by the temperature; states go on.
    Equal seeds give equal texts. ConfigError for a teacher of other symbols than ``units``.
    """
    path = teacher_of(transfer)
    model = read_model(path)
    if model.features is not None or model.units.symbols != units.symbols:
        raise ConfigError(
            f"transfer.teacher: {path}: not a language model of the {len(units)} symbols of data.alphabet"
        )
    engine = Engine(path)
    states = [engine.initial_state() for _ in range(streams)]
    rng = np.random.default_rng(list(seed))
    symbols = open_memmap(folder / _SYMBOLS, "w+", np.int32, (length + 1, streams))
    labels = open_memmap(folder / _LABELS, "w+", np.float16, (length, streams, len(units)))
    symbols[0] = END_SYMBOL
    with progress(f"{path.name} writes", length * streams, "symbols") as bar:
        for t in range(length):
            log_probs = np.concatenate(engine.run([symbols[t, s : s + 1] for s in range(streams)], states))
            labels[t] = np.exp(log_probs)
            symbols[t + 1] = _drawn(log_probs / transfer.temperature, rng)
            bar.advance(streams)
    symbols.flush()
    labels.flush()


def _drawn(logits: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.int64]:
    """A symbol of each row of ``logits`` [S, symbols], by the probabilities that they stand for."""
    weights = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    reach = weights.cumsum(axis=1)
    found: NDArray[np.int64] = (reach <= rng.random((len(logits), 1)) * reach[:, -1:]).sum(axis=1)
    return found


def read_taught(folder: Path, soft: bool) -> Taught:
    """What ``write_taught`` wrote, mapped into memory; without ``soft`` no labels."""
    labels = np.load(folder / _LABELS, mmap_mode="r") if soft else None
    return Taught(np.load(folder / _SYMBOLS, mmap_mode="r"), labels)


@dataclass(kw_only=True)
class TransferJob(StreamJob):
    """Learns from what a teacher wrote, a part in each epoch; ``loss = - sum_k p_t(k) log q_t(k)`` with the
    teacher's probabilities p and the student's q, or the cross entropy of the text itself without labels."""

    taught: Sequence[Taught]

    @property
    def streams(self) -> int:
        return int(self.taught[0].symbols.shape[1])

    def _part(self, epoch: int) -> Taught:
        return self.taught[epoch % len(self.taught)]

    def plan(self, epoch: int) -> Sequence[tuple[int, int]]:
        """``(epoch, first symbol)`` of every batch."""
        length = len(self._part(epoch).symbols) - 1
        return [(epoch, first) for first in range(0, length, self.config.steps)]

    def batch(self, planned: tuple[int, int], seed: tuple[int, ...]) -> TextBatch:
        epoch, first = planned
        return self._part(epoch).batch(first, self.config.steps)


def transfer_sample(taught: Sequence[Taught], config: TextTrainConfig) -> TextBatch:
    """The beginning of what was written, for the ranges of the signals."""
    return taught[0].batch(0, config.steps)
