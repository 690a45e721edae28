"""Networks of a recipe."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from speechq.section import Section

Cell = Literal["lstm", "sru", "qrnn", "isru", "residual_lstm"]


class ModelConfig(Section):
    """The acoustic network: ``layers`` recurrent layers and a linear output, all unidirectional."""

    cell: Cell = "sru"
    layers: int = Field(3, ge=1, le=32)
    hidden: int = Field(320, ge=1, le=8192)
    dropout: float = Field(0.0, ge=0.0, lt=1.0)
    dropout_blocks: int = Field(
        0, ge=0, description="macro-block dropout: so many blocks of units are dropped whole; 0: single units"
    )
    batch_norm: bool = Field(False, description="batch normalization behind input matrices and convolutions")
    peepholes: bool = Field(False, description="lstm: diagonal connections from the cell to the gates")
    sru_variant: Literal[1, 2] = Field(
        2, description="sru: 1 = gates see only the input, 2 = gates see the cell"
    )
    sru_tanh: bool = Field(False, description="sru: tanh before the output gate")
    highway_bias: float = Field(-1.0, description="sru: initial bias of the output gate")
    window: int = Field(2, ge=1, le=32, description="qrnn: frames that the input matrix sees")
    pooling: Literal["fo", "ifo"] = Field(
        "fo", description="qrnn: forget and output gate, or also an input gate"
    )
    zoneout: float = Field(0.0, ge=0.0, lt=1.0, description="qrnn: share of forget gates held in training")
    taps_left: int = Field(7, ge=0, le=64, description="isru: past frames of the depthwise convolution")
    taps_right: int = Field(
        0, ge=0, le=64, description="isru: look-ahead of the depthwise convolution, in frames"
    )


class LanguageModelConfig(ModelConfig):
    """A language network: ``layers`` recurrent layers and a linear output, or a hierarchy of two clocks."""

    cell: Cell = "lstm"
    layers: int = Field(2, ge=1, le=32)
    hidden: int = Field(512, ge=1, le=8192)
    hierarchy: Literal["none", "a", "b"] = Field(
        "none", description="HLSTM-A or HLSTM-B: two layers of characters and two of words"
    )

    @model_validator(mode="after")
    def _possible(self) -> LanguageModelConfig:
        if self.taps_right > 0:
            raise ValueError("taps_right must be 0: a language model must not see the next symbol")
        if self.hierarchy != "none" and (self.cell != "lstm" or self.layers != 4):
            raise ValueError(f"hierarchy {self.hierarchy} needs cell: lstm and layers: 4")
        return self
