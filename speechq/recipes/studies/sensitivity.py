"""Sensitivity per group and bits, and a scheme for a budget of bytes from it (1512.01322)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from speechq.nn.stack import Network
from speechq.recipes.studies.bench import Bench, network_bytes
from speechq.runtime.packing import packed_bytes
from speechq.train.checkpoint import load_network

Losses = Mapping[tuple[str, int], float]


@dataclass(frozen=True)
class Sizes:
    """What a scheme is charged for: ``weights`` and ``steps`` of each group, and ``other`` bytes."""

    weights: Mapping[str, int]
    steps: Mapping[str, int]
    other: int

    def bytes(self, chosen: Mapping[str, int]) -> int:
        """Bytes of codes, steps and vectors."""
        return self.other + sum(
            packed_bytes(self.weights[g], b) + 4 * self.steps[g] for g, b in chosen.items()
        )


def sizes_of(network: Network, *, per_row: bool) -> Sizes:
    """The groups of a float network."""
    matrices = {
        f"l{k}.{role}": layer.matrix(role)
        for k, layer in enumerate(network.recurrent_layers())
        for role in layer.present_roles()
    } | {"out": network.out.weight_out}
    weights = {group: matrix.numel() for group, matrix in matrices.items()}
    steps = {group: len(matrix) if per_row else 1 for group, matrix in matrices.items()}
    return Sizes(weights, steps, network_bytes(network) - 4 * sum(weights.values()))


def falling_bits(lost: Losses, weights: Mapping[str, int], bits: Sequence[int]) -> list[dict[str, int]]:
    """Schemes (bits per group) from the most bits to the fewest, each without one more step of a group.

    ``lost`` is what each group costs alone at each number of bits. The group goes down next that loses least
    per bit saved.
    """
    order = sorted(bits)
    now = dict.fromkeys(weights, order[-1])
    found = [dict(now)]
    while steps := [(g, order[order.index(b) - 1]) for g, b in now.items() if b > order[0]]:
        group, down = min(
            steps,
            key=lambda step: (
                (max(lost[step], 0.0) - max(lost[step[0], now[step[0]]], 0.0))
                / (weights[step[0]] * (now[step[0]] - step[1]))
            ),
        )
        now[group] = down
        found.append(dict(now))
    return found


def last_good(count: int, good: Callable[[int], bool]) -> int | None:
    """The largest index below ``count`` that is ``good``, by halving; None if the first is not.

    What is behind one that is not good is taken to be no better.
    """
    low, high = -1, count
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if good(middle) else (low, middle)
    return None if low < 0 else low


def scheme_of(chosen: Mapping[str, int]) -> str:
    """The scheme string, 8-bit signals."""
    usual = max(set(chosen.values()), key=list(chosen.values()).count)
    return ",".join([f"w{usual}a8", *(f"{g}=w{b}" for g, b in chosen.items() if b != usual)])


def run(bench: Bench) -> None:
    """One group of weights at a time, retrained; then the search for the cheapest scheme that is good enough.

    Schemes of the search are trained and scored as well. ``chosen`` is the cheapest whose mean error is
    within the margin of that of ``float+``; ``affordable`` the best within the budget.
    """
    config = bench.config
    shape = bench.variant(config.capacity_schemes, [config.method])
    base = shape.models[0]
    bench.point(shape, base)
    network, _ = load_network(shape.checkpoint(base))
    sizes = sizes_of(network, per_row=bench.recipe.retrain.granularity == "row")
    schemes = {f"float,{group}=w{bits}": (group, bits) for group in sizes.weights for bits in config.bits}
    points = bench.points(bench.variant(list(schemes), [config.method]))
    bench.write(points)

    def mean(scheme: str, what: str) -> float:
        values = [getattr(p, what) for p in points if p.scheme == scheme and p.method != "float"]
        return float(np.mean(values))

    lost = {key: mean(scheme, "loss") - mean("float", "loss") for scheme, key in schemes.items()}
    candidates = falling_bits(lost, sizes.weights, config.bits)

    def trained(index: int) -> str:
        scheme = scheme_of(candidates[index])
        if all(p.scheme != scheme for p in points):
            made = bench.points(bench.variant([scheme], [config.method]))
            points.extend(point for point in made if point.scheme == scheme)
            bench.write(points)
        return scheme

    def good(index: int) -> bool:
        return mean(trained(index), "error") <= (1 + config.margin) * mean("float", "error")

    found: dict[str, str | None] = {"chosen": None, "affordable": None}
    if (index := last_good(len(candidates), good)) is not None:
        found["chosen"] = trained(index)
    budget = config.budget * network_bytes(network)
    within = [k for k, candidate in enumerate(candidates) if sizes.bytes(candidate) <= budget]
    if within:
        found["affordable"] = trained(max(within[0], index or 0))
    bench.write(points, **found)
