"""Training a language network: parallel streams of shuffled text, truncated back-propagation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from speechq.config import TextTrainConfig
from speechq.errors import TrainingError
from speechq.lm.symbols import END_SYMBOL, Symbols, Text
from speechq.nn.stack import Network
from speechq.train.job import DevScore, Job

# Streams that a dev text is cut into have at least so many symbols, for which their fresh state is nothing.
_DEV_SYMBOLS = 2048


@dataclass(frozen=True)
class TextBatch:
    """``x`` int64 [T, B] symbols and ``lengths`` [B]; ``y`` [T, B] the symbol that follows each."""

    x: Tensor
    y: Tensor
    lengths: Tensor


@dataclass(kw_only=True)
class TextJob(Job[TextBatch]):
    """Learns to predict the next symbol of ``train``, an endless text whose sentences are shuffled per pass.

    Every row of a batch is a stream: the next batch goes on where it ended, with its state. Gradients reach
    back over the steps of a batch (papers.md 0.2).
    """

    config: TextTrainConfig
    train: Text
    dev: Text

    loss_name: ClassVar[str] = "the cross entropy"

    @property
    def streams(self) -> int:
        return self.config.rows

    def skipped(self) -> list[str]:
        return []

    def announce(self) -> None:
        """Everything is used but what does not fill all rows at the end of an epoch."""

    def plan(self, epoch: int) -> Sequence[tuple[Symbols, Symbols]]:
        config = self.config
        number, part = divmod(epoch, config.parts)
        text = self.train.shuffled(np.random.default_rng([config.seed, number]))
        size = len(text) // config.parts
        length = size // config.rows
        if length == 0:
            raise TrainingError(
                f"{self.name}: a part of the text has {size} symbols, too few for train.rows: {config.rows}"
            )
        text = text[part * size : part * size + length * config.rows]
        x = np.concatenate([[END_SYMBOL], text[:-1]]).astype(np.int32).reshape(config.rows, length)
        y = text.reshape(config.rows, length)
        steps = config.steps
        return [(x[:, t : t + steps], y[:, t : t + steps]) for t in range(0, length, steps)]

    def batch(self, planned: tuple[Symbols, Symbols], seed: tuple[int, ...]) -> TextBatch:
        x, y = (torch.from_numpy(part.T.astype(np.int64)) for part in planned)
        return TextBatch(x, y, torch.full((x.shape[1],), x.shape[0]))

    def rows(self, batch: TextBatch) -> int:
        return batch.x.shape[1]

    def fresh(self, batch: TextBatch, seed: tuple[int, ...]) -> NDArray[np.bool_]:
        return np.zeros(batch.x.shape[1], np.bool_)

    def inputs(self, batch: TextBatch, rows: list[int]) -> tuple[Tensor, Tensor]:
        return batch.x[:, rows], batch.lengths[rows]

    def labels(self, batch: TextBatch) -> int:
        return batch.y.numel()

    def loss(self, logits: Tensor, batch: TextBatch, rows: list[int], lengths: Tensor) -> Tensor:
        wanted = batch.y[:, rows].to(logits.device)
        total = functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="sum")
        return total / self.labels(batch)

    def score(self, device: torch.device) -> DevScore:
        loss = cross_entropy(self.model, self.dev, self.config.steps, device)
        bits = loss / math.log(2)
        perplexity = 2 ** (bits * len(self.dev.symbols) / self.dev.words)
        figures = {"dev_loss": loss, "dev_bpc": bits, "dev_word_perplexity": perplexity}
        said = f"{bits:.4f} bits per character  word perplexity {perplexity:.1f}"
        return DevScore(loss, bits, figures, said)


@torch.no_grad()
def cross_entropy(model: Network, text: Text, steps: int, device: torch.device) -> float:
    """Nats per symbol of ``text``, cut into parallel streams, the end symbol before the first."""
    was_training = model.training
    model.eval()
    rows = max(1, min(64, len(text.symbols) // _DEV_SYMBOLS))
    total, state = 0.0, model.initial_state(rows)
    for x, y, lengths in _dev_batches(text.symbols, rows, steps):
        logits, state = model(x.to(device), lengths.to(device), state)
        used = torch.arange(len(y))[:, None] < lengths[None, :]
        total += float(functional.cross_entropy(logits[used], y[used].to(device), reduction="sum"))
    model.train(was_training)
    return total / len(text.symbols)


def _dev_batches(symbols: Symbols, rows: int, steps: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """All symbols once: row after row, the last one perhaps shorter."""
    length = -(-len(symbols) // rows)
    padded = np.full(rows * length, END_SYMBOL, np.int64)
    padded[: len(symbols)] = symbols
    x = torch.from_numpy(np.concatenate([[END_SYMBOL], padded[:-1]]).reshape(rows, length).T.copy())
    y = torch.from_numpy(padded.reshape(rows, length).T.copy())
    filled = torch.full((rows,), length)
    filled[-1] = len(symbols) - (rows - 1) * length
    for t in range(0, length, steps):
        size = min(steps, length - t)
        yield x[t : t + size], y[t : t + size], (filled - t).clamp(0, size)


def calibration_sample(text: Text, config: TextTrainConfig) -> TextBatch:
    """Streams spread evenly over the text, for the ranges of the signals."""
    rows = max(1, min(config.rows, len(text.symbols) // config.steps))
    starts = np.arange(rows) * ((len(text.symbols) - 1) // rows)
    length = min(config.steps, (len(text.symbols) - 1) // rows)
    x = torch.from_numpy(np.stack([text.symbols[s : s + length] for s in starts], 1).astype(np.int64))
    y = torch.from_numpy(np.stack([text.symbols[s + 1 : s + 1 + length] for s in starts], 1).astype(np.int64))
    return TextBatch(x, y, torch.full((rows,), length))
