"""Our decoder as contenders: every language model that is there, alone and together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from speechq.bench.decoder.contender import BEAM_THRESHOLD, Contender, Counts, Weights
from speechq.bench.decoder.inputs import FloatArray
from speechq.runtime.char_model import CharModel
from speechq.runtime.decoder import BeamDecoder, WordNgram
from speechq.text.units import Units

NAME = "speechq"
NONE, NGRAM, CLOSED = "none", "n-gram", "n-gram, closed"


@dataclass(frozen=True)
class NamedModel:
    """A character model; ``trained`` is False for one of random weights, which is good for times alone."""

    name: str
    model: CharModel
    trained: bool


@dataclass(frozen=True)
class LanguageModels:
    """What the decoders may use. ``words`` is the closed vocabulary; ``hotwords`` go with the open one."""

    ngram: WordNgram | None
    words: Sequence[str]
    characters: Sequence[NamedModel]
    hotwords: Sequence[str] = ()


def our_contenders(
    units: Units, models: LanguageModels, beams: Sequence[int], char_beams: Sequence[int], weights: Weights
) -> list[Contender]:
    """Without language model, with the n-gram closed and open, and with each character model, alone and with
    the n-gram; the last at ``char_beams``, the others at ``beams``."""
    return list(_contenders(units, models, beams, char_beams, weights))


def _contenders(
    units: Units, models: LanguageModels, beams: Sequence[int], char_beams: Sequence[int], weights: Weights
) -> Iterator[Contender]:
    for beam in beams:
        if models.ngram is not None:
            yield contender(units, beam, weights, ngram=models.ngram, words=models.words)
            yield contender(units, beam, weights, ngram=models.ngram)
            if models.hotwords:
                yield contender(units, beam, weights, ngram=models.ngram, hotwords=models.hotwords)
        yield contender(units, beam, weights)
    for beam in char_beams:
        for named in models.characters:
            for ngram in [None] if models.ngram is None else [None, models.ngram]:
                yield contender(units, beam, weights, ngram=ngram, named=named)


def contender(
    units: Units,
    beam: int,
    weights: Weights,
    *,
    ngram: WordNgram | None = None,
    words: Sequence[str] | None = None,
    named: NamedModel | None = None,
    hotwords: Sequence[str] = (),
) -> Contender:
    """Our decoder with these models."""
    decoder = BeamDecoder(
        units,
        lexicon=words,
        ngram=ngram,
        char_lm=None if named is None else named.model,
        beam=beam,
        beam_threshold=BEAM_THRESHOLD,
        ngram_weight=weights.ngram,
        char_lm_weight=weights.char_lm,
        known_char_lm_weight=0.0 if named is None or ngram is None else weights.known_char_lm,
        char_bonus=0.0 if named is None else weights.char_bonus,
        word_bonus=weights.word_bonus,
        oov_penalty=weights.oov_penalty,
        hotwords=hotwords,
    )
    names = [] if ngram is None else [NGRAM if words is None else CLOSED]
    names += [] if named is None else [named.name]
    names += [f"{len(hotwords):,} hotwords"] if hotwords else []

    def count(log_probs: FloatArray) -> Counts:
        stream, prefixes = decoder.stream(), 0
        for t in range(len(log_probs)):
            stream.accept(log_probs[t : t + 1])
            prefixes += stream.prefixes
        counts: Counts = {"prefixes": prefixes}
        return counts if named is None else counts | {"scored": stream.scored}

    return Contender(
        engine=NAME,
        beam=beam,
        lm=" + ".join(names) or NONE,
        decode=lambda log_probs: decoder.decode(log_probs, n_best=1)[0].text,
        count=count,
        stream=decoder.stream,
        closed=words is not None,
        guess=named is None or named.trained,
    )
