"""All methods of retraining on one network, for as many steps each."""

from __future__ import annotations

from speechq.errors import ConfigError
from speechq.methods import parse_method
from speechq.progress import say
from speechq.quant.scheme import parse_scheme
from speechq.recipes.language import LanguageRun
from speechq.recipes.studies.bench import Bench


def run(bench: Bench) -> None:
    """The recipe's network at one scheme, by every method that goes with both."""
    config = bench.config
    methods = []
    for method in config.methods:
        reason = _unfit(bench, method)
        if reason is None:
            methods.append(method)
        else:
            say(f"methods: {method} is left out: {reason}")
    if not methods:
        raise ConfigError(f"study.methods: none goes with the recipe and {config.methods_scheme}")
    points = bench.points(bench.variant([config.methods_scheme], methods))
    bench.write(points, plain=methods[0])


def _unfit(bench: Bench, method: str) -> str | None:
    """Why a method does not go with the recipe; None if it does."""
    techniques = parse_method(method)[1]
    if "seqkd" in techniques and isinstance(bench.base, LanguageRun):
        return "it is for networks with CTC"
    bits, most = parse_scheme(bench.config.methods_scheme).weight_bits, bench.recipe.retrain.sparse.bits
    if "sparse" in techniques and (bits is None or bits > most):
        return f"sparse weights have at most {most} bits, study.methods_scheme has {bits or 32}"
    return None
