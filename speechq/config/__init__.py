"""The recipe schema: every key, its type, its default and its meaning."""

from speechq.config.data import AugmentConfig, DataConfig, FeatureConfig
from speechq.config.decoding import DecoderName, DecodersConfig, TuneConfig
from speechq.config.language import CharLmConfig, LmConfig, NgramConfig, TextConfig, TransferConfig
from speechq.config.load import digest, explain, load_language_recipe, load_recipe, load_work_recipe
from speechq.config.network import Cell, LanguageModelConfig, ModelConfig
from speechq.config.recipe import LanguageRecipe, Recipe
from speechq.config.training import (
    EvaluateConfig,
    FixedPointConfig,
    LoopConfig,
    RetrainConfig,
    SensitivityConfig,
    TextTrainConfig,
    TrainConfig,
)

__all__ = [
    "AugmentConfig",
    "Cell",
    "CharLmConfig",
    "DataConfig",
    "DecoderName",
    "DecodersConfig",
    "EvaluateConfig",
    "FeatureConfig",
    "FixedPointConfig",
    "LanguageModelConfig",
    "LanguageRecipe",
    "LmConfig",
    "LoopConfig",
    "ModelConfig",
    "NgramConfig",
    "Recipe",
    "RetrainConfig",
    "SensitivityConfig",
    "TextConfig",
    "TextTrainConfig",
    "TrainConfig",
    "TransferConfig",
    "TuneConfig",
    "digest",
    "explain",
    "load_language_recipe",
    "load_recipe",
    "load_work_recipe",
]
