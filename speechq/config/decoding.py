"""Decoders of a recipe and the tuning of their weights."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from speechq.section import Section, Seed

DecoderName = Literal["ngram", "char", "char+ngram"]


class DecodersConfig(Section):
    """Beam searches beside greedy decoding. A network is named as ``float+`` or ``w4a8-adaptive``, without
    its seed; a scheme alone stands for its retrained networks."""

    use: tuple[DecoderName, ...] = ()
    models: tuple[str, ...] = Field((), description="acoustic networks that they are evaluated for")
    char_lms: tuple[str, ...] = Field((), description="character models, each a decoder of its own")
    beam: int = Field(32, ge=1, le=1_000_000)


class TuneConfig(Section):
    """Finding the weights of the decoders on dev."""

    rounds: int = Field(
        6, ge=1, description="times that dev is decoded; half of it where another network's weights are known"
    )
    utterances: int = Field(0, ge=0, description="of dev, taken at equal distances; 0: all")
    seed: Seed = 1
