"""Layer-wise sensitivity (paper 1, 1512.01322): one group quantized at a time, everything else float."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from speechq.bench.results import SensitivityPoint, read_sensitivity, write_sensitivity
from speechq.config import Recipe, TrainConfig, digest
from speechq.files import write_json
from speechq.nn.stack import Network
from speechq.quant.scheme import SIGNAL_ROLES
from speechq.recipes.plan import Model
from speechq.train.checkpoint import load_network
from speechq.train.retrain import calibration_batch, make_techniques, retrain_settings, start_network
from speechq.train.score import Score, score

if TYPE_CHECKING:
    from speechq.recipes.stages import Run


@dataclass(frozen=True)
class Point:
    """One group at one word length, with or without retraining."""

    group: str
    bits: int
    retrained: bool

    @property
    def scheme(self) -> str:
        """The scheme that quantizes this group only."""
        kind = "a" if self.group == "feat" or self.group.rpartition(".")[2] in SIGNAL_ROLES else "w"
        return f"float,{self.group}={kind}{self.bits}"

    @property
    def name(self) -> str:
        """Folder of the point."""
        return f"{self.group}-{self.bits}" + ("-retrained" if self.retrained else "")


def weight_groups(model: Network) -> list[str]:
    """All weight groups of a network, in the order of the signal."""
    groups = [
        f"l{k}.{role}" for k, layer in enumerate(model.recurrent_layers()) for role in layer.present_roles()
    ]
    return [*groups, "out"]


def signal_groups(model: Network) -> list[str]:
    """The features, and output and (where it is recurrent) cell of every layer."""
    roles = ("h", "cell")
    return ["feat", *(f"l{k}.{role}" for k in range(len(model.recurrent_layers())) for role in roles)]


def planned_points(recipe: Recipe, model: Network) -> list[Point]:
    """All points that the recipe asks for."""
    config = recipe.sensitivity
    pairs = [(group, bits) for group in weight_groups(model) for bits in config.bits]
    pairs += [(group, bits) for group in signal_groups(model) for bits in config.signal_bits]
    direct = [Point(group, bits, False) for group, bits in pairs]
    return direct + ([Point(group, bits, True) for group, bits in pairs] if config.epochs else [])


def measure(run: Run) -> None:
    """Error rates on dev with one group quantized at a time; ``sensitivity/points.json`` for table and plot.

    Every point is a unit of its own, so a killed measurement goes on where it stood.
    """
    base = next(m for m in run.models if m.method == "float")
    if not (run.recipe.sensitivity.bits or run.recipe.sensitivity.signal_bits):
        return
    network, _ = load_network(run.checkpoint(base))
    points = planned_points(run.recipe, network)
    key = run.train_key(base)
    base_score = run.folder / "sensitivity" / "float" / "score.json"

    def measure_base(folder: Path) -> None:
        write_json(folder / "score.json", asdict(_score(run, network)))

    run.work.unit("sensitivity/float", digest("sensitivity-1", key), measure_base, outputs=[base_score])
    started = Score(**json.loads(base_score.read_text()))
    found = []
    for point in points:

        def make(folder: Path, p: Point = point) -> None:
            write_json(folder / "score.json", _measure_point(run, base, p, folder))

        name = f"sensitivity/{point.name}"
        own = digest("sensitivity-1", key, point.scheme, _settings(run, base) if point.retrained else None)
        run.work.unit(name, own, make, outputs=[run.folder / name / "score.json"])
        score = json.loads((run.folder / name / "score.json").read_text())
        found.append(
            SensitivityPoint(
                group=point.group,
                bits=point.bits,
                retrained=point.retrained,
                base_wer=started.wer,
                base_loss=started.loss,
                **score,
            )
        )
    if found != read_sensitivity(run.folder):
        write_sensitivity(run.folder, found)


def _score(run: Run, network: Network) -> Score:
    references = [u.text for u in run.splits["dev"]]
    return score(network, run.datasets["dev"], references, run.corpus.units, torch.device("cpu"))


def _settings(run: Run, base: Model) -> dict[str, object]:
    changed = {"epochs": run.recipe.sensitivity.epochs}
    config = retrain_settings(run.recipe.train, run.recipe.retrain, base.seed).model_copy(update=changed)
    return config.model_dump(mode="json", exclude={"checkpoint_seconds", "workers"})


def _measure_point(run: Run, base: Model, point: Point, folder: Path) -> dict[str, float]:
    retrain = run.recipe.retrain
    batch = calibration_batch(run.datasets["train"], retrain.calibration_utterances)
    method = "adaptive" if point.retrained else "direct"
    network, info = start_network(
        run.checkpoint(base), point.scheme, method, retrain.granularity == "row", batch
    )
    if point.retrained:
        settings = TrainConfig.model_validate(_settings(run, base))
        techniques = make_techniques(method, retrain, run.checkpoint(base))
        run.fit(point.name, folder, network, info, settings, techniques, keep_best=False)
        network, _ = load_network(folder / "final.ckpt")
    result = _score(run, network)
    return {"wer": result.wer, "cer": result.cer, "loss": result.loss}
