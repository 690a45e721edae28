"""Gradients beside the present weights: symmetric noise (S-SGD) and the worst point nearby (SAM)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from speechq.methods import NoiseConfig, SharpnessConfig
from speechq.train.technique import Measure, Technique

_DRAW = 3  # keeps what is drawn here apart from the other draws of a step


@contextmanager
def moved(weights: list[Tensor], by: list[Tensor], sign: float = 1.0) -> Iterator[None]:
    """``weights + sign * by`` for as long as the context lasts; then the weights to the bit as before."""
    before = [weight.detach().clone() for weight in weights]
    with torch.no_grad():
        for weight, change in zip(weights, by, strict=True):
            weight.add_(change, alpha=sign)
    try:
        yield
    finally:
        with torch.no_grad():
            for weight, kept in zip(weights, before, strict=True):
                weight.copy_(kept)


class SymmetricNoise(Technique):
    """S-SGD (2009.02479): ``g = (g(w + e) + g(w - e)) / 2``, ``e = sigma * s``, ``s`` signs drawn per step.

    ``sigma`` is a share of the root mean square of each matrix. Biases, vectors and steps get no noise. With
    half a batch at each point (the first rows at ``w + e``, the others at ``w - e``) a step costs no more
    than usual.
    """

    name = "ssgd"
    moves_weights = True

    def __init__(self, config: NoiseConfig) -> None:
        self.config = config

    def noise(self, weight: Tensor, rng: np.random.Generator) -> Tensor:
        """``e`` for one matrix."""
        sigma = self.config.magnitude * weight.detach().square().mean().sqrt()
        signs = rng.integers(0, 2, weight.shape, np.int8) * 2 - 1
        return torch.from_numpy(signs.astype(np.float32)).to(weight.device) * sigma

    def gradients(self, measure: Measure, rows: int, seed: tuple[int, ...]) -> tuple[Tensor, list[Tensor]]:
        rng = np.random.default_rng([*seed, _DRAW])
        weights = [matrix.data for matrix in self.model.matrices()]
        noise = [self.noise(weight, rng) for weight in weights]
        half = self.config.batch == "half"
        first, second = (range(rows // 2), range(rows // 2, rows)) if half else (range(rows), range(rows))
        with moved(weights, noise):
            above, rising = measure(first)
        with moved(weights, noise, -1.0):
            below, falling = measure(second)
        scale = 1.0 if half else 0.5
        joined = [(a + b) * scale for a, b in zip(rising, falling, strict=True)]
        return (above + below) * scale, joined


class SharpnessAware(Technique):
    """SAM (Foret et al., 2010.01412): the gradient at ``w + radius * g / |g|``, for twice the time."""

    name = "sam"
    moves_weights = True

    def __init__(self, config: SharpnessConfig) -> None:
        self.config = config

    def gradients(self, measure: Measure, rows: int, seed: tuple[int, ...]) -> tuple[Tensor, list[Tensor]]:
        loss, here = measure(range(rows))
        norm = torch.nn.utils.get_total_norm(here)
        scale = self.config.radius / (norm + 1e-12)
        # A learned step must stay positive and is no weight: it stays where it is.
        steps = {id(p) for q in self.model.quantizers() for p in q.parameters()}
        kept = [(p, g * scale) for p, g in zip(self.parameters(), here, strict=True) if id(p) not in steps]
        with moved([p.data for p, _ in kept], [change for _, change in kept]):
            _, there = measure(range(rows))
        return loss, there
