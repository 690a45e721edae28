"""Methods of retraining: their names, such as ``adaptive+kd+sqwa``, and the settings of their techniques.

A name is a rule for the steps and the techniques that join it: ``direct`` quantizes and does not train,
``fixed`` keeps the L2-optimal steps (1512.01322), ``adaptive`` re-estimates them before every update
(1702.08171), ``gradual`` is adaptive retraining that starts from the master weights of the next higher word
length (1702.08171), ``lsq`` learns weight and signal steps by gradient (1902.08153). Defaults are our choice
where no paper states them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from speechq.section import Section

RULES = ("direct", "fixed", "adaptive", "gradual", "lsq")


class DistillationConfig(Section):
    """kd, seqkd: the labels of the text and a teacher's judgement (1909.01688)."""

    teacher: Path | None = Field(None, description="a checkpoint; by default the float network of the seed")
    temperature: float = Field(2.0, gt=0.0, description="of both softmaxes")
    weight: float = Field(0.5, ge=0.0, le=1.0, description="share of the teacher's part of the loss")
    reduce: bool = Field(True, description="the weight falls linearly to 0 over the training")
    samples: int = Field(2, ge=1, description="seqkd: transcripts drawn from the teacher per utterance")


class NoiseConfig(Section):
    """ssgd: the gradient at two points, opposite to each other (2009.02479)."""

    magnitude: float = Field(
        0.05, gt=0.0, description="of the noise, as a share of a matrix's root mean square"
    )
    batch: Literal["full", "half"] = Field("full", description="at each point the whole batch, or half of it")


class SharpnessConfig(Section):
    """sam: the gradient at the worst point nearby (2010.01412)."""

    radius: float = Field(0.05, gt=0.0, description="length of the way up the gradient")


class SelfTeachingConfig(Section):
    """speq: the network with finer signals in some layers teaches itself (2009.14502)."""

    bits: int = Field(16, ge=3, le=16, description="of the teacher's signals")
    probability: float = Field(0.5, ge=0.0, le=1.0, description="of a layer to be finer, drawn per step")
    temperature: float = Field(2.0, gt=0.0, description="of both softmaxes")
    weight: float = Field(1.0, ge=0.0, description="of the cosine distance beside the loss of the labels")


class AveragingConfig(Section):
    """swa, sqwa: networks captured in cycles of the rate are averaged and tuned (2002.00343)."""

    cycles: int = Field(7, ge=1)
    share: float = Field(0.7, gt=0.0, le=1.0, description="of the training that the cycles take")
    low_rate: float = Field(
        0.1, ge=0.0, le=1.0, description="at the end of a cycle, as a share of the highest"
    )
    fine_rate: float = Field(0.1, ge=0.0, le=1.0, description="behind the cycles, as a share of the highest")


class PenaltyConfig(Section):
    """A penalty whose coefficient is learned (1809.00095)."""

    strength: float = Field(1.0, gt=0.0, description="a: the coefficient settles at a / R")
    initial: float = Field(0.01, gt=0.0, le=1.0, description="first coefficient, as a share of a / R")
    rate: float = Field(0.01, gt=0.0, description="of the gradient steps of the coefficient's logarithm")
    largest: float = Field(1e6, gt=0.0, description="bound of the coefficient")


class GridPenaltyConfig(PenaltyConfig):
    """msqe: weights are drawn onto their grid."""


class PruningConfig(PenaltyConfig):
    """prune: the smallest weights of each matrix are drawn to zero."""

    share: float = Field(0.7, gt=0.0, lt=1.0, description="of the weights that become zero")


class SparseConfig(Section):
    """sparse: at most k of n neighbouring weights are not zero (1707.03684)."""

    group: int = Field(8, ge=2, le=16, description="n")
    stages: tuple[int, ...] = Field(
        (4, 3, 2), min_length=1, description="k, stage after stage; the last stays"
    )
    share: float = Field(0.6, gt=0.0, le=1.0, description="of the training that the stages take")
    normalize: bool = Field(True, description="weight distribution normalization")
    bits: int = Field(2, ge=2, le=8, description="matrices of at most so many bits become sparse")

    @model_validator(mode="after")
    def _falling(self) -> SparseConfig:
        if (
            min(self.stages) < 1
            or max(self.stages) > self.group
            or list(self.stages) != sorted(self.stages)[::-1]
        ):
            raise ValueError(f"stages must fall, from at most group: {self.group} to at least 1")
        return self


# The section of `retrain` that each technique reads.
TECHNIQUES = {
    "kd": "kd",
    "seqkd": "kd",
    "speq": "speq",
    "swa": "averaging",
    "sqwa": "averaging",
    "ssgd": "ssgd",
    "sam": "sam",
    "msqe": "msqe",
    "prune": "prune",
    "sparse": "sparse",
}
# Of each group a method takes one at most: what they change is the same.
_EXCLUSIVE = (("kd", "seqkd"), ("swa", "sqwa"), ("ssgd", "sam"))


class TechniqueConfig(Section):
    """Settings of the techniques that the methods of a recipe name."""

    kd: DistillationConfig = DistillationConfig()
    ssgd: NoiseConfig = NoiseConfig()
    sam: SharpnessConfig = SharpnessConfig()
    speq: SelfTeachingConfig = SelfTeachingConfig()
    averaging: AveragingConfig = AveragingConfig()
    msqe: GridPenaltyConfig = GridPenaltyConfig()
    prune: PruningConfig = PruningConfig()
    sparse: SparseConfig = SparseConfig()


def parse_method(name: str) -> tuple[str, tuple[str, ...]]:
    """``(rule, techniques)`` of a method; ValueError says what is wrong."""
    rule, *techniques = name.split("+")
    if rule not in RULES:
        raise ValueError(f"{name!r}: {rule!r} is no rule for the steps; expected one of {', '.join(RULES)}")
    for technique in techniques:
        if technique not in TECHNIQUES:
            raise ValueError(
                f"{name!r}: {technique!r} is no technique; expected one of {', '.join(TECHNIQUES)}"
            )
    if len(set(techniques)) < len(techniques):
        raise ValueError(f"{name!r}: a technique occurs twice")
    if rule == "direct" and techniques:
        raise ValueError(f"{name!r}: direct does not train; techniques join another rule")
    for group in _EXCLUSIVE:
        if len(both := [technique for technique in techniques if technique in group]) > 1:
            raise ValueError(f"{name!r}: {' and '.join(both)} exclude each other")
    return rule, tuple(techniques)
