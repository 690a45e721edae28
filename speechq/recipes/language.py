"""``speechq lm train``: the recipe of a language model, from its texts to bits per character."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

from speechq.config import (
    LanguageRecipe,
    LoopConfig,
    TextTrainConfig,
    TransferConfig,
    digest,
    load_language_recipe,
)
from speechq.errors import ConfigError
from speechq.files import sha256, write_json
from speechq.lm.score import score_text
from speechq.lm.symbols import Text, read_text
from speechq.nn.language import make_language_model
from speechq.nn.stack import Network
from speechq.recipes.checks import check_language_recipe
from speechq.recipes.networks import Networks
from speechq.recipes.plan import Model
from speechq.recipes.run_stages import run_stages
from speechq.text.units import Units
from speechq.train import distributed
from speechq.train.checkpoint import NetworkInfo
from speechq.train.retrain import Sample
from speechq.train.text import StreamJob, TextJob, calibration_sample
from speechq.train.transfer import (
    Taught,
    TransferJob,
    read_taught,
    teacher_of,
    transfer_sample,
    write_taught,
)

STAGES = ("train", "retrain", "pack", "score")


class LanguageRun(Networks):
    """A language recipe at work in a folder."""

    recipe: LanguageRecipe

    def __init__(self, recipe: LanguageRecipe, folder: Path) -> None:
        super().__init__(recipe, folder)
        self.units = Units.characters(recipe.data.alphabet).with_end()

    # train and retrain

    def load(self) -> None:
        _ = self.dev
        if self.recipe.transfer is None:
            _ = self.training
        else:
            self._let_teach(self.recipe.transfer)

    @cached_property
    def training(self) -> Text:
        """The text that is learned."""
        return read_text([self._file(name) for name in self.recipe.data.train], self.units)

    def _let_teach(self, transfer: TransferConfig) -> None:
        """The text that a teacher writes to be learned, one for every part of a pass."""
        train = self.recipe.train
        tokens = len(self.training.symbols) if transfer.tokens is None else transfer.tokens
        length = tokens // (train.parts * train.rows)
        if length == 0:
            raise ConfigError(
                f"transfer.tokens: {tokens} symbols are too few for train.rows: {train.rows} "
                f"and train.parts: {train.parts}"
            )
        for part in range(train.parts):

            def make(folder: Path, seed: tuple[int, int] = (train.seed, part)) -> None:
                write_taught(transfer, self.units, folder, train.rows, length, seed)

            self.work.unit(f"transfer/{part}", digest("transfer-1", self._transfer_key, part), make)

    @cached_property
    def taught(self) -> list[Taught]:
        """What the teacher wrote."""
        transfer = self.recipe.transfer
        assert transfer is not None
        folders = [self.folder / "transfer" / str(part) for part in range(self.recipe.train.parts)]
        return [read_taught(folder, transfer.labels == "soft") for folder in folders]

    def share_data(self, other: LanguageRun) -> None:
        """Learn from what ``other`` has read, or its teacher has written."""
        self.dev = other.dev
        if self.recipe.transfer is None:
            self.training = other.training
        else:
            self.taught = other.taught

    @cached_property
    def _transfer_key(self) -> list[Any]:
        """What the teacher's text depends on; nothing without a teacher."""
        transfer, train, data = self.recipe.transfer, self.recipe.train, self.recipe.data
        if transfer is None:
            return []
        texts = [self._contents[name] for name in data.train] if transfer.tokens is None else []
        teacher = sha256(teacher_of(transfer))
        drawn = [transfer.tokens, transfer.temperature, train.rows, train.parts, train.seed]
        return [teacher, data.alphabet, texts, *drawn]

    @cached_property
    def dev(self) -> Text:
        """The text that settings and checkpoints are chosen by."""
        return read_text([self._file(self.recipe.data.dev)], self.units)

    def _file(self, name: str) -> Path:
        if self.recipe.data.source is None:
            raise ConfigError("data.source: the texts need a folder; give it with --data DIR")
        path = self.recipe.data.source / name
        if not path.is_file():
            raise ConfigError(f"{path}: there is no such file; data.train, data.dev and data.test name texts")
        return path

    @cached_property
    def _contents(self) -> dict[str, str]:
        """What each text holds, so that a folder may move and a changed text is noticed."""
        data = self.recipe.data
        transfer = self.recipe.transfer
        learned = data.train if transfer is None or transfer.tokens is None else ()
        names = dict.fromkeys([*learned, data.dev, data.test])
        return {name: sha256(self._file(name)) for name in names}

    def data_key(self) -> list[Any]:
        data = self.recipe.data
        if self.recipe.transfer is not None:
            return ["transfer", self._transfer_key, self.recipe.transfer.labels, self._contents[data.dev]]
        texts = [self._contents[name] for name in (*data.train, data.dev)]
        return ["language", data.alphabet, texts]

    def fresh_network(self, model: Model) -> tuple[Network, NetworkInfo]:
        recipe = self.recipe
        network = make_language_model(recipe.model, self.units)
        corpus = ", ".join(recipe.data.train)
        if recipe.transfer is not None:
            corpus = f"written by {recipe.transfer.teacher.name}"
        facts = {"recipe": recipe.name, "corpus": corpus, "seed": model.seed}
        return network, NetworkInfo(recipe.model, None, self.units, provenance=facts)

    def job(
        self, name: str, folder: Path, network: Network, info: NetworkInfo, settings: LoopConfig
    ) -> StreamJob:
        assert isinstance(settings, TextTrainConfig)
        common: dict[str, Any] = {
            "name": name,
            "folder": folder,
            "model": network,
            "info": info,
            "config": settings,
            "dev": self.dev,
        }
        if self.recipe.transfer is not None:
            return TransferJob(**common, taught=self.taught)
        return TextJob(**common, train=self.training)

    def sample(self) -> Sample:
        if self.recipe.transfer is not None:
            return transfer_sample(self.taught, self.recipe.train)
        return calibration_sample(self.training, self.recipe.train)

    # pack and score

    def pack(self) -> None:
        """Model files of all networks."""
        for model in self.models:

            def make(folder: Path, m: Model = model) -> None:
                self.pack_model(m)

            self.work.unit(f"pack/{model.name}", self.pack_key(model), make, outputs=[self.packed(model)])

    def score(self) -> None:
        """Every network on the test text: packed, in the engine."""
        for model in self.models:

            def make(folder: Path, m: Model = model) -> None:
                write_json(folder / "score.json", self._score(m))

            outputs = [self.folder / "score" / model.name / "score.json"]
            self.work.unit(f"score/{model.name}", self._score_key(model), make, outputs=outputs)

    def _score_key(self, model: Model) -> str:
        return digest("score-2", self.pack_key(model), self._contents[self.recipe.data.test])

    def _score(self, model: Model) -> dict[str, Any]:
        self.work.require(f"pack/{model.name}", self.pack_key(model), "pack")
        found = score_text(self.packed(model), self._file(self.recipe.data.test))
        return {
            "model": model.name,
            "scheme": model.scheme,
            "method": model.method,
            "seed": model.seed,
            "bits_per_character": found.bits_per_character,
            "word_perplexity": found.word_perplexity,
            "size_bytes": self.packed(model).stat().st_size,
        }

    def rows(self) -> list[dict[str, Any]]:
        """The table: a row per network; ``delta_vs_float`` in bits, to ``float+`` of the same seed."""
        rows = [
            json.loads((self.folder / "score" / model.name / "score.json").read_text())
            for model in self.models
        ]
        base = {row["seed"]: row["bits_per_character"] for row in rows if row["method"] == "float+"}
        for row in rows:
            bits = row["bits_per_character"]
            row["delta_vs_float"] = bits - base[row["seed"]] if row["seed"] in base else None
        return rows


def run_language_recipe(
    folder: Path, *, data: Path | None = None, work: Path | None = None, assignments: tuple[str, ...] = ()
) -> list[dict[str, Any]]:
    """Train, retrain, pack and score the networks of the recipe in ``folder``; the rows of their table.

    ``data`` overrides ``data.source``, ``assignments`` (``key.path=value``) override any key. What is up to
    date is skipped.
    """
    recipe = load_language_recipe(folder, assignments, data)
    check_language_recipe(recipe)
    target = work if work is not None else Path("work") / recipe.name
    distributed.start()
    try:
        run = LanguageRun(recipe, target)
        run_stages(run, STAGES)
        return run.rows() if distributed.is_first() else []
    finally:
        distributed.stop()
