"""flashlight-text as a contender: its lexicon decoder with KenLM."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from speechq.bench.decoder.contender import BEAM_THRESHOLD, Contender, Counts, Weights
from speechq.bench.decoder.inputs import NEVER, FloatArray, separator_of
from speechq.bench.decoder.ours import CLOSED
from speechq.errors import ConfigError
from speechq.text.units import Units

NAME = "flashlight-text"
FEW_SYMBOLS = 10  # considered per frame, where not all are


def flashlight_contenders(
    units: Units, ngram: Path, words: Sequence[str], beams: Sequence[int], weights: Weights
) -> list[Contender]:
    """Its lexicon decoder with all symbols of a frame, and with the likeliest ``FEW_SYMBOLS`` alone.

    Probabilities of alignments are added, as ours are. Its scores of words are log10, so its weight is ours
    times ln 10. Raises ConfigError where the package is not installed.
    """
    try:
        from flashlight.lib.text import decoder as library
        from flashlight.lib.text.decoder.kenlm import KenLM
        from flashlight.lib.text.dictionary import Dictionary
    except ModuleNotFoundError as error:
        raise ConfigError(
            "the peer needs the package flashlight-text (Python up to 3.12): pip install 'speechq[bench]'"
        ) from error
    separator = separator_of(units)
    dictionary = Dictionary()
    for word in (*words, "<unk>"):
        dictionary.add_entry(word)
    unknown = dictionary.get_index("<unk>")
    model = KenLM(str(ngram), dictionary)
    trie, start = library.Trie(len(units), 1), model.start(False)
    for word in words:
        number = dictionary.get_index(word)
        trie.insert([*units.encode(word), separator], number, model.score(start, number)[1])
    trie.smear(library.SmearingMode.MAX)

    def contender(engine: str, symbols: int, beam: int) -> Contender:
        options = library.LexiconDecoderOptions(
            beam_size=beam,
            beam_size_token=symbols,
            beam_threshold=BEAM_THRESHOLD,
            lm_weight=weights.ngram * math.log(10),
            word_score=weights.word_bonus,
            unk_score=-math.inf,
            sil_score=0.0,
            log_add=True,
            criterion_type=library.CriterionType.CTC,
        )
        searcher = library.LexiconDecoder(options, trie, model, separator, 0, unknown, [], False)

        def decode(log_probs: FloatArray) -> str:
            searcher.decode_begin()
            searcher.decode_step(log_probs.ctypes.data, *log_probs.shape)
            searcher.decode_end()
            found = searcher.get_best_hypothesis().words
            return " ".join(dictionary.get_entry(word) for word in found if word >= 0)

        return Contender(
            engine, beam, CLOSED, decode, count=lambda log_probs: _count(searcher, log_probs), closed=True
        )

    names = {NAME: len(units), f"{NAME}, {FEW_SYMBOLS} symbols": min(len(units), FEW_SYMBOLS)}
    return [contender(engine, symbols, beam) for beam in beams for engine, symbols in names.items()]


def _count(searcher: Any, log_probs: FloatArray) -> Counts:
    entries = 0
    searcher.decode_begin()
    for row in log_probs:
        searcher.decode_step(row.ctypes.data, 1, len(row))
        entries += sum(one.score > NEVER for one in searcher.get_all_final_hypothesis())
    searcher.decode_end()
    return {"prefixes": entries}
