"""The recipe schema: every key, its type, its default and its meaning."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import yaml
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from speechq.errors import ConfigError
from speechq.methods import TechniqueConfig, parse_method
from speechq.section import Section
from speechq.study import StudyConfig


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
    speed: tuple[float, ...] = Field((0.9, 1.1), description="speed factors drawn for the extra versions")
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
    alphabet: str = Field(" 'ABCDEFGHIJKLMNOPQRSTUVWXYZ", description="the characters, for units: characters")
    pieces: int = Field(200, ge=30, description="number of word pieces, for units: pieces")
    boundary: bool = Field(
        True,
        description="characters: learn a space before an utterance too, so that in a stream "
        "the words of two utterances do not merge",
    )
    features: FeatureConfig = FeatureConfig()
    augment: AugmentConfig = AugmentConfig()


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
    seed: int = 1


class TrainConfig(LoopConfig):
    """Training an acoustic network."""

    batch_seconds: float = Field(120.0, gt=0.0, description="seconds of audio (with padding) in a batch")
    max_rows: int = Field(32, ge=1, le=1024, description="utterances in a batch at most")
    carry_state: bool = Field(
        True, description="a row of the batch is a stream: its state goes on to the next utterance"
    )
    fresh_share: float = Field(0.25, ge=0.0, le=1.0, description="share of rows that start from a zero state")
    workers: int = Field(0, ge=0, description="processes for data preparation; 0: one per core")


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
    float_plus: bool = Field(True, description="train the float network on for as long, as the reference")
    seeds: tuple[int, ...] = Field((1,), min_length=1)
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


class TextConfig(Section):
    """What a language model is trained and scored on: texts, plain or gzip, one sentence a line."""

    source: Path | None = Field(None, description="folder of the texts; --data overrides it")
    train: tuple[str, ...] = Field(("train.txt",), min_length=1, description="files in the folder")
    dev: str = "valid.txt"
    test: str = "test.txt"
    alphabet: str = Field(" 'ABCDEFGHIJKLMNOPQRSTUVWXYZ", description="as that of the acoustic model")


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


class TextTrainConfig(LoopConfig):
    """Training a language network on streams of text."""

    epochs: int = Field(4, ge=1)
    learning_rate: float = Field(2e-3, gt=0.0)
    rows: int = Field(64, ge=1, le=4096, description="streams side by side; their states are never reset")
    steps: int = Field(128, ge=1, le=4096, description="symbols of truncated back-propagation")
    parts: int = Field(
        1, ge=1, description="an epoch is one of so many parts of the shuffled text; dev is scored after each"
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
        _check_retraining(self.train, self.retrain)
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
    seed: int = 1


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
        _check_retraining(self.train, self.retrain)
        for key in ("rows", "parts") if self.transfer is not None else ():
            if key in self.retrain.train:
                raise ValueError(f"retrain.train.{key}: a teacher writes its text for train.{key} alone")
        return self


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
        _check_retraining(self.train, self.retrain)
        return self

    @model_validator(mode="after")
    def _language_models(self) -> Recipe:
        if self.decoders.use and self.lm is None:
            raise ValueError("decoders.use: needs the section lm, which says what language models to make")
        if any("char" in name for name in self.decoders.use) and (
            self.lm is None or self.lm.char is None or not self.decoders.char_lms
        ):
            raise ValueError(
                "decoders.use: the decoders char and char+ngram need lm.char and decoders.char_lms"
            )
        return self


def _check_retraining(train: LoopConfig, retrain: FixedPointConfig) -> None:
    """The keys that differ in retraining are checked before anything is trained."""
    try:
        type(train).model_validate(train.model_dump() | retrain.train)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        problem = "unknown key" if first["type"] == "extra_forbidden" else first["msg"]
        raise ValueError(f"retrain.train.{key}: {problem}") from None


def _keys(schema: type[Section], path: tuple[Any, ...]) -> list[str]:
    """The keys of the section of a recipe in which ``path`` ends."""
    section: Any = schema
    for part in path[:-1]:
        kind = section.model_fields[part].annotation
        section = next((one for one in get_args(kind) if one is not type(None)), kind)
    return list(section.model_fields)


def explain(schema: type[Section], error: ValidationError, where: str) -> str:
    """A line for every wrong key of ``where``, with what was expected."""
    lines = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"]) or "(top level)"
        if item["type"] == "extra_forbidden":
            lines.append(
                f"{where}: {key}: unknown key; expected one of {', '.join(_keys(schema, item['loc']))}"
            )
        elif item["type"] == "missing":
            lines.append(f"{where}: {key}: is missing")
        elif not item["loc"]:
            lines.append(f"{where}: {item['msg'].removeprefix('Value error, ')}")
        else:
            shown = repr(item.get("input"))
            lines.append(f"{where}: {key}: {item['msg']} (found {shown[:60]})")
    return "\n".join(lines)


def _assign(tree: dict[str, Any], assignment: str) -> None:
    key, separator, text = assignment.partition("=")
    if not separator or not key:
        raise ConfigError(f"--set {assignment}: expected key.path=value, for example train.epochs=3")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {assignment}: the value is not valid YAML ({error})") from error
    node = tree
    parts = key.split(".")
    for part in parts[:-1]:
        child = node.setdefault(part, {})
        if not isinstance(child, dict):
            raise ConfigError(f"--set {assignment}: {part} is a value, not a section")
        node = child
    node[parts[-1]] = value


_PATHS = (
    ("data", "source"),
    ("data", "extra_text"),
    ("data", "augment", "noise_folder"),
    ("data", "options", "noise_folder"),
    ("data", "options", "room_folder"),
    ("lm", "texts"),
    ("lm", "char", "recipe"),
    ("retrain", "kd", "teacher"),
    ("transfer", "teacher"),
    ("lm", "char", "models"),
)


def _anchor_paths(tree: dict[str, Any], folder: Path) -> None:
    """Make the relative paths of a recipe relative to its folder; ``~`` is the home folder."""
    for *parts, last in _PATHS:
        node: Any = tree
        for part in parts:
            node = node.get(part) if isinstance(node, dict) else None
        if not isinstance(node, dict):
            continue
        if isinstance(node.get(last), str):
            node[last] = str(folder / Path(node[last]).expanduser())
        elif isinstance(node.get(last), list):
            node[last] = [str(folder / Path(str(one)).expanduser()) for one in node[last]]


def load_recipe(
    folder: str | Path, assignments: tuple[str, ...] = (), data: str | Path | None = None
) -> Recipe:
    """Read ``folder/recipe.yaml``, apply ``key.path=value`` assignments and validate.

    Raises ConfigError with the path of every wrong key. Relative paths in the recipe are relative to its
    folder; those in assignments and in ``data``, which overrides ``data.source``, to the working folder.
    """
    path, tree = _read_recipe(folder, assignments, data)
    if tree.get("task") == "language":
        raise ConfigError(f"{path}: the recipe of a language model; run it with speechq lm train")
    _include_language_recipe(tree)
    return _validated(Recipe, tree, path)


def load_language_recipe(
    folder: str | Path, assignments: tuple[str, ...] = (), data: str | Path | None = None
) -> LanguageRecipe:
    """The same for the recipe of a language model, ``task: language``."""
    path, tree = _read_recipe(folder, assignments, data)
    if "task" not in tree:
        raise ConfigError(f"{path}: no recipe of a language model, which has the key task: language")
    return _validated(LanguageRecipe, tree, path)


def _include_language_recipe(tree: dict[str, Any]) -> None:
    """``lm.char.recipe`` stands for the networks of a language recipe; other keys of ``lm.char`` go first."""
    section = tree.get("lm")
    char = section.get("char") if isinstance(section, dict) else None
    if not isinstance(char, dict) or "recipe" not in char:
        return
    folder = char.pop("recipe")
    load_language_recipe(folder)  # mistakes in it are named with its own path
    _, other = _read_recipe(folder, (), None)
    for name in ("model", "train", "retrain"):
        if isinstance(own := char.get(name, {}), dict):
            char[name] = {**other.get(name, {}), **own}


def load_work_recipe(
    folder: Path, assignments: tuple[str, ...] = (), data: str | Path | None = None
) -> Recipe | LanguageRecipe:
    """The recipe that a work folder was made from; its paths are resolved already."""
    path, tree = _read_recipe(folder, assignments, data, anchor=False)
    return _validated(LanguageRecipe, tree, path) if "task" in tree else _validated(Recipe, tree, path)


def _read_recipe(
    folder: str | Path, assignments: tuple[str, ...], data: str | Path | None, *, anchor: bool = True
) -> tuple[Path, dict[str, Any]]:
    path = Path(folder)
    path = path / "recipe.yaml" if path.is_dir() else path
    if not path.is_file():
        raise ConfigError(f"{path}: no such recipe; expected a folder with a recipe.yaml")
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: expected a mapping with the keys name, data, model, train, ...")
    if anchor:
        _anchor_paths(tree, path.parent)
    for assignment in assignments:
        _assign(tree, assignment)
    if data is not None:
        section = tree.setdefault("data", {})
        if isinstance(section, dict):
            section["source"] = str(data)
    return path, tree


_Schema = TypeVar("_Schema", Recipe, LanguageRecipe)


def _validated(schema: type[_Schema], tree: dict[str, Any], path: Path) -> _Schema:
    try:
        return schema.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(explain(schema, error, str(path))) from error


def digest(*parts: Any) -> str:
    """A short key of JSON-like values or config sections; equal content gives an equal key."""
    plain = [part.model_dump(mode="json") if isinstance(part, BaseModel) else part for part in parts]
    text = json.dumps(plain, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
