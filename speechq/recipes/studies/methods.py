"""All methods of retraining on one network, for as many steps each."""

from __future__ import annotations

from speechq.recipes.studies.bench import Bench


def run(bench: Bench) -> None:
    """The recipe's network at one scheme, by every method."""
    config = bench.config
    points = bench.points(bench.variant([config.methods_scheme], config.methods))
    bench.write(points, plain=config.methods[0])
