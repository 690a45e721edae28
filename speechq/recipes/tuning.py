"""The stage ``tune``: model folders for the decoders of a recipe, with weights found on dev."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from speechq.config import digest
from speechq.lm.speech import frame_seconds
from speechq.lm.tune import DevSet
from speechq.lm.tune_model import Speech, tune_model
from speechq.progress import say
from speechq.recipes.language_models import CharLm
from speechq.recipes.plan import Model, named_models
from speechq.recipes.provenance import run_facts
from speechq.runtime.decoder_settings import DecoderSettings, read_settings, write_settings
from speechq.runtime.model_file import read_model
from speechq.runtime.model_folder import ACOUSTIC, CHAR_LM, NGRAMS, SETTINGS, find_model

if TYPE_CHECKING:
    from speechq.recipes.stages import Run


@dataclass(frozen=True)
class Decoding:
    """A beam search for one acoustic network. ``name`` stands in the column decoder of the table."""

    name: str
    model: Model
    ngram: bool
    char_lm: CharLm | None

    @property
    def kind(self) -> tuple[bool, bool]:
        """What takes part beside the acoustic network: an n-gram, a character model."""
        return self.ngram, self.char_lm is not None

    @property
    def unit(self) -> str:
        """The unit of work that makes its model folder."""
        return f"tune/{self.model.name}.{self.name}"


def planned(run: Run) -> list[Decoding]:
    """All beam searches of the recipe, the networks in the order of the table."""
    config = run.recipe.decoders
    if not config.use:
        return []
    chosen = {m.name for name in config.models for m in named_models(run.models, name, "decoders.models")}
    several = len(config.char_lms) > 1
    found = []
    for model in run.models:
        for name in config.use if model.name in chosen else ():
            if "char" not in name:
                found.append(Decoding(name, model, True, None))
                continue
            assert run.language is not None
            for lm in config.char_lms:
                shown = name.replace("char", f"char-{lm}") if several else name
                found.append(Decoding(shown, model, "ngram" in name, run.language.char_model(lm)))
    return found


def tune_all(run: Run) -> None:
    """Tune every decoder. The weights of the first of a kind are where the search for the others begins."""
    for decoding in run.decodings:
        start = _first(run, decoding)

        def make(folder: Path, d: Decoding = decoding, s: Decoding = start) -> None:
            _tune(run, d, None if s is d else read_settings(run.folder / s.unit / SETTINGS), folder)

        outputs = [run.folder / decoding.unit / name for name in (ACOUSTIC, SETTINGS)]
        run.work.unit(decoding.unit, tune_key(run, decoding), make, outputs)


def _first(run: Run, decoding: Decoding) -> Decoding:
    """The first beam search of its kind."""
    return next(one for one in run.decodings if one.kind == decoding.kind)


def tune_key(run: Run, decoding: Decoding) -> str:
    """What a tuned decoder depends on."""
    assert run.language is not None
    keys = [run.pack_key(decoding.model), run.data_key()]
    if decoding.ngram:
        keys.append(run.language.ngram_key)
    if decoding.char_lm is not None:
        keys.append(decoding.char_lm.key)
    if run.corpus.pronunciations is not None:
        keys.append(run.language.lexicon_key)
    start = _first(run, decoding)
    if start != decoding:
        keys.append(tune_key(run, start))
    return digest("tune-2", keys, run.recipe.tune, run.recipe.decoders.beam, decoding.name)


def _tune(run: Run, decoding: Decoding, start: DecoderSettings | None, folder: Path) -> None:
    assert run.language is not None
    _gather(run, decoding, folder)
    packed, dataset = run.packed(decoding.model), run.datasets["dev"]
    count = min(run.recipe.tune.utterances or len(dataset), len(dataset))
    items = np.linspace(0, len(dataset) - 1, count).round().astype(int).tolist()
    outputs = run.outputs("dev", decoding.model)
    spoken = [run.splits["dev"][item] for item in items]
    texts = [u.text for u in spoken]
    files = find_model(folder)
    if run.corpus.pronunciations is not None:
        words = {u.id: u.text for u in run.corpus.words["dev"]}
        texts = [words[u.id] for u in spoken]
        files = replace(
            files,
            settings_file=folder / SETTINGS,
            settings=DecoderSettings(lexicon=run.language.lexicon.name),
        )
    model = read_model(packed)
    config = run.recipe.tune
    if start is not None:
        config = config.model_copy(update={"rounds": (config.rounds + 1) // 2})
    speech = Speech(
        DevSet([outputs.log_probs[item] for item in items], texts),
        [u.times for u in spoken],
        frame_seconds(model),
    )
    settings, found = tune_model(
        files,
        model.units,
        speech,
        config,
        beam=run.recipe.decoders.beam,
        start=start,
        fold=run.fold,
        provenance={"recipe": run.recipe.name, "commit": run_facts()["commit"], "seed": run.recipe.tune.seed},
    )
    write_settings(folder / SETTINGS, settings)
    rates = f"{100 * found.before.rate:.2f} % to {100 * found.after.rate:.2f} %"
    say(f"{decoding.model.name}, {decoding.name}: dev error rate from {rates} in {len(found.rounds)} rounds")


def _gather(run: Run, decoding: Decoding, folder: Path) -> None:
    """The parts of the model folder, as links to what the other stages made."""
    assert run.language is not None
    parts = {ACOUSTIC: run.packed(decoding.model)}
    run.work.require(f"pack/{decoding.model.name}", run.pack_key(decoding.model), "pack")
    if decoding.ngram:
        run.work.require("lm/ngram", run.language.ngram_key, "lm")
        parts[NGRAMS[0]] = run.language.ngram
    if decoding.char_lm is not None:
        run.language.require_char(decoding.char_lm)
        parts[CHAR_LM] = decoding.char_lm.path
    if run.corpus.pronunciations is not None:
        run.work.require("lm/lexicon", run.language.lexicon_key, "lm")
        parts[run.language.lexicon.name] = run.language.lexicon
    for name, path in parts.items():
        (folder / name).unlink(missing_ok=True)
        try:
            os.link(path, folder / name)
        except OSError:  # another file system, or one without hard links
            shutil.copyfile(path, folder / name)
