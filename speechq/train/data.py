"""From prepared manifests to datasets: features, labels, normalization."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from speechq.config import AugmentConfig, DataConfig
from speechq.data.batches import Dataset
from speechq.data.manifest import Utterance, read_manifest
from speechq.data.shards import FeatureStore, compute_store
from speechq.errors import DataError
from speechq.text.phones import PHONES_39, PHONES_48, PHONES_61
from speechq.text.units import Units


def make_units(config: DataConfig, texts: Sequence[str]) -> Units:
    """The units of a recipe; word pieces and unlisted phone sets are learned from the training texts."""
    if config.units == "characters":
        return Units.characters(config.alphabet)
    if config.units == "pieces":
        return Units.train_pieces(texts, config.pieces)
    found = sorted({label for text in texts for label in text.split()})
    for known in (PHONES_39, PHONES_48, PHONES_61):
        if set(found) <= set(known):
            return Units.phones(known)
    return Units.phones(found)


def labels_of(text: str, units: Units, boundary: bool) -> list[int]:
    """Label sequence of a transcript; with ``boundary`` a space comes first (characters only)."""
    spaced = boundary and units.kind == "characters" and " " in units.symbols
    return units.encode(f" {text}" if spaced else text)


def read_split(path: Path, units: Units | None = None) -> list[Utterance]:
    """A split's utterances, checked; DataError if it is empty."""
    utterances = read_manifest(path, units)
    if not utterances:
        raise DataError(f"{path}: no utterances")
    return utterances


def training_stores(
    utterances: Sequence[Utterance],
    config: DataConfig,
    augment: AugmentConfig,
    cache: Path,
    seed: int,
    workers: int,
) -> list[FeatureStore]:
    """Features of the training set as it is, and of its augmented versions."""
    return [
        compute_store(
            utterances,
            config.features,
            cache,
            augment=augment,
            copy=copy,
            seed=seed,
            workers=workers,
            title="training features" + (f", version {copy}" if copy else ""),
        )
        for copy in range(augment.copies + 1)
    ]


def make_dataset(
    utterances: Sequence[Utterance],
    stores: Sequence[FeatureStore],
    units: Units,
    config: DataConfig,
    norm: FeatureStore,
) -> Dataset:
    """A dataset normalized by the statistics of ``norm`` (the training set)."""
    labels = [labels_of(u.text, units, config.boundary) for u in utterances]
    return Dataset(stores, labels, config.features, norm.mean, norm.scale)
