"""Settings of ``speechq study``."""

from __future__ import annotations

from pydantic import Field, PositiveInt, field_validator

from speechq.methods import parse_method
from speechq.section import Section, Seed


class StudyConfig(Section):
    """Which networks the studies of a recipe compare. Empty sizes: derived from the recipe's network."""

    seeds: tuple[Seed, ...] = Field((1, 2, 3), min_length=1)
    hidden: tuple[PositiveInt, ...] = Field(
        (), description="capacity, depth-width; empty: 1/4, 1/2 and all of it"
    )
    layers: tuple[PositiveInt, ...] = Field(
        (), description="depth-width; empty: 1, half and all of the recipe's"
    )
    capacity_schemes: tuple[str, ...] = Field(("w8a8", "w4a8", "w3a8", "w2a8"), min_length=1)
    depth_schemes: tuple[str, ...] = Field(("w2", "a4", "w2a4"), min_length=1)
    method: str = Field("adaptive", description="of the retraining in all studies but methods")
    methods: tuple[str, ...] = Field(
        (
            "adaptive",
            "fixed",
            "lsq",
            "adaptive+kd",
            "adaptive+seqkd",
            "adaptive+speq",
            "adaptive+swa",
            "adaptive+sqwa",
            "adaptive+ssgd",
            "adaptive+sam",
            "adaptive+msqe",
            "adaptive+prune",
            "adaptive+sparse",
            "adaptive+kd+sqwa",
            "adaptive+kd+ssgd",
            "adaptive+speq+sqwa",
        ),
        min_length=1,
        description="methods: all that are compared; the first is what the others are to improve on",
    )
    methods_scheme: str = "w2a8"
    bits: tuple[int, ...] = Field((2, 3, 4, 6, 8), min_length=1, description="sensitivity: of weight groups")
    budget: float = Field(0.04, gt=0.0, le=1.0, description="sensitivity: bytes, as a share of float's")
    margin: float = Field(
        0.03, ge=0.0, description="sensitivity: how much higher WER may be, as a share of float+'s"
    )
    landscape: tuple[str, str, str] = Field(
        ("adaptive", "adaptive+swa", "adaptive+sqwa"), description="methods of the three networks"
    )
    grid: int = Field(15, ge=3, le=101, description="landscape: points along each side")

    @field_validator("method")
    @classmethod
    def _one(cls, value: str) -> str:
        parse_method(value)
        return value

    @field_validator("methods", "landscape")
    @classmethod
    def _known(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            parse_method(value)
        if len(set(values)) < len(values):
            raise ValueError("an entry occurs twice")
        return values
