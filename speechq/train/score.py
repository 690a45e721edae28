"""Loss and greedy error rates of a network in training, on a development set."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from speechq.data.batches import Dataset, plain_batches
from speechq.nn.ctc import ctc_loss, least_frames
from speechq.nn.stack import Network
from speechq.runtime.greedy import GreedyDecoder
from speechq.text.error_rates import ErrorCounts, character_errors, word_errors
from speechq.text.units import Units


@dataclass(frozen=True)
class Score:
    """Loss per label, and error rates as fractions; for phones both rates are the phone error rate."""

    loss: float
    wer: float
    cer: float


@torch.no_grad()
def score(
    model: Network, dataset: Dataset, references: list[str], units: Units, device: torch.device
) -> Score:
    """Run ``model`` over ``dataset`` utterance by utterance from a zero state."""
    was_training = model.training
    model.eval()
    decoder = GreedyDecoder(units)
    loss, labels = 0.0, 0
    words, characters = ErrorCounts(0, 0, 0, 0), ErrorCounts(0, 0, 0, 0)
    for batch in plain_batches(dataset, 240.0):
        lengths = batch.lengths.to(device)
        logits, _ = model(batch.x.to(device), lengths)
        fits = [
            row for row, label in enumerate(batch.labels) if least_frames(label) <= int(batch.lengths[row])
        ]
        if fits:
            kept = [batch.labels[row] for row in fits]
            loss += float(ctc_loss(logits[:, fits], kept, lengths[fits]))
            labels += sum(len(label) for label in kept)
        log_probs = torch.log_softmax(logits, -1).cpu().numpy()
        for row, item in enumerate(batch.items):
            text = decoder.decode(log_probs[: int(batch.lengths[row]), row])
            words += word_errors(references[item], text)
            characters += (word_errors if units.kind == "phones" else character_errors)(
                references[item], text
            )
    model.train(was_training)
    return Score(loss / max(labels, 1), words.rate, characters.rate)
