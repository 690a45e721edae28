"""The networks of a recipe: trained, retrained and packed in its work folder, whatever they learn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from speechq.config import LanguageRecipe, LoopConfig, ModelConfig, Recipe, digest
from speechq.files import sha256
from speechq.methods import TECHNIQUES, parse_method
from speechq.nn.stack import Network
from speechq.progress import say
from speechq.recipes.checks import check_start, check_teacher
from speechq.recipes.plan import Model, planned_models
from speechq.recipes.provenance import run_facts
from speechq.recipes.work import Work
from speechq.train import distributed
from speechq.train.begin import begin_from
from speechq.train.checkpoint import NetworkInfo, load_network, save_checkpoint
from speechq.train.job import Job
from speechq.train.loop import Trainer
from speechq.train.pack import pack
from speechq.train.retrain import Sample, make_techniques, retrain_settings, set_dropout, start_network
from speechq.train.technique import Technique


class Networks(ABC):
    """The networks that a recipe plans. A stage whose forerunner is missing or out of date raises
    ConfigError."""

    def __init__(self, recipe: Recipe | LanguageRecipe, folder: Path) -> None:
        self.recipe = recipe
        self.folder = folder
        self.work = Work(folder)
        self.models = planned_models(recipe)

    # What depends on the task

    @abstractmethod
    def load(self) -> None:
        """Read the data that training needs; the first process does it before all others."""

    @abstractmethod
    def data_key(self) -> list[Any]:
        """What a network depends on beside its shape and the settings of its training."""

    @abstractmethod
    def fresh_network(self, model: Model) -> tuple[Network, NetworkInfo]:
        """A network of the recipe with random weights."""

    @abstractmethod
    def job(
        self, name: str, folder: Path, network: Network, info: NetworkInfo, settings: LoopConfig
    ) -> Job[Any]:
        """A training run of ``network`` on the recipe's data."""

    @abstractmethod
    def sample(self) -> Sample:
        """Input that shows the ranges of the signals."""

    # train and retrain

    def train(self) -> None:
        """The float networks, one per seed."""
        for model in self.models:
            if model.method == "float":
                self.make(model)

    def retrain(self) -> None:
        """``float+`` and all quantized networks."""
        for model in self.models:
            if model.method != "float":
                self.make(model)

    def train_key(self, model: Model) -> str:
        """What a network depends on."""
        recipe = self.recipe
        if model.start is None:
            settings = recipe.train.model_copy(update={"seed": model.seed})
            shape = _shape(recipe.model)
            return digest("train-1", *self.data_key(), shape, _lasting(settings), *self._begun_from)
        start = self._start(model)
        settings = retrain_settings(recipe.train, recipe.retrain, model.seed)
        own = recipe.retrain.model_dump(
            mode="json", include={"granularity", "freeze_share", "calibration_utterances"}
        )
        if recipe.retrain.dropout is not None:
            own["dropout"] = recipe.retrain.dropout
        if recipe.retrain.norms != "frozen":
            own["norms"] = recipe.retrain.norms
        key = self.train_key(start)
        more = self._technique_key(model)
        return digest("retrain-1", key, _lasting(settings), model.scheme, model.method, own, *more)

    @cached_property
    def _begun_from(self) -> list[str]:
        """What tells the checkpoint that training begins from; nothing without one. Read once: every key of
        the recipe depends on it."""
        start = self.recipe.train.start
        check_start(self.recipe.train, "train")
        return [] if start is None else [sha256(start)]

    def _technique_key(self, model: Model) -> list[Any]:
        """What a network depends on by the techniques of its method."""
        techniques = () if model.method == "float+" else parse_method(model.method)[1]
        sections = [getattr(self.recipe.retrain, TECHNIQUES[name]) for name in techniques]
        if any(name in ("kd", "seqkd") for name in techniques):
            if (path := self.recipe.retrain.kd.teacher) is None:
                sections.append(self.train_key(self._base(model)))
            else:
                check_teacher(self.recipe.retrain, "retrain")
                sections.append(sha256(path))
        return sections

    def _base(self, model: Model) -> Model:
        """The float network that a network comes from, over all stages of gradual retraining."""
        return model if model.start is None else self._base(self._start(model))

    def _start(self, model: Model) -> Model:
        return next(m for m in self.models if m.name == model.start)

    def checkpoint(self, model: Model | str) -> Path:
        """The checkpoint to use of a trained network."""
        name = model if isinstance(model, str) else model.name
        return self.folder / "train" / name / "final.ckpt"

    def make(self, model: Model) -> None:
        """Train one network, unless it is there."""

        def made(folder: Path) -> None:
            self._make(model, folder)

        self.work.unit(f"train/{model.name}", self.train_key(model), made)

    def _make(self, model: Model, folder: Path) -> None:
        recipe = self.recipe
        if model.start is None:
            torch.manual_seed(model.seed)
            network, info = self.fresh_network(model)
            shape = f"{recipe.model.layers} x {recipe.model.hidden} {recipe.model.cell}"
            say(f"{model.name}: {network.weight_count():,} weights, {shape}")
            settings = recipe.train.model_copy(update={"seed": model.seed})
            if settings.start is not None:
                begin_from(settings.start, network, info)
            self.fit(model.name, folder, network, info, settings, (), keep_best=True)
            return
        start = self._start(model)
        self.require_trained(start)
        settings = retrain_settings(recipe.train, recipe.retrain, model.seed)
        live = recipe.retrain.norms == "live"
        if model.method == "float+":
            network, info = load_network(self.checkpoint(start))
            if not live:
                network.freeze_norms()
            info = set_dropout(network, info, recipe.retrain.dropout)
            self.fit(model.name, folder, network, info, settings, (), keep_best=False)
            return
        per_row = recipe.retrain.granularity == "row"
        network, info = start_network(
            self.checkpoint(start), model.scheme, model.method, per_row, self.sample(), live_norms=live
        )
        if model.method == "direct":
            if distributed.is_first():
                save_checkpoint(folder / "final.ckpt", network, info)
            distributed.barrier()
            return
        info = set_dropout(network, info, recipe.retrain.dropout)
        techniques = make_techniques(model.method, recipe.retrain, self.checkpoint(self._base(model)))
        self.fit(model.name, folder, network, info, settings, techniques, keep_best=False)

    def require_trained(self, model: Model) -> None:
        """ConfigError unless the network is trained and up to date."""
        stage = "train" if model.method == "float" else "retrain"
        self.work.require(f"train/{model.name}", self.train_key(model), stage)

    def fit(
        self,
        name: str,
        folder: Path,
        network: Network,
        info: NetworkInfo,
        settings: LoopConfig,
        techniques: Sequence[Technique],
        *,
        keep_best: bool,
    ) -> None:
        """Train ``network`` and write ``final.ckpt``.

        A quantized network is used as it ends, with frozen steps (``keep_best=False``); so is ``float+``, to
        be compared with it.
        """
        job = self.job(name, folder, network, info, settings)
        job.techniques = techniques
        job.keep_best = keep_best
        best = Trainer(job).run()
        if distributed.is_first():
            trained, trained_info = load_network(best)
            save_checkpoint(folder / "final.ckpt", trained, trained_info)
        distributed.barrier()

    # pack

    def packed(self, model: Model) -> Path:
        """The model file of a network."""
        return self.folder / "models" / f"{model.name}.sqm"

    def pack_key(self, model: Model) -> str:
        """What a model file depends on."""
        return digest("pack-2", self.train_key(model))

    def pack_model(self, model: Model) -> None:
        """Write the model file of a trained network."""
        self.require_trained(model)
        pack(
            self.checkpoint(model),
            self.packed(model),
            {"method": model.method, "name": model.name, **run_facts()},
        )


def _shape(model: ModelConfig) -> dict[str, Any]:
    """Settings of the network; one that came later only where it is used, so that older runs stay valid."""
    found = model.model_dump(mode="json")
    return {key: value for key, value in found.items() if key != "dropout_blocks" or value}


def _lasting(settings: LoopConfig) -> dict[str, Any]:
    """Training settings that change the result."""
    return settings.model_dump(mode="json", exclude={"checkpoint_seconds", "workers", "start"})
