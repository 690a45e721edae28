"""The loss on a plane through three networks, weights quantized at every point (2002.00343)."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

from speechq.bench.results import read_json
from speechq.config import digest
from speechq.files import write_json
from speechq.nn.stack import Network
from speechq.quant.quantizers import WeightQuantizer
from speechq.recipes.studies.bench import Bench
from speechq.train.checkpoint import load_network

_BEYOND = 0.3  # how far the plane reaches beyond the three, as a share of their extent


def trained_vector(network: Network) -> Tensor:
    """All master weights, biases and vectors in one; steps are no part of the plane."""
    steps = {id(p) for q in network.quantizers() for p in q.parameters()}
    return torch.cat([p.detach().flatten() for p in network.parameters() if id(p) not in steps])


@torch.no_grad()
def set_vector(network: Network, vector: Tensor) -> None:
    """Set them, and the L2-optimal steps of the weights."""
    steps = {id(p) for q in network.quantizers() for p in q.parameters()}
    at = 0
    for parameter in (p for p in network.parameters() if id(p) not in steps):
        parameter.copy_(vector[at : at + parameter.numel()].view_as(parameter))
        at += parameter.numel()
    for layer in [*network.recurrent_layers(), network.out]:
        for role, quantizer in layer.weight_quantizers.items():
            cast(WeightQuantizer, quantizer).initialize(layer.matrix(role))


def plane(vectors: list[Tensor]) -> tuple[Tensor, Tensor, list[tuple[float, float]]]:
    """Two orthogonal unit vectors of the plane through three points, and their places from the first."""
    u, v = (vector.double() - vectors[0].double() for vector in vectors[1:])
    first = u / u.norm().clamp(min=1e-30)
    rest = v - first * (v @ first)
    second = rest / rest.norm().clamp(min=1e-30)
    return first, second, [(0.0, 0.0), (float(u.norm()), 0.0), (float(v @ first), float(v @ second))]


def run(bench: Bench) -> None:
    """Three retrained networks of the first seed, and a grid around them, row by row."""
    config = bench.config
    variant = bench.variant([config.methods_scheme], config.landscape)
    seed = config.seeds[0]
    points = [bench.point(variant, model) for model in variant.models if model.seed == seed]
    three = [m for m in variant.models if m.seed == seed and m.method in config.landscape]
    three.sort(key=lambda m: config.landscape.index(m.method))
    loaded = [load_network(variant.checkpoint(model)) for model in three]
    networks, info = [network for network, _ in loaded], loaded[0][1]
    first, second, places = plane([trained_vector(network) for network in networks])
    origin = trained_vector(networks[0]).double()
    axes = []
    for k in range(2):
        low, high = min(p[k] for p in places), max(p[k] for p in places)
        reach = _BEYOND * max(high - low, 1e-12)
        axes.append(np.linspace(low - reach, high + reach, config.grid).tolist())
    rows = []
    key = digest("landscape-1", [variant.train_key(model) for model in three], config.grid)
    for index, y in enumerate(axes[1]):

        def measure(folder: Path, y: float = y) -> None:
            losses = []
            for x in axes[0]:
                set_vector(networks[0], (origin + x * first + y * second).float())
                losses.append(bench.score(variant, networks[0], info)["loss"])
            write_json(folder / "row.json", losses)

        name = f"study/{bench.name}/rows/{index}"
        path = bench.base.folder / name / "row.json"
        bench.work.unit(name, key, measure, outputs=[path])
        rows.append(read_json(path))
    shown = [point for point in points if point.method in config.landscape]
    bench.write(shown, x=axes[0], y=axes[1], losses=rows, places=places, methods=list(config.landscape))
