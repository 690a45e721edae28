"""Sensitivity per group and bits, and a scheme for a budget of bytes from it (1512.01322)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from speechq.nn.stack import Network
from speechq.recipes.sensitivity import weight_groups
from speechq.recipes.studies.bench import Bench
from speechq.train.checkpoint import load_network

Losses = Mapping[tuple[str, int], float]


def group_sizes(network: Network) -> dict[str, int]:
    """Weights of each group."""
    sizes = {
        f"l{k}.{role}": layer.matrix(role).numel()
        for k, layer in enumerate(network.recurrent_layers())
        for role in layer.present_roles()
    }
    return sizes | {"out": network.out.weight_out.numel()}


def choose_bits(
    lost: Losses, sizes: Mapping[str, int], bits: Sequence[int], budget: float, margin: float
) -> dict[str, int]:
    """Bits per group: as few bytes as the predicted loss allows, fewer still where the budget asks for it.

    ``lost`` is what each group costs alone at each number of bits; costs are taken to add up. From the most
    bits, the step that loses least per bit saved is taken as long as all of them together lose at most
    ``margin``, or codes take more than ``budget`` bytes.
    """
    order = sorted(bits)
    chosen = dict.fromkeys(sizes, order[-1])

    def total() -> float:
        return sum(max(lost[group, chosen[group]], 0.0) for group in chosen)

    def size() -> float:
        return sum(sizes[group] * chosen[group] for group in chosen) / 8

    while True:
        steps = []
        for group, now in chosen.items():
            if now > order[0]:
                down = order[order.index(now) - 1]
                more = max(lost[group, down], 0.0) - max(lost[group, now], 0.0)
                steps.append((more / (sizes[group] * (now - down)), group, down, more))
        # What still fits the margin; beyond it only for the budget.
        fitting = [step for step in steps if total() + step[3] <= margin]
        if (not fitting and size() <= budget) or not steps:
            return chosen
        _, group, down, _ = min(fitting or steps)
        chosen[group] = down


def scheme_of(chosen: Mapping[str, int]) -> str:
    """The scheme string, 8-bit signals."""
    usual = max(set(chosen.values()), key=list(chosen.values()).count)
    return ",".join([f"w{usual}a8", *(f"{g}=w{b}" for g, b in chosen.items() if b != usual)])


def run(bench: Bench) -> None:
    """One group of weights at a time, retrained; then the chosen scheme."""
    config = bench.config
    shape = bench.variant(config.capacity_schemes, [config.method])
    base = shape.models[0]
    bench.point(shape, base)
    network, _ = load_network(shape.checkpoint(base))
    groups, sizes = weight_groups(network), group_sizes(network)
    schemes = {f"float,{group}=w{bits}": (group, bits) for group in groups for bits in config.bits}
    points = bench.points(bench.variant(list(schemes), [config.method]))
    bench.write(points)
    reference = float(np.mean([p.loss for p in points if p.method == "float+"]))
    lost = {
        key: float(np.mean([p.loss for p in points if p.scheme == scheme])) - reference
        for scheme, key in schemes.items()
    }
    budget = config.budget * 4 * sum(sizes.values())
    scheme = scheme_of(choose_bits(lost, sizes, config.bits, budget, config.margin * reference))
    found = bench.points(bench.variant([scheme], [config.method]))
    bench.write(points + [p for p in found if p.scheme == scheme], chosen=scheme)
