"""Weights against signals over depth and width (2006.00530)."""

from __future__ import annotations

from speechq.recipes.studies.bench import Bench


def run(bench: Bench) -> None:
    """Weights alone, signals alone and both at few bits, in networks of several depths and widths."""
    config, model = bench.config, bench.recipe.model
    depths = config.layers or tuple(sorted({1, max(model.layers // 2, 1), model.layers}))
    widths = config.hidden or (max(model.hidden // 4, 1), max(model.hidden // 2, 1), model.hidden)
    points = []
    for layers in depths:
        for hidden in widths:
            variant = bench.variant(config.depth_schemes, [config.method], layers=layers, hidden=hidden)
            points += bench.points(variant)
            bench.write(points)
