"""Tuning a model folder: weights, corrections of word times and calibration of confidence in one file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from speechq import _native
from speechq.config import TuneConfig
from speechq.data.manifest import read_manifest
from speechq.data.word_labels import with_word_labels
from speechq.errors import ConfigError
from speechq.files import sha256
from speechq.lm.calibrate import fit_calibration, fit_times
from speechq.lm.speech import frame_seconds, log_probs_of
from speechq.lm.tune import DevSet, Round, Tuned, Weights, start_weights, tune, tuned_names
from speechq.runtime.char_model import CharModel
from speechq.runtime.decoder import BeamDecoder, WordNgram
from speechq.runtime.decoder_settings import DecoderOptions, DecoderSettings, write_settings
from speechq.runtime.model_file import read_model
from speechq.runtime.model_folder import ACOUSTIC, SETTINGS, ModelFiles, find_model
from speechq.text.error_rates import ErrorCounts, matches, phone_errors, word_errors
from speechq.text.units import Units

WordTime = tuple[float, float] | None  # start and end in seconds; None where they are not known


@dataclass(frozen=True)
class Speech:
    """A development set for tuning. ``times`` of the words of each reference, empty where none is known;
    ``frame_seconds`` from one row of the log-probabilities to the next."""

    dev: DevSet
    times: Sequence[Sequence[WordTime]]
    frame_seconds: float


def tune_model(
    files: ModelFiles,
    units: Units,
    speech: Speech,
    config: TuneConfig,
    *,
    beam: int | None = None,
    start: DecoderSettings | None = None,
    fold: Literal[48, 39] | None = None,
    provenance: dict[str, Any] | None = None,
) -> tuple[DecoderSettings, Tuned]:
    """The settings for the decoder of ``files``, found on ``speech``, and how they were found.

    The search begins with the options of ``start``, of ``files`` or built-in ones. Raises ConfigError if
    the model has no language model, which is what the weights belong to.
    """
    names = tuned_names(files.ngram is not None, files.char_lm is not None)
    if not names:
        raise ConfigError(
            f"{files.acoustic}: there is no language model beside it; expected a folder with am.sqm and "
            "lm.sqm, words.bin or words.arpa"
        )
    begin = start or files.calibrated
    options = begin.options.model_copy(update={} if beam is None else {"beam": beam})
    given = options.given()
    first: Weights = {name: float(given.get(name, at)) for name, at in start_weights(names).items()}
    ngram = None if files.ngram is None else WordNgram(files.ngram)
    char_lm = None if files.char_lm is None else CharModel(files.char_lm)

    def decoder(weights: Weights) -> BeamDecoder:
        made = files.decoder(units, ngram=ngram, char_lm=char_lm, **{**given, **weights})
        assert isinstance(made, BeamDecoder)
        return made

    counter: Callable[[str, str], ErrorCounts] = word_errors
    if units.kind == "phones" and files.calibrated.lexicon is None:
        counter = partial(phone_errors, fold_to=fold)
    found = tune(
        decoder,
        speech.dev,
        first,
        known=_known(files),
        count=counter,
        rounds=config.rounds,
        seed=config.seed,
    )
    settings = DecoderSettings(
        options=DecoderOptions.model_validate({**given, **found.after.weights}),
        lexicon=files.calibrated.lexicon,
        provenance={
            **(provenance or {}),
            "dev_utterances": len(speech.dev.references),
            "dev_error_rate": round(found.after.rate, 6),
        },
    )
    return calibrated(settings, found.after, speech), found


def tune_folder(folder: Path, manifest: Path, config: TuneConfig, *, beam: int | None = None) -> Tuned:
    """Tune the model in ``folder`` on the utterances of ``manifest`` and write its ``decoder.json``.

    Raises ModelError, DataError or ConfigError, naming the file, for what cannot be read or tuned.
    """
    files = find_model(folder)
    if not folder.is_dir():
        raise ConfigError(f"{folder}: a single file; expected a folder with {ACOUSTIC} and language models")
    model = read_model(files.acoustic)
    utterances = read_manifest(manifest)
    count = min(config.utterances or len(utterances), len(utterances))
    utterances = [utterances[k] for k in np.linspace(0, len(utterances) - 1, count).round().astype(int)]
    texts = [utterance.text for utterance in utterances]
    speech = Speech(
        DevSet(log_probs_of(files.acoustic, utterances), texts),
        [with_word_labels(utterance).times for utterance in utterances],
        frame_seconds(model),
    )
    facts = {"manifest": manifest.name, "manifest_sha256": sha256(manifest), "seed": config.seed}
    settings, found = tune_model(files, model.units, speech, config, beam=beam, provenance=facts)
    write_settings(folder / SETTINGS, settings)
    return found


def calibrated(settings: DecoderSettings, decoded: Round, speech: Speech) -> DecoderSettings:
    """``settings`` with the calibration and the corrections that fit the words of ``decoded``."""
    confidence: list[float] = []
    right: list[bool] = []
    seen: list[tuple[float, float]] = []
    true: list[tuple[float, float]] = []
    for index, best in enumerate(decoded.best):
        texts = [word.text for word in best.words]
        spoken = speech.dev.references[index].split()
        pairs = matches(spoken, texts)
        ours = {place for _, place in pairs}
        confidence += [word.confidence for word in best.words]
        right += [place in ours for place in range(len(texts))]
        times = speech.times[index] or [None] * len(spoken)
        for there, here in pairs:
            word = best.words[here]
            if (time := times[there]) is not None:
                seen.append((word.start * speech.frame_seconds, word.end * speech.frame_seconds))
                true.append(time)
    fitted = {"calibration": fit_calibration(confidence, right), "times": fit_times(seen, true)}
    return settings.model_copy(update=fitted)


def _known(files: ModelFiles) -> Callable[[str], bool]:
    """Whether the n-gram has a word; without one every word counts as known."""
    if files.ngram is None:
        return lambda word: True
    return _native.Ngram(str(files.ngram)).__contains__
