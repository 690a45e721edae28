"""From a checkpoint to a model file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from speechq.nn.stack import Network
from speechq.runtime.graph import Layer, Model
from speechq.runtime.group_code import has_table, obeys
from speechq.runtime.model_file import write_model
from speechq.train.checkpoint import NetworkInfo, load_network


def pack(
    checkpoint: Path, path: Path, provenance: dict[str, Any] | None = None, *, compress: bool = False
) -> Model:
    """Write the network of ``checkpoint`` as a model file with integer weights; what was written.

    ``compress``: the codes are range-coded where that is smaller.
    """
    network, info = load_network(checkpoint)
    model = exported(network, info, provenance)
    write_model(path, model, compress=compress)
    return model


def exported(network: Network, info: NetworkInfo, provenance: dict[str, Any] | None = None) -> Model:
    """``network`` with integer weights.

    The ternary matrices of a network that was trained ``sparse`` are in groups.
    """
    layers, feat = network.export()
    if info.groups is not None and has_table(*info.groups):
        layers = tuple(_in_groups(layer, *info.groups) for layer in layers)
    facts = {**info.provenance, **(provenance or {}), "weights": network.weight_count()}
    return Model(
        units=info.units,
        features=info.features,
        mean=_array(info.mean),
        scale=_array(info.scale),
        layers=layers,
        feat=feat,
        scheme=info.scheme,
        provenance=facts,
        card=_card(info, facts),
        hierarchy=network.joined(),
    )


def _in_groups(layer: Layer, group: int, kept: int) -> Layer:
    """``layer`` with those matrices in groups whose codes allow it."""
    matrices = {
        name: replace(matrix, groups=(group, kept))
        if matrix.bits == 2 and obeys(matrix.codes, group, kept)
        else matrix
        for name, matrix in layer.matrices.items()
    }
    return replace(layer, matrices=matrices)


def _array(values: Tensor | None) -> NDArray[np.float32]:
    """``values``, empty where there are none."""
    return np.zeros(0, np.float32) if values is None else values.numpy().astype(np.float32)


def _card(info: NetworkInfo, facts: dict[str, Any]) -> str:
    corpus, method = facts.get("corpus", "unknown"), facts.get("method", "training")
    if info.features is None:
        return (
            f"Character language model, {facts['weights']:,} weights, scheme {info.scheme}, made by {method} "
            f"on the text {corpus} with seed {facts.get('seed', 'unknown')}. It predicts the next character "
            "of text like that; it repeats what that text says and how."
        )
    return (
        f"Acoustic model with CTC, {facts['weights']:,} weights, scheme {info.scheme}, made by {method} "
        f"on the corpus {corpus} with seed {facts.get('seed', 'unknown')}. It transcribes speech "
        "like that corpus; other accents, languages and recording conditions were not measured."
    )
