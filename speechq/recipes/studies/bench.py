"""What all studies share: networks of a recipe with some settings changed, made once and scored on dev."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from speechq.bench.results import read_json
from speechq.bench.studies import Point
from speechq.config import LanguageRecipe, Recipe, digest, explain
from speechq.errors import ConfigError
from speechq.files import replacing_folder, write_json
from speechq.nn.stack import Network
from speechq.recipes.checks import check_teacher
from speechq.recipes.language import LanguageRun
from speechq.recipes.networks import Networks
from speechq.recipes.plan import Model, check_schemes
from speechq.recipes.stages import Run
from speechq.recipes.work import Work
from speechq.runtime.graph import Matrix
from speechq.runtime.model_file import model_bytes
from speechq.runtime.packing import packed_bytes
from speechq.train.checkpoint import NetworkInfo, load_network
from speechq.train.pack import exported


def network_bytes(network: Network) -> int:
    """Bytes of codes, steps and vectors as they are packed; of float networks 4 per value."""
    layers, _ = network.export()
    size = 0
    for layer in layers:
        size += sum(_matrix_bytes(matrix) for matrix in layer.matrices.values())
        size += sum(4 * vector.size for vector in layer.vectors.values())
    return size


def _matrix_bytes(matrix: Matrix) -> int:
    count = int(matrix.codes.size)
    return 4 * int(matrix.steps.size) + (4 * count if matrix.bits == 32 else packed_bytes(count, matrix.bits))


class Bench:
    """A work folder under study. Networks lie in ``study/NAME/<variant>``; those of the recipe are reused."""

    def __init__(self, base: Networks, name: str) -> None:
        self.base, self.name = base, name
        self.recipe = base.recipe
        self.config = base.recipe.study
        self.folder = base.folder / "study" / name
        self.work = Work(base.folder)

    def variant(
        self,
        schemes: Sequence[str],
        methods: Sequence[str],
        *,
        layers: int | None = None,
        hidden: int | None = None,
    ) -> Networks:
        """The recipe with these networks, and another size if one is given; on the same data."""
        recipe = self.recipe
        own = {"layers": layers or recipe.model.layers, "hidden": hidden or recipe.model.hidden}
        retrain = {"schemes": tuple(schemes), "methods": tuple(methods), "seeds": self.config.seeds}
        try:
            model = type(recipe.model).model_validate(recipe.model.model_dump() | own)
        except ValidationError as error:
            raise ConfigError(explain(type(recipe.model), error, f"study {self.name}: model")) from error
        changed = recipe.model_copy(
            update={
                "model": model,
                "retrain": recipe.retrain.model_copy(update=retrain | {"float_plus": True}),
            }
        )
        check_schemes(changed)
        check_teacher(changed.retrain, "retrain")
        folder = self.folder / f"{own['layers']}x{own['hidden']}"
        run: Networks
        if isinstance(self.base, LanguageRun):
            assert isinstance(changed, LanguageRecipe)
            run = LanguageRun(changed, folder)
            run.share_data(self.base)
        else:
            assert isinstance(changed, Recipe)
            assert isinstance(self.base, Run)
            run = Run(changed, folder)
            run.corpus = self.base.corpus
        return run

    def points(self, run: Networks) -> list[Point]:
        """All networks of ``run``, made where they are not there, and scored."""
        return [self.point(run, model) for model in run.models]

    def point(self, run: Networks, model: Model) -> Point:
        """One network of a run whose forerunners are there."""
        self._adopt(run, model)
        run.make(model)
        name = f"study/{self.name}/{run.folder.name}/score/{model.name}"
        path = self.base.folder / name / "score.json"

        def score(folder: Path) -> None:
            network, info = load_network(run.checkpoint(model))
            file = len(model_bytes(exported(network, info), compress=True))
            write_json(folder / "score.json", self.score(run, network, info) | {"file": file})

        self.work.unit(name, digest("study-3", run.train_key(model)), score, outputs=[path])
        shape = run.recipe.model
        return Point(
            layers=shape.layers,
            hidden=shape.hidden,
            scheme=model.scheme,
            method=model.method,
            seed=model.seed,
            **read_json(path),
        )

    def score(self, run: Networks, network: Network, info: NetworkInfo) -> dict[str, float]:
        """Loss, WER or bits per character on dev, and the size."""
        found = run.job("score", run.folder, network, info, run.recipe.train).score(torch.device("cpu"))
        error = found.figures.get("dev_wer", found.error)
        return {"loss": found.loss, "error": error, "bytes": network_bytes(network)}

    def _adopt(self, run: Networks, model: Model) -> None:
        """Take a network over that the recipe itself, or another study, made with the same settings."""
        key = run.train_key(model)
        there = f"train/{model.name}"
        if run.work.is_done(there, key):
            return
        for folder in (self.base.folder, *sorted((self.base.folder / "study").glob("*/*x*"))):
            if folder != run.folder and Work(folder).is_done(there, key):
                with replacing_folder(run.folder / there) as temporary:
                    shutil.copytree(folder / there, temporary, dirs_exist_ok=True)
                return

    def write(self, points: Sequence[Point], **more: Any) -> None:
        """``points.json`` for table, plot and page."""
        found = {"points": [asdict(point) for point in points], "bits": isinstance(self.base, LanguageRun)}
        write_json(self.folder / "points.json", found | more)
