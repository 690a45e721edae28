"""A packed model in the engine against the network it was made from, on a dev set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from speechq.bench.results import Comparison
from speechq.config import load_recipe
from speechq.data.batches import Dataset
from speechq.data.shards import compute_store
from speechq.errors import DataError
from speechq.recipes.evaluate import recognize
from speechq.text.error_rates import ErrorCounts, word_errors
from speechq.train.checkpoint import load_network
from speechq.train.data import labels_of, read_split
from speechq.train.score import score

LARGEST = 0.002  # a larger difference of the error rates (fractions) deserves a warning


def compare(
    name: str, checkpoint: Path, packed: Path, dataset: Dataset, references: Sequence[str]
) -> Comparison:
    """Greedy error rates of both on ``dataset``, each utterance from a zero state."""
    network, info = load_network(checkpoint)
    simulated = score(network, dataset, list(references), info.units, torch.device("cpu")).wer
    texts = recognize(packed, dataset)
    counts = (word_errors(spoken, found) for spoken, found in zip(references, texts, strict=True))
    rate = sum(counts, ErrorCounts()).rate
    unit = "phone" if info.units.kind == "phones" else "word"
    return Comparison(name, simulated, rate, len(references), unit)


def compare_packed(checkpoint: Path, packed: Path, manifest: Path | None = None) -> Comparison:
    """The comparison on the utterances of ``manifest``, by default the dev set of the checkpoint's run.

    ``WORK/train/NAME/*.ckpt`` belongs to the run in the work folder WORK. DataError or ConfigError if the
    utterances cannot be read.
    """
    _, info = load_network(checkpoint)
    if info.features is None or info.mean is None or info.scale is None:
        raise DataError(f"{checkpoint}: a language network; speechq lm score measures its packed model")
    work = None
    if manifest is None:
        work = _work_folder(checkpoint)
        manifest = work / "prepare" / f"{load_recipe(work).data.dev}.jsonl"
    utterances = read_split(manifest, info.units)
    references = [utterance.text for utterance in utterances]
    labels = [labels_of(text, info.units, boundary=False) for text in references]  # for the loss: not used
    with TemporaryDirectory() as temporary:
        cache = Path(temporary) if work is None else work / "features"
        store = compute_store(utterances, info.features, cache, title="dev features")
        dataset = Dataset([store], labels, info.features, info.mean.numpy(), info.scale.numpy())
        return compare(packed.stem, checkpoint, packed, dataset, references)


def _work_folder(checkpoint: Path) -> Path:
    runs = checkpoint.resolve().parent.parent
    if runs.name != "train" or not (runs.parent / "recipe.yaml").is_file():
        raise DataError(f"{checkpoint}: does not lie in the work folder of a run, where a dev set would be")
    return runs.parent


def sentence(comparison: Comparison) -> str:
    """``dev WER 10.31 % packed, 10.28 % in training: 0.03 points apart (400 utterances)``."""
    metric = "PER" if comparison.unit == "phone" else "WER"
    rates = f"{100 * comparison.packed:.2f} % packed, {100 * comparison.simulated:.2f} % in training"
    apart = f"{100 * abs(comparison.difference):.2f} points apart"
    return f"dev {metric} {rates}: {apart} ({comparison.utterances} utterances)"


def warning(comparison: Comparison) -> str | None:
    """What is to be said of a difference that is too large; None if it is not."""
    if abs(comparison.difference) <= LARGEST:
        return None
    return (
        f"warning: the packed model and the network in training differ by more than {100 * LARGEST:.1f} "
        "points on dev; where the set has few utterances a single word can do that"
    )
