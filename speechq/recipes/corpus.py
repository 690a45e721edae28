"""The data of a recipe: manifests, units and features, prepared in the work folder."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path

from speechq.config import Recipe, digest
from speechq.data.batches import Dataset
from speechq.data.corpora import prepare_corpus
from speechq.data.manifest import Utterance
from speechq.data.shards import compute_store
from speechq.data.word_labels import with_word_labels
from speechq.errors import ConfigError, DataError
from speechq.progress import say
from speechq.recipes.extra import synthesize_text
from speechq.recipes.work import Work
from speechq.text.pronunciations import pronounce, read_pronunciations
from speechq.text.units import Units
from speechq.train.data import make_dataset, make_units, read_split, training_stores


class Corpus:
    """Train, dev and test of a recipe."""

    def __init__(self, recipe: Recipe, work: Work) -> None:
        self.recipe = recipe
        self.work = work
        self.folder = work.folder / "prepare"

    @property
    def key(self) -> str:
        """What the manifests depend on."""
        data = self.recipe.data
        source = str(data.source.resolve()) if data.source else None
        extra = [str(data.extra_text), data.extra_sentences]
        if data.extra_text is not None:
            extra.append(self.recipe.train.seed)  # draws the sentences
        if data.corpus == "synth":
            extra.append("words")  # their times were not kept at first
        return digest("prepare-1", data.corpus, source, data.options, *extra)

    def prepare(self) -> None:
        """Write the manifests of all splits, unless they are there."""
        self.work.unit("prepare", self.key, self._prepare)

    def _prepare(self, folder: Path) -> None:
        data = self.recipe.data
        if data.source is None and data.corpus != "synth":
            raise ConfigError(
                f"data.source: the corpus {data.corpus} needs a folder; give it with --data DIR"
            )
        if data.source is not None and not data.source.exists():
            raise DataError(f"{data.source}: no such folder; the corpus {data.corpus} is expected there")
        options = dict(data.options)
        if (
            data.corpus == "manifest" and data.units == "characters"
        ):  # its texts are checked with all the rest
            options.setdefault("alphabet", dict.fromkeys((*data.train, data.dev, data.test), data.alphabet))
        prepare_corpus(data.corpus, data.source or Path(), folder, **options)
        if data.extra_text is not None and data.extra_sentences:
            synthesize_text(data.extra_text, data.extra_sentences, folder / "extra", self.recipe)

    def text(self) -> Path:
        """The text for language models that the corpus brought along; ConfigError if it brought none."""
        self.work.require("prepare", self.key, "prepare")
        path = self.folder / "text.txt.gz"
        if not path.is_file():
            raise ConfigError(
                f"lm.corpus_text: the corpus {self.recipe.data.corpus} brings no text; wsj does with "
                "data.options.language_text: true"
            )
        return path

    @cached_property
    def _manifests(self) -> dict[str, list[Path]]:
        """Manifests of train, dev and test."""
        data = self.recipe.data
        self.work.require("prepare", self.key, "prepare")
        paths = {name: self.folder / f"{name}.jsonl" for name in (*data.train, data.dev, data.test)}
        for name, path in paths.items():
            if not path.is_file():
                there = ", ".join(sorted(found.stem for found in self.folder.glob("*.jsonl")))
                raise ConfigError(f"data: the corpus {data.corpus} has no split {name!r}; it has {there}")
        train = [paths[name] for name in data.train]
        extra = self.folder / "extra" / "train.jsonl"
        train += [extra] if data.extra_text is not None and extra.is_file() else []
        return {"train": train, "dev": [paths[data.dev]], "test": [paths[data.test]]}

    @cached_property
    def pronunciations(self) -> dict[str, tuple[str, ...]] | None:
        """Those of ``data.lexicon``; None where the transcripts are in the units themselves."""
        lexicon = self.recipe.data.lexicon
        return None if lexicon is None else read_pronunciations(lexicon)

    @cached_property
    def units(self) -> Units:
        """The output symbols: the phones of the lexicon, or from the texts of the training set."""
        if self.pronunciations is not None:
            spellings = (spelling for found in self.pronunciations.values() for spelling in found)
            return make_units(self.recipe.data, sorted({p for s in spellings for p in s.split()}))
        texts = [u.text for path in self._manifests["train"] for u in read_split(path)]
        return make_units(self.recipe.data, texts)

    @cached_property
    def splits(self) -> dict[str, list[Utterance]]:
        """Utterances of train, dev and test in the units of the network.

        With a lexicon those are left out that have a word without a pronunciation.
        """
        if self.pronunciations is None:
            return self.words
        found = {}
        for name, utterances in self.words.items():
            phones = [pronounce(u.text, self.pronunciations) for u in utterances]
            pairs = zip(utterances, phones, strict=True)
            found[name] = [replace(u, text=text, words=()) for u, text in pairs if text is not None]
            if not found[name]:
                raise DataError(f"{self.recipe.data.lexicon}: pronounces no utterance of {name} completely")
            if left := len(utterances) - len(found[name]):
                say(f"{name}: {left} of {len(utterances)} utterances have a word that is not in the lexicon")
        return found

    @cached_property
    def words(self) -> dict[str, list[Utterance]]:
        """Utterances of train, dev and test as they are transcribed; every problem of all manifests is
        reported before training."""
        units = self.units if self.pronunciations is None else None
        read: dict[Path, list[Utterance]] = {}
        problems = []
        for path in dict.fromkeys(path for paths in self._manifests.values() for path in paths):
            try:
                read[path] = read_split(path, units)
            except DataError as error:
                problems.append(str(error))
        if problems:
            raise DataError("\n".join(problems))
        found = {name: [u for path in paths for u in read[path]] for name, paths in self._manifests.items()}
        return {n: us if n == "train" else [with_word_labels(u) for u in us] for n, us in found.items()}

    @cached_property
    def datasets(self) -> dict[str, Dataset]:
        """Datasets of train, dev and test, normalized by the statistics of the training set."""
        data, cache, workers = self.recipe.data, self.work.folder / "features", self.recipe.train.workers
        train = training_stores(
            self.splits["train"], data, data.augment, cache, self.recipe.train.seed, workers
        )
        made = {"train": make_dataset(self.splits["train"], train, self.units, data, train[0])}
        for name in ("dev", "test"):
            store = compute_store(
                self.splits[name], data.features, cache, workers=workers, title=f"{name} features"
            )
            made[name] = make_dataset(self.splits[name], [store], self.units, data, train[0])
        return made

    @cached_property
    def test_words(self) -> Dataset:
        """All of test, also what the lexicon does not pronounce; for decoders that give words. No labels."""
        test, train = self.words["test"], self.datasets["train"]
        cache, workers = self.work.folder / "features", self.recipe.train.workers
        store = compute_store(
            test, self.recipe.data.features, cache, workers=workers, title="features of all of test"
        )
        return Dataset([store], [[] for _ in test], train.features, train.mean, train.scale)
