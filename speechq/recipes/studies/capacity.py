"""Effective compression ratio (1511.06488, 1611.06342): is it better to shrink units or bits?"""

from __future__ import annotations

from speechq.recipes.studies.bench import Bench


def run(bench: Bench) -> None:
    """Networks of several widths, float and at the schemes."""
    config, whole = bench.config, bench.recipe.model.hidden
    widths = config.hidden or (max(whole // 4, 1), max(whole // 2, 1), whole)
    points = []
    for hidden in widths:
        points += bench.points(bench.variant(config.capacity_schemes, [config.method], hidden=hidden))
        bench.write(points)
