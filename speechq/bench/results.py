"""The files of a work folder that hold measured things: written by the stages, read by tables and report.

Every figure is derived from the texts kept here, so a table can always be checked against what was
recognized.

    evaluate/<name>/result.json     what one packed model recognized on one test set
    pack/<name>/comparison.json     error on dev of a packed model and of the network it was made from
    train/<run>/metrics.jsonl       one line per logged step and one per epoch
    sensitivity/points.json         error after quantizing one group alone
    sample.npz                      one utterance: features and CTC outputs
    run.json                        configuration, versions, machine, times
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from speechq.bench import formatting
from speechq.errors import DataError
from speechq.files import replacing, write_json

Arithmetic = Literal["hybrid", "integer"]

UNITS = ("word", "phone")
MODES = ("utterance", "stream")
ARITHMETICS = ("hybrid", "integer")

T = TypeVar("T")


@dataclass(frozen=True)
class Utterance:
    """One recognized utterance; ``duration`` in seconds, texts normalized, phones separated by spaces.

    ``words`` (text, start, end, confidence) of the hypothesis, empty if the decoder gives none; ``times``:
    true start and end of each word of the reference, None for one and empty for all where they are not
    known. All in seconds.
    """

    id: str
    corpus: str
    reference: str
    hypothesis: str
    duration: float
    words: tuple[tuple[str, float, float, float], ...] = ()
    times: tuple[tuple[float, float] | None, ...] = ()


@dataclass(frozen=True)
class EvaluationResult:
    """What one model recognized on one test set.

    ``rtf`` is processor seconds per second of audio, network and decoder without features; ``file`` is
    relative to the work folder. In mode ``stream`` the test set was one endless recording and ``utterances``
    has a single entry. With unit ``phone`` the texts are phone labels, folded to ``fold`` classes before they
    are compared (None: not). ``arithmetic`` is that of the engine (docs/fixed-point.md). ``total_bytes``
    counts the language models too (0: as ``size_bytes``); ``unknown_words`` are those of the references that
    are not in the text of the language models.
    """

    model: str
    scheme: str
    method: str
    seed: int
    decoder: str
    split: str
    mode: str
    size_bytes: int
    rtf: float
    commit: str
    file: str
    utterances: tuple[Utterance, ...]
    unit: str = "word"
    fold: Literal[48, 39] | None = 39
    arithmetic: Arithmetic = "hybrid"
    total_bytes: int = 0
    unknown_words: tuple[str, ...] = ()

    @property
    def family(self) -> str:
        """The model without its seed: ``w4a8-adaptive`` of ``w4a8-adaptive-s1``."""
        return formatting.family(self.model)

    @property
    def name(self) -> str:
        """Folder of the result: the model, then what differs from a greedy pass over test in hybrid mode."""
        parts = [self.model]
        parts += [] if self.decoder == "greedy" else [self.decoder]
        parts += [] if self.mode == "utterance" else [self.mode]
        parts += [] if self.arithmetic == "hybrid" else [self.arithmetic]
        parts += [] if self.split == "test" else [self.split]
        return re.sub(r"[^\w.+=,-]+", "-", ".".join(parts))


@dataclass(frozen=True)
class Comparison:
    """Error rates (fractions) of one network on dev: ``simulated`` in training, ``packed`` in the engine.

    ``unit`` as in ``EvaluationResult``; phones are compared as they are.
    """

    model: str
    simulated: float
    packed: float
    utterances: int
    unit: str = "word"

    @property
    def difference(self) -> float:
        """Packed minus simulated."""
        return self.packed - self.simulated


@dataclass(frozen=True)
class SensitivityPoint:
    """Error rates (fractions) and CTC loss with only ``group`` quantized; ``base_*``: the float model."""

    group: str
    bits: int
    retrained: bool
    wer: float
    cer: float
    loss: float
    base_wer: float
    base_loss: float


@dataclass(frozen=True)
class Sample:
    """One test utterance: ``fbank`` [10 ms frames, mels], ``log_probs`` [frames, symbols], 0: blank."""

    fbank: NDArray[np.float32]
    log_probs: NDArray[np.float32]
    symbols: tuple[str, ...]
    reference: str
    hypothesis: str
    frame_seconds: float


@dataclass(frozen=True)
class Metrics:
    """One run: ``steps`` with step, epoch, loss, ..., ``epochs`` with epoch, dev_loss, dev_wer, dev_cer."""

    run: str
    steps: tuple[dict[str, Any], ...]
    epochs: tuple[dict[str, Any], ...]


def read_json(path: Path) -> Any:
    """Parse a JSON file; DataError names the file where it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: cannot be read as JSON ({error}); run the stage that writes it again"
        ) from error


def _build(kind: type[T], value: Any, path: Path, where: str) -> T:
    """Make dataclass ``kind`` of a mapping, ignoring keys it does not know."""
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    if not isinstance(value, dict):
        raise DataError(f"{path}: {where} is not an object; expected the keys {', '.join(names)}")
    try:
        return kind(**{name: value[name] for name in names if name in value})
    except TypeError as error:
        missing = [name for name in names if name not in value]
        raise DataError(f"{path}: {where} lacks {', '.join(missing)}") from error


def _tuples(value: Any) -> Any:
    """A mapping whose lists are tuples, as in the dataclasses; anything else as it is."""
    if not isinstance(value, dict):
        return value
    return {key: _tuple(item) if isinstance(item, list) else item for key, item in value.items()}


def _tuple(items: list[Any]) -> tuple[Any, ...]:
    return tuple(tuple(item) if isinstance(item, list) else item for item in items)


def write_result(work_dir: str | Path, result: EvaluationResult) -> Path:
    """Write ``evaluate/<name>/result.json`` and return its path."""
    path = Path(work_dir) / "evaluate" / result.name / "result.json"
    write_json(path, asdict(result))
    return path


def read_result(path: Path) -> EvaluationResult:
    """Read one ``result.json``; DataError names the key that is missing or wrong."""
    value = read_json(path)
    if not isinstance(value, dict) or not isinstance(value.get("utterances"), list):
        raise DataError(f"{path}: has no list 'utterances'; expected the result of the stage evaluate")
    if not value["utterances"]:
        raise DataError(f"{path}: utterances is empty; evaluate on a test set with at least one utterance")
    utterances = tuple(
        _build(Utterance, _tuples(item), path, f"utterances[{index}]")
        for index, item in enumerate(value["utterances"])
    )
    result = _build(EvaluationResult, {**_tuples(value), "utterances": utterances}, path, "the result")
    if result.unit not in UNITS:
        raise DataError(f"{path}: unit is {result.unit!r}; expected one of {', '.join(UNITS)}")
    if result.mode not in MODES:
        raise DataError(f"{path}: mode is {result.mode!r}; expected one of {', '.join(MODES)}")
    if result.arithmetic not in ARITHMETICS:
        found = repr(result.arithmetic)
        raise DataError(f"{path}: arithmetic is {found}; expected one of {', '.join(ARITHMETICS)}")
    if result.fold not in (48, 39, None):
        raise DataError(f"{path}: fold is {result.fold!r}; expected 48, 39 or null (phones as they are)")
    if len({utterance.id for utterance in utterances}) != len(utterances):
        raise DataError(f"{path}: an utterance id occurs twice; ids must be unique within a test set")
    return result


def _visible(paths: list[Path], root: Path) -> list[Path]:
    """Without what lies in hidden folders: those are half-written."""
    return sorted(
        path for path in paths if not any(part.startswith(".") for part in path.relative_to(root).parts)
    )


def read_results(work_dir: str | Path) -> list[EvaluationResult]:
    """All results below ``evaluate/``, ordered by path; empty if there are none."""
    root = Path(work_dir) / "evaluate"
    return [read_result(path) for path in _visible(list(root.rglob("result.json")), root)]


def read_metrics(work_dir: str | Path) -> list[Metrics]:
    """Learning curves of all runs below ``train/``. A last line cut off by a killed run is left out."""
    root = Path(work_dir) / "train"
    runs = []
    for path in _visible(list(root.glob("*/metrics.jsonl")), root):
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        records: list[dict[str, Any]] = []
        for number, line in enumerate(lines, 1):
            try:
                records.append(json.loads(line))
            except ValueError as error:
                if number < len(lines):
                    raise DataError(
                        f"{path}: line {number} is not JSON ({error}); expected one object a line"
                    ) from error
        steps = tuple(record for record in records if "step" in record and "loss" in record)
        epochs = tuple(record for record in records if "dev_loss" in record or "dev_wer" in record)
        runs.append(Metrics(path.parent.name, steps, epochs))
    return runs


def write_comparison(work_dir: str | Path, comparison: Comparison) -> Path:
    """Write ``pack/<model>/comparison.json`` and return its path."""
    path = Path(work_dir) / "pack" / comparison.model / "comparison.json"
    write_json(path, asdict(comparison))
    return path


def read_comparisons(work_dir: str | Path) -> list[Comparison]:
    """All comparisons below ``pack/``, ordered by path; empty if there are none."""
    root = Path(work_dir) / "pack"
    paths = _visible(list(root.glob("*/comparison.json")), root)
    return [_build(Comparison, read_json(path), path, "the comparison") for path in paths]


def write_sensitivity(work_dir: str | Path, points: list[SensitivityPoint]) -> Path:
    """Write ``sensitivity/points.json``."""
    path = Path(work_dir) / "sensitivity" / "points.json"
    write_json(path, [asdict(point) for point in points])
    return path


def read_sensitivity(work_dir: str | Path) -> list[SensitivityPoint]:
    """The points of ``sensitivity/points.json``; empty if the study was not run."""
    path = Path(work_dir) / "sensitivity" / "points.json"
    if not path.is_file():
        return []
    value = read_json(path)
    if not isinstance(value, list):
        raise DataError(f"{path}: expected a list of points")
    return [_build(SensitivityPoint, item, path, f"point {index}") for index, item in enumerate(value)]


def write_sample(work_dir: str | Path, sample: Sample) -> Path:
    """Write ``sample.npz``."""
    path = Path(work_dir) / "sample.npz"
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(
            stream,
            fbank=sample.fbank.astype(np.float32),
            log_probs=sample.log_probs.astype(np.float32),
            symbols=np.array(json.dumps(list(sample.symbols), ensure_ascii=False)),
            reference=np.array(sample.reference),
            hypothesis=np.array(sample.hypothesis),
            frame_seconds=np.array(sample.frame_seconds, dtype=np.float64),
        )
    return path


def read_sample(work_dir: str | Path) -> Sample | None:
    """The utterance of ``sample.npz``; None if there is none."""
    path = Path(work_dir) / "sample.npz"
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            sample = Sample(
                np.asarray(arrays["fbank"], dtype=np.float32),
                np.asarray(arrays["log_probs"], dtype=np.float32),
                tuple(json.loads(str(arrays["symbols"]))),
                str(arrays["reference"]),
                str(arrays["hypothesis"]),
                float(arrays["frame_seconds"]),
            )
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{path}: not a sample of fbank, log_probs, symbols and texts ({error})") from error
    if sample.log_probs.ndim != 2 or sample.log_probs.shape[1] != len(sample.symbols):
        shape = sample.log_probs.shape
        raise DataError(
            f"{path}: log_probs has shape {shape}; expected [frames, {len(sample.symbols)}] for its symbols"
        )
    return sample


def read_run(work_dir: str | Path) -> dict[str, Any]:
    """The record ``run.json`` of configuration, versions, machine and times; empty if there is none."""
    path = Path(work_dir) / "run.json"
    if not path.is_file():
        return {}
    value = read_json(path)
    if not isinstance(value, dict):
        raise DataError(f"{path}: expected an object with the keys recipe, config, seed, commit, ...")
    return value
