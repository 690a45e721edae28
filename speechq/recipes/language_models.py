"""The stage ``lm``: the text of a recipe, its word n-gram and its character model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from speechq.config import LanguageRecipe, LmConfig, TextConfig, digest
from speechq.errors import DataError
from speechq.files import replacing, sha256, write_text
from speechq.lm.arpa import write_arpa
from speechq.lm.binary import write_binary
from speechq.lm.corpus import read_blocks, read_corpus
from speechq.lm.kneser_ney import estimate
from speechq.lm.symbols import encode_text
from speechq.progress import say
from speechq.recipes.checks import check_texts, packed_models
from speechq.recipes.corpus import Corpus
from speechq.recipes.language import STAGES, LanguageRun
from speechq.recipes.plan import named_models, packed_model
from speechq.recipes.run_stages import run_stages
from speechq.recipes.work import Work
from speechq.text.normalize import normalize_text
from speechq.text.units import Units


@dataclass(frozen=True)
class CharLm:
    """The file of a packed character model, and what it depends on."""

    path: Path
    key: str


class LanguageModels:
    """The language models that ``config`` asks for, in the folder ``lm`` of a work folder."""

    def __init__(self, config: LmConfig, work: Work, corpus: Corpus) -> None:
        self.config = config
        self.work = work
        self.corpus = corpus
        self.folder = work.folder / "lm"
        self.ngram = self.folder / "ngram" / "words.bin"

    def make(self) -> None:
        """Everything that is not up to date: text, n-gram, character model."""
        self.work.unit("lm/text", self.text_key, self._write_texts, [self.folder / "text" / "train.txt"])
        self.work.unit("lm/ngram", self.ngram_key, self._estimate, [self.ngram])
        if self.corpus.pronunciations is not None:
            self.work.unit("lm/lexicon", self.lexicon_key, self._write_lexicon, [self.lexicon])
        if self.char is not None:
            run_stages(self.char, STAGES)

    # text

    @cached_property
    def text_key(self) -> str:
        """What the text depends on."""
        check_texts(self.config.texts)
        contents = [sha256(path) for path in self.config.texts]
        data = self.corpus.recipe.data
        splits = [data.train, data.dev, data.test]
        own = [self.config.transcripts] + (["corpus"] if self.config.corpus_text else [])
        return digest("text-1", self.corpus.key, splits, data.alphabet, *own, contents)

    def _write_texts(self, folder: Path) -> None:
        """``train.txt``, and the transcripts of dev and test, by which character models are scored."""
        for split in ("train", "dev", "test"):
            with (
                replacing(folder / f"{split}.txt") as temporary,
                temporary.open("w", encoding="utf-8") as out,
            ):
                if split != "train" or self.config.transcripts:
                    out.writelines(f"{u.text}\n" for u in self.corpus.words[split])
                if split == "train":
                    own = [self.corpus.text()] if self.config.corpus_text else []
                    for path in [*own, *self.config.texts]:
                        out.writelines(self._normalized(path))

    def _normalized(self, path: Path) -> list[str]:
        alphabet = self.corpus.recipe.data.alphabet
        units = Units.characters(alphabet)
        lines = []
        for block in read_blocks([path], path.name):
            try:
                text = block.decode("utf-8")
                encode_text(text, units)  # names a sentence that cannot be written in the alphabet
            except UnicodeDecodeError as error:
                raise DataError(f"{path}: not UTF-8 text ({error})") from None
            except DataError as error:
                raise DataError(f"{path}: {error}") from None
            lines += [normalize_text(line, alphabet) for line in text.splitlines()]
        return [f"{line}\n" for line in lines if line]

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """The words of the text."""
        self.work.require("lm/text", self.text_key, "lm")
        text = (self.folder / "text" / "train.txt").read_text(encoding="utf-8")
        return frozenset(text.split())

    # n-gram

    @property
    def ngram_key(self) -> str:
        """What the n-gram depends on."""
        return digest("ngram-1", self.text_key, self.config.ngram)

    def _estimate(self, folder: Path) -> None:
        self.work.require("lm/text", self.text_key, "lm")
        config = self.config.ngram
        corpus = read_corpus([self.folder / "text" / "train.txt"])
        arpa = folder / "words.arpa"
        prune, fallback = config.prune, config.discount_fallback
        write_arpa(estimate(corpus, config.order, prune, discount_fallback=fallback), arpa)
        write_binary(arpa, self.ngram, config.bits)
        arpa.unlink()

    # lexicon

    @property
    def lexicon(self) -> Path:
        """The words of the text that the dictionary of the recipe pronounces."""
        return self.folder / "lexicon" / "lexicon.txt"

    @property
    def lexicon_key(self) -> str:
        """What the lexicon depends on."""
        return digest("lexicon-1", self.text_key, sorted((self.corpus.pronunciations or {}).items()))

    def _write_lexicon(self, folder: Path) -> None:
        known = self.corpus.pronunciations or {}
        words = sorted(self.vocabulary & known.keys())
        write_text(self.lexicon, "".join(f"{word} {spelled}\n" for word in words for spelled in known[word]))
        say(f"lexicon: {len(words):,} of the {len(self.vocabulary):,} words of the text have a pronunciation")

    # character model

    @cached_property
    def char(self) -> LanguageRun | None:
        """The run that makes the character models; None if none are made."""
        if self.config.char is None or self.config.char.models is not None:
            return None
        texts = TextConfig(
            source=self.folder / "text",
            train=("train.txt",),
            dev="dev.txt",
            test="test.txt",
            alphabet=self.corpus.recipe.data.alphabet,
        )
        char = self.config.char
        recipe = LanguageRecipe(
            name=f"{self.corpus.recipe.name}-char",
            task="language",
            data=texts,
            model=char.model,
            train=char.train,
            retrain=char.retrain,
        )
        return LanguageRun(recipe, self.folder / "char")

    def char_model(self, name: str) -> CharLm:
        """The character model called ``name`` (``float+``, ``w4a8``); of several seeds the first."""
        if self.char is not None:
            model = named_models(self.char.models, name, "decoders.char_lms")[0]
            return CharLm(self.char.packed(model), self.char.pack_key(model))
        assert self.config.char is not None
        assert self.config.char.models is not None
        found = [packed_model(path) for path in packed_models(self.config.char.models)]
        path = self.config.char.models / f"{named_models(found, name, 'decoders.char_lms')[0].name}.sqm"
        return CharLm(path, sha256(path))

    def require_char(self, lm: CharLm) -> None:
        """ConfigError unless a character model that the stage ``lm`` makes is there and up to date."""
        if self.char is not None:
            self.char.work.require(f"pack/{lm.path.stem}", lm.key, "lm")
