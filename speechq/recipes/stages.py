"""The stages of a recipe: prepare, train, retrain, lm, pack, tune, evaluate, report."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch

from speechq.bench.report import write_report
from speechq.bench.results import Arithmetic, write_comparison
from speechq.config import LoopConfig, Recipe, TrainConfig, digest
from speechq.data.batches import Dataset
from speechq.data.manifest import Utterance
from speechq.files import write_json
from speechq.nn.acoustic import AcousticModel
from speechq.nn.stack import Network
from speechq.progress import say
from speechq.recipes import sensitivity, tuning
from speechq.recipes.compare import compare, sentence, warning
from speechq.recipes.corpus import Corpus
from speechq.recipes.evaluate import (
    Decoded,
    Outputs,
    evaluate_model,
    run_network,
    runs_integer,
    write_sample_of,
)
from speechq.recipes.language_models import LanguageModels
from speechq.recipes.networks import Networks
from speechq.recipes.plan import Model
from speechq.recipes.provenance import run_facts
from speechq.runtime.model_file import read_model
from speechq.runtime.model_folder import find_model
from speechq.train.checkpoint import NetworkInfo
from speechq.train.retrain import Sample, calibration_batch, weight_bits
from speechq.train.speech import SpeechJob


@dataclass(frozen=True)
class Evaluation:
    """Something to be recognized: greedily, or with the beam search ``decoding``."""

    name: str
    key: str
    model: Model
    decoding: tuning.Decoding | None
    mode: str = "utterance"
    arithmetic: Arithmetic = "hybrid"


class Run(Networks):
    """A recipe at work in a folder. A stage whose forerunner is missing or out of date raises ConfigError."""

    recipe: Recipe

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        super().__init__(recipe, folder)
        self.corpus = Corpus(recipe, self.work)
        self.language = None if recipe.lm is None else LanguageModels(recipe.lm, self.work, self.corpus)
        self._outputs: tuple[tuple[str, str, str, Arithmetic], Outputs] | None = None

    @property
    def splits(self) -> dict[str, list[Utterance]]:
        return self.corpus.splits

    @property
    def datasets(self) -> dict[str, Dataset]:
        return self.corpus.datasets

    # prepare

    def prepare(self) -> None:
        """Manifests of all splits, checked; units; features."""
        self.corpus.prepare()
        train = self.datasets["train"]
        hours = train.seconds() / 3600
        say(f"prepare: {len(train)} training utterances, {hours:.2f} h, {self.recipe.data.corpus}")

    # train and retrain

    def load(self) -> None:
        """Features are computed once, before the other processes look for them."""
        _ = self.datasets

    def data_key(self) -> list[Any]:
        data = self.recipe.data.model_dump(mode="json", exclude={"source", "lexicon"})
        lexicon = [sorted(self.corpus.pronunciations.items())] if self.corpus.pronunciations else []
        return [self.corpus.key, data, *lexicon]

    def fresh_network(self, model: Model) -> tuple[AcousticModel, NetworkInfo]:
        recipe, units, train = self.recipe, self.corpus.units, self.datasets["train"]
        network = AcousticModel(recipe.model, recipe.data.features.dim, len(units))
        mean, scale = torch.from_numpy(train.mean), torch.from_numpy(train.scale)
        facts = {"recipe": recipe.name, "corpus": recipe.data.corpus, "seed": model.seed}
        info = NetworkInfo(recipe.model, recipe.data.features, units, mean, scale, provenance=facts)
        return network, info

    def job(
        self, name: str, folder: Path, network: Network, info: NetworkInfo, settings: LoopConfig
    ) -> SpeechJob:
        assert isinstance(settings, TrainConfig)
        return SpeechJob(
            name=name,
            folder=folder,
            model=network,
            info=info,
            config=settings,
            train=self.datasets["train"],
            train_ids=[u.id for u in self.splits["train"]],
            dev=self.datasets["dev"],
            dev_references=[u.text for u in self.splits["dev"]],
            augment=self.recipe.data.augment,
        )

    def sample(self) -> Sample:
        return calibration_batch(self.datasets["train"], self.recipe.retrain.calibration_utterances)

    # pack, evaluate, report

    def pack(self) -> None:
        """Model files of all networks, each compared on dev with the network in training."""
        for model in self.models:

            def make(folder: Path, m: Model = model) -> None:
                self._pack(m)

            outputs = [self.packed(model), self.folder / "pack" / model.name / "comparison.json"]
            self.work.unit(f"pack/{model.name}", self.pack_key(model), make, outputs=outputs)

    def _pack(self, model: Model) -> None:
        self.pack_model(model)
        references = [u.text for u in self.splits["dev"]]
        comparison = compare(
            model.name, self.checkpoint(model), self.packed(model), self.datasets["dev"], references
        )
        write_comparison(self.folder, comparison)
        if (text := warning(comparison)) is not None:
            say(f"{model.name}: {sentence(comparison)}; {text}")

    # lm and tune

    def lm(self) -> None:
        """Text, n-gram and character model, if the recipe has any."""
        if self.language is not None:
            self.language.make()

    @cached_property
    def decodings(self) -> list[tuning.Decoding]:
        """The beam searches of the recipe."""
        return tuning.planned(self)

    def tune(self) -> None:
        """Weights of the decoders, found on dev with the packed models."""
        tuning.tune_all(self)

    def outputs(
        self, split: str, model: Model, mode: str = "utterance", arithmetic: Arithmetic = "hybrid"
    ) -> Outputs:
        """What the packed model gives for a split; all decoders of a network share it.

        ``words`` is all of test, also what a lexicon does not pronounce.
        """
        wanted = (split, model.name, mode, arithmetic)
        if self._outputs is None or self._outputs[0] != wanted:
            self.work.require(f"pack/{model.name}", self.pack_key(model), "pack")
            stream = mode == "stream"
            dataset = self.corpus.test_words if split == "words" else self.datasets[split]
            found = run_network(self.packed(model), dataset, stream=stream, arithmetic=arithmetic)
            self._outputs = wanted, found
        return self._outputs[1]

    # evaluate

    @property
    def fold(self) -> Literal[48, 39] | None:
        """Classes that phones are folded to before they are scored."""
        fold = self.recipe.evaluate.fold_phones
        return None if fold == 0 else fold

    def _evaluations(self) -> Iterator[Evaluation]:
        """All that is to be recognized: every network greedily, some with beam search."""
        config = self.recipe.evaluate
        for model in self.models:
            ways: list[tuple[str, str, Arithmetic]] = [("", "utterance", "hybrid")]
            if config.stream and model.method != "direct":
                ways.append((".stream", "stream", "hybrid"))
            if runs_integer(self.packed(model)):
                ways.append((".integer", "utterance", "integer"))
            vocabulary = [self.language.text_key] if self.language is not None and self.decodings else []
            for suffix, mode, arithmetic in ways:
                facts = [config.fold_phones, mode, arithmetic, *vocabulary]
                key = digest("evaluate-3", self.train_key(model), *facts)
                yield Evaluation(model.name + suffix, key, model, None, mode, arithmetic)
            for decoding in (one for one in self.decodings if one.model == model):
                key = digest("evaluate-3", tuning.tune_key(self, decoding), config.fold_phones)
                yield Evaluation(f"{model.name}.{decoding.name}", key, model, decoding)

    def evaluate(self) -> None:
        """Recognize the test set with every packed model, utterance by utterance and as one stream; models
        that integer mode can run, also in that mode; and with the beam searches of the recipe."""
        self._drop_unplanned()
        for one in self._evaluations():

            def make(folder: Path, e: Evaluation = one) -> None:
                self._evaluate(e)

            result = self.folder / "evaluate" / one.name / "result.json"
            self.work.unit(f"evaluate/{one.name}", one.key, make, outputs=[result])
        best = min(self.models, key=lambda m: (m.method == "direct", weight_bits(m.scheme)))

        def sample(folder: Path) -> None:
            write_sample_of(self.folder, self.packed(best), self.splits["test"], self.datasets["test"])

        key = digest("sample-2", self.train_key(best))
        self.work.unit("sample", key, sample, outputs=[self.folder / "sample.npz"])
        sensitivity.measure(self)

    def _evaluate(self, one: Evaluation) -> None:
        self.work.require(f"pack/{one.model.name}", self.pack_key(one.model), "pack")
        files, decoder = find_model(self.packed(one.model)), "greedy"
        if one.decoding is not None:
            self.work.require(one.decoding.unit, tuning.tune_key(self, one.decoding), "tune")
            files, decoder = find_model(self.folder / one.decoding.unit), one.decoding.name
        known = self.language.vocabulary if self.language is not None and self.decodings else None
        how = Decoded(files, decoder, one.mode, one.arithmetic, known)
        if files.calibrated.lexicon is not None:
            test, dataset = self.corpus.words["test"], self.corpus.test_words
            outputs = self.outputs("words", one.model)
        else:
            test, dataset = self.splits["test"], self.datasets["test"]
            outputs = self.outputs("test", one.model, one.mode, one.arithmetic)
        evaluate_model(self.folder, one.model, how, outputs, test, dataset.seconds(), self.fold)

    def _drop_unplanned(self) -> None:
        """Results of networks that the recipe no longer names would stand in its table."""
        planned = {one.name for one in self._evaluations()}
        for folder in sorted((self.folder / "evaluate").glob("[!.]*")):
            if folder.is_dir() and folder.name not in planned:
                say(f"evaluate: {folder.name} is not in the recipe any more; its result is removed")
                shutil.rmtree(folder)

    def report(self) -> None:
        """``run.json`` and ``report.html``, from what was evaluated."""
        evaluations = [(one.name, one.key) for one in self._evaluations()]
        for name, key in evaluations:
            self.work.require(f"evaluate/{name}", key, "evaluate")
        outputs = [self.folder / "report.html", self.folder / "run.json"]
        recipe = self.recipe.model_dump(mode="json")
        points = self.folder / "sensitivity" / "points.json"
        measured = points.read_text() if points.is_file() else ""
        key = digest("report-2", recipe, evaluations, measured)
        self.work.unit("report", key, lambda folder: self._report(recipe), outputs=outputs)

    def _report(self, recipe: dict[str, Any]) -> None:
        stages = {
            name: round(self.work.seconds(name), 1)
            for name in ("prepare", "train", "lm", "pack", "tune", "evaluate")
        }
        hours = {name: sum(u.duration for u in split) / 3600 for name, split in self.splits.items()}
        facts = {
            "recipe": self.recipe.name,
            "config": recipe,
            "seed": self.recipe.train.seed,
            **run_facts(),
            "wall_seconds": stages,
            "parameters": read_model(self.packed(self.models[0])).provenance.get("weights"),
            "hours": {name: round(value, 3) for name, value in hours.items()},
        }
        write_json(self.folder / "run.json", facts)
        say(f"report: {write_report(self.folder)}")
