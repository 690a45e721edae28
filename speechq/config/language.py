"""Texts and language models of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from speechq.config.network import LanguageModelConfig
from speechq.config.training import FixedPointConfig, TextTrainConfig, check_retraining
from speechq.section import Alphabet, Section


class TextConfig(Section):
    """What a language model is trained and scored on: texts, plain or gzip, one sentence a line."""

    source: Path | None = Field(None, description="folder of the texts; --data overrides it")
    train: tuple[str, ...] = Field(("train.txt",), min_length=1, description="files in the folder")
    dev: str = "valid.txt"
    test: str = "test.txt"
    alphabet: Alphabet = Field(" 'ABCDEFGHIJKLMNOPQRSTUVWXYZ", description="as that of the acoustic model")


class TransferConfig(Section):
    """Generative knowledge transfer: the network learns from text that a teacher writes, not from
    ``data.train``."""

    teacher: Path = Field(description="a packed language model with the same alphabet")
    tokens: int | None = Field(
        None, ge=1, description="symbols to write; not given: as many as data.train has"
    )
    temperature: float = Field(
        1.0, gt=0.0, le=10.0, description="of drawing the text; the labels are the teacher's own"
    )
    labels: Literal["soft", "hard"] = Field(
        "soft", description="learn the teacher's probabilities, or only what it wrote"
    )


class NgramConfig(Section):
    """The word n-gram of a recipe's text."""

    order: int = Field(3, ge=2, le=6)
    prune: tuple[int, ...] = Field(
        (), description="n-grams that occur at most so often are left out: one number per order"
    )
    discount_fallback: bool = Field(False, description="discount 0.5, 1, 1.5 where the text is too small")
    bits: int = Field(8, ge=2, le=25, description="of each probability and back-off in the file")


class CharLmConfig(Section):
    """The character models of a recipe's text: what a language recipe says, or that of the folder
    ``recipe`` with the keys that are given here instead; or packed ones that are there already."""

    models: Path | None = Field(
        None, description="folder of packed models, of speechq lm train; nothing is trained then"
    )
    model: LanguageModelConfig = LanguageModelConfig()
    train: TextTrainConfig = TextTrainConfig()
    retrain: FixedPointConfig = FixedPointConfig()

    @model_validator(mode="after")
    def _retraining(self) -> CharLmConfig:
        check_retraining(self.train, self.retrain)
        return self


class LmConfig(Section):
    """Language models for the decoders, and the text they learn."""

    transcripts: bool = Field(True, description="the training transcripts belong to the text")
    corpus_text: bool = Field(
        False, description="so does the text that the corpus brings along (wsj: options.language_text)"
    )
    texts: tuple[Path, ...] = Field((), description="more text, one sentence a line, plain or gzip")
    ngram: NgramConfig = NgramConfig()
    char: CharLmConfig | None = None

    @model_validator(mode="after")
    def _some(self) -> LmConfig:
        if not self.transcripts and not self.corpus_text and not self.texts:
            raise ValueError("there is no text: give texts, or transcripts: true")
        return self
