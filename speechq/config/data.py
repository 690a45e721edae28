"""Data, features and augmentation of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from speechq.section import Alphabet, Section


class FeatureConfig(Section):
    """Log-mel features: 25 ms windows every 10 ms, then stacked or sub-sampled."""

    sample_rate: int = Field(16000, ge=8000, le=48000)
    mels: int = Field(40, ge=8, le=128)
    energy: bool = Field(False, description="put the log energy of the frame in front of the mel bins")
    deltas: bool = Field(
        False, description="append first and second differences; with energy and 40 mels: 123 values"
    )
    dither: float = Field(0.0, ge=0.0, description="must stay 0 for identical bits offline and streaming")
    low_hz: float = Field(20.0, ge=0.0)
    high_hz: float = Field(-400.0, description="upper edge; negative: relative to half the sample rate")
    stack: int = Field(3, ge=1, le=16, description="frames of 10 ms joined into one network frame")
    stride: int = Field(3, ge=1, le=8, description="frames of 10 ms between two network frames")

    @model_validator(mode="after")
    def _rate(self) -> FeatureConfig:
        if 100 / self.stride > 33.4:
            raise ValueError("stride must be at least 3: the network frame rate is at most 33 per second")
        half = self.sample_rate / 2
        high = self.high_hz if self.high_hz > 0 else half + self.high_hz
        if not self.low_hz < high <= half:
            raise ValueError(
                f"the mel filters need low_hz < high_hz <= {half:.0f}; found {self.low_hz} and {high}"
            )
        return self

    @property
    def base_dim(self) -> int:
        """Values per 10 ms frame."""
        return (self.mels + int(self.energy)) * (3 if self.deltas else 1)

    @property
    def dim(self) -> int:
        """Values per network frame."""
        return self.base_dim * self.stack


class AugmentConfig(Section):
    """Augmentation of the training set. Waveform changes are computed once, as extra copies of the corpus."""

    copies: int = Field(
        0, ge=0, le=8, description="extra versions of every utterance, one of all is drawn per epoch"
    )
    speed: tuple[Annotated[float, Field(ge=0.25, le=4.0)], ...] = Field(
        (0.9, 1.1), description="speed factors drawn for the extra versions"
    )
    noise: float = Field(0.0, ge=0.0, le=1.0, description="share of the extra versions with added noise")
    noise_folder: Path | None = Field(
        None, description="folder of noise recordings; generated noise if not given"
    )
    reverberation: float = Field(
        0.0, ge=0.0, le=1.0, description="share of the extra versions with reverberation"
    )
    snr_db: tuple[float, float] = (5.0, 25.0)
    gain_db: float = Field(
        0.0, ge=0.0, le=30.0, description="an utterance becomes louder or softer by up to this"
    )
    tilt_db: float = Field(
        0.0,
        ge=0.0,
        le=30.0,
        description="the highest band changes against the lowest by up to this, as with another microphone",
    )
    time_masks: int = Field(2, ge=0)
    time_mask: int = Field(25, ge=0, description="longest time mask in frames of 10 ms")
    time_mask_share: float = Field(0.2, ge=0.0, le=1.0, description="a time mask covers at most this share")
    frequency_masks: int = Field(2, ge=0)
    frequency_mask: int = Field(8, ge=0, description="widest frequency mask in mel bins")
    shift: bool = Field(True, description="draw the first frame of the stacking at random")


class DataConfig(Section):
    """What is trained and tested on."""

    corpus: Literal["synth", "timit", "librispeech", "wsj", "manifest"]
    source: Path | None = Field(None, description="where the corpus lies; --data overrides it")
    options: dict[str, Any] = Field(default_factory=dict, description="passed to the corpus reader")
    train: tuple[str, ...] = Field(("train",), min_length=1)
    dev: str = "dev"
    test: str = "test"
    extra_text: Path | None = Field(
        None, description="sentences (one a line) to synthesize as more training data"
    )
    extra_sentences: int = Field(0, ge=0)
    units: Literal["characters", "phones", "pieces"] = "characters"
    alphabet: Alphabet = Field(
        " 'ABCDEFGHIJKLMNOPQRSTUVWXYZ", description="the characters, for units: characters"
    )
    lexicon: Path | None = Field(
        None, description="units: phones; pronouncing dictionary that turns transcripts in words into phones"
    )
    pieces: int = Field(200, ge=30, description="number of word pieces, for units: pieces")
    boundary: bool = Field(
        True,
        description="characters: learn a space before an utterance too, so that in a stream "
        "the words of two utterances do not merge",
    )
    features: FeatureConfig = FeatureConfig()
    augment: AugmentConfig = AugmentConfig()
