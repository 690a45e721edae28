"""From a checkpoint to a model file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from speechq.runtime.graph import Model
from speechq.runtime.model_file import write_model
from speechq.train.checkpoint import load_network


def pack(checkpoint: Path, path: Path, provenance: dict[str, Any] | None = None) -> Model:
    """Write the network of ``checkpoint`` as a model file with integer weights; what was written."""
    network, info = load_network(checkpoint)
    layers, feat = network.export()
    facts = {**info.provenance, **(provenance or {}), "weights": network.weight_count()}
    model = Model(
        units=info.units,
        features=info.features,
        mean=info.mean.numpy().astype(np.float32),
        scale=info.scale.numpy().astype(np.float32),
        layers=layers,
        feat=feat,
        scheme=info.scheme,
        provenance=facts,
        card=_card(info.scheme, facts),
    )
    write_model(path, model)
    return model


def _card(scheme: str, facts: dict[str, Any]) -> str:
    corpus, method = facts.get("corpus", "unknown speech"), facts.get("method", "training")
    return (
        f"Acoustic model with CTC, {facts['weights']:,} weights, scheme {scheme}, made by {method} "
        f"on the corpus {corpus} with seed {facts.get('seed', 'unknown')}. It transcribes speech "
        "like that corpus; other accents, languages and recording conditions were not measured."
    )
