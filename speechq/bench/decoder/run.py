"""One benchmark run: our decoder with every language model, and flashlight-text."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from speechq.bench.decoder.contender import BEAM_THRESHOLD, Contender, Weights
from speechq.bench.decoder.flashlight import flashlight_contenders
from speechq.bench.decoder.inputs import Inputs
from speechq.bench.decoder.loop import ROUNDS, measure
from speechq.bench.decoder.ours import LanguageModels, NamedModel, our_contenders
from speechq.bench.decoder.rows import Row, to_row
from speechq.bench.engine.synthetic import synthetic_language_model
from speechq.errors import ConfigError, DataError
from speechq.lm.score import WordModel
from speechq.runtime.char_model import CharModel
from speechq.runtime.decoder import WordNgram
from speechq.text.normalize import ALPHABET
from speechq.text.units import BLANK, Units

RANDOM_LAYERS, RANDOM_HIDDEN, RANDOM_BITS = 2, 512, (2, 4)


def language_models(
    units: Units, ngram: Path | None, char_lms: Sequence[Path], hotwords: int = 0
) -> LanguageModels:
    """The models of these files; without ``char_lms`` LSTMs of 2 x 512 units and random weights.

    The closed vocabulary are the words of the n-gram that the units can spell, of which ``hotwords`` phrases
    of one to three words are made. Raises ModelError for files
    that cannot be used, DataError if the units spell no word.
    """
    words: list[str] = []
    model = None if ngram is None else WordNgram(ngram)
    if model is not None:
        letters = set(units.symbols[1:])
        words = [word for word in model.words if letters.issuperset(word)]
        if not words:
            raise DataError(f"{ngram}: the units can spell none of its words; expected an n-gram that fits")
    named = [NamedModel(f"characters ({path.name})", CharModel(path), True) for path in char_lms]
    if not named:
        for bits in RANDOM_BITS:
            made = synthetic_language_model("lstm", RANDOM_LAYERS, RANDOM_HIDDEN, bits, units)
            name = f"random LSTM {RANDOM_LAYERS}x{RANDOM_HIDDEN}, {bits} bits"
            named.append(NamedModel(name, CharModel(made), False))
    if hotwords and not words:
        raise ConfigError("--hotwords: they are made of the words of an n-gram; expected --ngram as well")
    drawn = random.Random(1)
    phrases = [" ".join(drawn.choices(words, k=1 + k % 3)) for k in range(hotwords)]
    return LanguageModels(model, words, named, list(dict.fromkeys(phrases)))


def units_of(char_lms: Sequence[Path]) -> Units:
    """The units to simulate with: those of the first character model, or English letters."""
    if not char_lms:
        return Units.characters(ALPHABET)
    return replace(CharModel(char_lms[0]).units, symbols=(BLANK, *CharModel(char_lms[0]).units.symbols[1:]))


def run(
    inputs: Inputs,
    models: LanguageModels,
    ngram: Path | None,
    beams: Sequence[int],
    char_beams: Sequence[int],
    weights: Weights,
    *,
    only: Sequence[str] = (),
    peers: bool = False,
    rounds: int = ROUNDS,
) -> list[Row]:
    """Measure all combinations, or ``only`` those of these names, on the same log-probabilities, interleaved.

    Raises ConfigError for a peer that is not installed, and where there is no n-gram for it.
    """
    contenders = chosen(our_contenders(inputs.units, models, beams, char_beams, weights), only)
    if peers:
        if ngram is None:
            raise ConfigError("--peers: the peer has nothing to decode with; expected --ngram as well")
        contenders += flashlight_contenders(inputs.units, ngram, models.words, beams, weights)
    scorer = None if ngram is None else WordModel(ngram)
    return [to_row(one, inputs, scorer, weights) for one in measure(contenders, inputs, rounds)]


def chosen(contenders: Sequence[Contender], only: Sequence[str]) -> list[Contender]:
    """Those whose language models have one of these names, or all; ConfigError where there is none of one."""
    names = list(dict.fromkeys(one.lm for one in contenders))
    for name in only:
        if name not in names:
            raise ConfigError(f"--lm {name}: expected one of {'; '.join(names)}")
    return [one for one in contenders if not only or one.lm in only]


def note(inputs: Inputs, models: LanguageModels, weights: Weights) -> str:
    """What was decoded, and how."""
    return (
        f"{inputs.note}; {inputs.frames:,} frames of {1e3 * inputs.frame_seconds:g} ms; "
        f"{len(models.words):,} words; weights: n-gram {weights.ngram:g}, characters {weights.char_lm:g} (of "
        f"known words {weights.known_char_lm:g}), bonus per word {weights.word_bonus:g} and character "
        f"{weights.char_bonus:g}, unknown word {weights.oov_penalty:g}; "
        f"threshold {BEAM_THRESHOLD:g}; one thread"
    )
