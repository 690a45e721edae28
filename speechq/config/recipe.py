"""Whole recipes."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from speechq.config.data import DataConfig
from speechq.config.decoding import DecodersConfig, TuneConfig
from speechq.config.language import LmConfig, TextConfig, TransferConfig
from speechq.config.network import LanguageModelConfig, ModelConfig
from speechq.config.training import (
    EvaluateConfig,
    FixedPointConfig,
    RetrainConfig,
    SensitivityConfig,
    TextTrainConfig,
    TrainConfig,
    check_retraining,
)
from speechq.section import Section
from speechq.study import StudyConfig


class Recipe(Section):
    """A whole recipe, as read from ``recipe.yaml``."""

    name: str
    data: DataConfig
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    retrain: RetrainConfig = RetrainConfig()
    sensitivity: SensitivityConfig = SensitivityConfig()
    lm: LmConfig | None = None
    decoders: DecodersConfig = DecodersConfig()
    tune: TuneConfig = TuneConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    study: StudyConfig = StudyConfig()

    @model_validator(mode="after")
    def _retraining(self) -> Recipe:
        check_retraining(self.train, self.retrain)
        return self

    @model_validator(mode="after")
    def _language_models(self) -> Recipe:
        if self.decoders.use and self.lm is None:
            raise ValueError("decoders.use: needs the section lm, which says what language models to make")
        if self.data.lexicon is not None and self.data.units != "phones":
            raise ValueError("data.lexicon: belongs to units: phones")
        if self.data.units == "phones" and any("char" in name for name in self.decoders.use):
            raise ValueError("decoders.use: a character model does not go with units: phones; expected ngram")
        if any("char" in name for name in self.decoders.use) and (
            self.lm is None or self.lm.char is None or not self.decoders.char_lms
        ):
            raise ValueError(
                "decoders.use: the decoders char and char+ngram need lm.char and decoders.char_lms"
            )
        return self


class LanguageRecipe(Section):
    """The recipe of a language model."""

    name: str
    task: Literal["language"]
    data: TextConfig = TextConfig()
    model: LanguageModelConfig = LanguageModelConfig()
    train: TextTrainConfig = TextTrainConfig()
    retrain: FixedPointConfig = FixedPointConfig()
    transfer: TransferConfig | None = None
    study: StudyConfig = StudyConfig()

    @model_validator(mode="after")
    def _retraining(self) -> LanguageRecipe:
        check_retraining(self.train, self.retrain)
        for key in ("rows", "parts") if self.transfer is not None else ():
            if key in self.retrain.train:
                raise ValueError(f"retrain.train.{key}: a teacher writes its text for train.{key} alone")
        return self
