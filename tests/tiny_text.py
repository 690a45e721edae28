"""Texts of a few words, which a small language network learns within seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from speechq.config import LanguageModelConfig, TextTrainConfig
from speechq.lm.symbols import encode_text
from speechq.nn.language import make_language_model
from speechq.text.units import Units
from speechq.train.checkpoint import NetworkInfo
from speechq.train.text import TextJob

LANGUAGE = Units.characters(" 'ABCDEGHIKLMNORSTUW").with_end()
SENTENCES = [
    "THE CAT SAT ON THE MAT",
    "A DOG RAN AROUND THE HOUSE",
    "IT'S NO GOOD",
    "WE SAW THE SUN",
    "THE MEN ATE ALL THE BREAD",
    "NO ONE KNEW HIM",
]


def make_text_job(
    folder: Path,
    *,
    repeats: int = 8,
    model: dict[str, Any] | None = None,
    train: dict[str, Any] | None = None,
) -> TextJob:
    """A training run on ``repeats`` copies of the sentences in ``folder/run``, scored on one copy."""
    torch.set_num_threads(1)
    config = LanguageModelConfig.model_validate({"layers": 2, "hidden": 32, **(model or {})})
    settings = {"epochs": 2, "rows": 4, "steps": 16, "learning_rate": 0.01, "seed": 1}
    torch.manual_seed(1)
    return TextJob(
        name="tiny",
        folder=folder / "run",
        model=make_language_model(config, LANGUAGE),
        info=NetworkInfo(config, None, LANGUAGE),
        config=TextTrainConfig.model_validate(settings | (train or {})),
        train=encode_text("\n".join(SENTENCES * repeats), LANGUAGE),
        dev=encode_text("\n".join(SENTENCES), LANGUAGE),
    )
