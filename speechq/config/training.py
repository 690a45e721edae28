"""Training and retraining of a recipe, and what is measured on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator

from speechq.methods import TechniqueConfig, parse_method
from speechq.section import Section, Seed


class LoopConfig(Section):
    """What the training loop needs, whatever is learned."""

    epochs: int = Field(20, ge=1)
    optimizer: Literal["adamw", "adadelta_nesterov"] = "adamw"
    learning_rate: float = Field(3e-3, gt=0.0)
    weight_decay: float = Field(0.01, ge=0.0)
    schedule: Literal["one_cycle", "retry", "constant"] = "one_cycle"
    warmup: float = Field(
        0.15, ge=0.0, le=1.0, description="one_cycle: share of the steps with a rising rate"
    )
    final_rate: float = Field(
        0.01, gt=0.0, le=1.0, description="one_cycle: last rate as a share of the highest"
    )
    momentum: float = Field(0.9, ge=0.0, lt=1.0, description="adadelta_nesterov")
    decay: float = Field(0.99, gt=0.0, lt=1.0, description="adadelta_nesterov: decay of the mean squares")
    retries: int = Field(3, ge=0, description="retry: worse evaluations before going back to the pivot")
    rate_factor: float = Field(
        0.5, gt=0.0, lt=1.0, description="retry: the rate is multiplied by this at the pivot"
    )
    min_rate: float = Field(1e-7, gt=0.0, description="retry: training ends below this rate")
    clip: float = Field(1.0, gt=0.0, description="largest norm of the gradient")
    patience: int = Field(
        0, ge=0, description="epochs without a better dev error rate before stopping; 0: never"
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="of the matrix products outside the recurrence"
    )
    checkpoint_seconds: float = Field(60.0, gt=0.0, description="seconds between checkpoints within an epoch")
    seed: Seed = 1
    start: Path | None = Field(
        None, description="a checkpoint of a float network to begin from; its output only if the units agree"
    )


class TrainConfig(LoopConfig):
    """Training an acoustic network."""

    batch_seconds: float = Field(120.0, gt=0.0, description="seconds of audio (with padding) in a batch")
    max_rows: int = Field(32, ge=1, le=1024, description="utterances in a batch at most")
    carry_state: bool = Field(
        True, description="a row of the batch is a stream: its state goes on to the next utterance"
    )
    fresh_share: float = Field(0.25, ge=0.0, le=1.0, description="share of rows that start from a zero state")
    workers: int = Field(0, ge=0, description="processes for data preparation; 0: one per core")


class TextTrainConfig(LoopConfig):
    """Training a language network on streams of text."""

    epochs: int = Field(4, ge=1)
    learning_rate: float = Field(2e-3, gt=0.0)
    rows: int = Field(64, ge=1, le=4096, description="streams side by side; their states are never reset")
    steps: int = Field(128, ge=1, le=4096, description="symbols of truncated back-propagation")
    parts: int = Field(
        1, ge=1, description="an epoch is one of so many parts of the shuffled text; dev is scored after each"
    )


class FixedPointConfig(TechniqueConfig):
    """Fixed-point retraining: which schemes by which methods, from the trained float network."""

    schemes: tuple[str, ...] = ("w8a8", "w6a8", "w4a8", "w3a8", "w2a8")
    methods: tuple[str, ...] = Field(
        ("direct", "adaptive"), description="a rule for the steps, and techniques: adaptive+kd"
    )
    granularity: Literal["matrix", "row"] = Field("row", description="one step per matrix or per output row")
    epochs: int = Field(4, ge=1)
    learning_rate: float = Field(1e-3, gt=0.0)
    freeze_share: float = Field(
        0.25, ge=0.0, lt=1.0, description="last share of the steps with frozen step sizes"
    )
    dropout: float | None = Field(
        None, ge=0.0, lt=1.0, description="in retraining, of float+ too; by default the model's"
    )
    norms: Literal["frozen", "live"] = Field(
        "frozen",
        description="batch normalization keeps the float network's statistics, or goes on with those of the "
        "batches until the steps are frozen",
    )
    float_plus: bool = Field(True, description="train the float network on for as long, as the reference")
    seeds: tuple[Seed, ...] = Field((1,), min_length=1)
    float_seed: Seed | None = Field(
        None, description="all seeds retrain the float network of this one; by default each its own"
    )
    train: dict[str, Any] = Field(
        default_factory=dict, description="keys of `train` that differ in retraining"
    )

    @field_validator("schemes", "methods", "seeds")
    @classmethod
    def _unique(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(values)) < len(values):
            raise ValueError("an entry occurs twice")
        return values

    @field_validator("methods")
    @classmethod
    def _known(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            parse_method(value)
        return values


class RetrainConfig(FixedPointConfig):
    """Fixed-point retraining of an acoustic network."""

    calibration_utterances: int = Field(64, ge=1, description="utterances that set the signal ranges")


class SensitivityConfig(Section):
    """Layer-wise sensitivity: one group quantized at a time."""

    bits: tuple[int, ...] = ()
    signal_bits: tuple[int, ...] = ()
    epochs: int = Field(0, ge=0, description="epochs of retraining per point; 0: direct only")


class EvaluateConfig(Section):
    """Scoring."""

    bootstrap: int = Field(2000, ge=100, description="bootstrap samples for the 95 % intervals")
    fold_phones: Literal[0, 39, 48] = Field(39, description="units: phones; fold before scoring, 0: not")
    stream: bool = Field(True, description="also score the test set as one concatenated stream")


def check_retraining(train: LoopConfig, retrain: FixedPointConfig) -> None:
    """The keys that differ in retraining are checked before anything is trained."""
    if "start" in retrain.train:
        raise ValueError("retrain.train.start: retraining begins from the float network of the recipe")
    try:
        type(train).model_validate(train.model_dump() | retrain.train)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        problem = "unknown key" if first["type"] == "extra_forbidden" else first["msg"]
        raise ValueError(f"retrain.train.{key}: {problem}") from None
