"""Beam search with language models: log-probabilities of a CTC network to text, at once or in a stream.

``docs/decoder.md`` states what is searched, scored, pruned and committed. All scores are natural logs; times
are frames of the log-probabilities.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speechq import _native
from speechq.errors import ConfigError, DataError, ModelError
from speechq.runtime.char_model import CharModel
from speechq.runtime.lexicon import Lexicon, lexicon_entries
from speechq.text.units import PIECE_SPACE, UnitKind, Units

HOTWORD_BOOST = 5.0
_MARKS = ("<s>", "</s>", "<unk>", "<UNK>")


@dataclass(frozen=True)
class Word:
    """A word from frame ``start`` up to, not including, frame ``end``; the probability that it is right."""

    text: str
    start: int
    end: int
    confidence: float


@dataclass(frozen=True)
class Hypothesis:
    """A text and what it is worth.

    ``score`` is ``acoustic + char_lm_weight * char_lm + known_char_lm_weight * known_char_lm +
    ngram_weight * ngram``, with bonuses, penalties and hotwords. ``ngram`` is of the words that the n-gram
    knows, ``known_char_lm`` what the character model gives the same words, ``char_lm`` what it gives the
    others. ``alignment`` has the frame of each unit's peak.
    """

    text: str
    words: tuple[Word, ...]
    score: float
    acoustic: float
    char_lm: float
    known_char_lm: float
    ngram: float
    alignment: tuple[tuple[int, int], ...]  # (unit, frame)


class CharLm(Protocol):
    """A language model over units in Python. States are any objects and must not be changed once given away.

    Scores are float32, natural log, one per unit; entry 0, the blank's place, is the end of the sentence.
    """

    def start(self) -> tuple[Any, NDArray[np.float32]]:
        """The state before the first unit, and the scores [units] of that unit."""
        ...

    def advance(self, states: list[Any], units: list[int]) -> tuple[Sequence[Any], NDArray[np.float32]]:
        """The state when each unit follows each state, and the scores [len(states), units] of the next."""
        ...


class WordNgram:
    """A word n-gram in memory, to be shared by several decoders: an ARPA file or a KenLM binary file.

    Raises ModelError for a file that is missing, damaged, or of an order above 6.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if not Path(path).is_file():
            raise ModelError(f"{path}: there is no such file; expected an ARPA file or a KenLM binary file")
        try:
            self.native = _native.DecoderNgram(os.fspath(path))
        except RuntimeError as error:
            raise ModelError(str(error)) from None

    @property
    def words(self) -> list[str]:
        """The words that it knows, without the marks ``<s>``, ``</s>`` and ``<unk>``."""
        return [word for word in self.native.words if word not in _MARKS]


class BeamDecoder:
    """Beam search on a tree of prefixes (Hwang and Sung, ICASSP 2016; Hannun et al., 2014).

    ``units``: symbols in the order of the log-probabilities, the first one the blank. Of a plain list,
    symbols with the word-piece marker make it word pieces, only single characters make it characters, and
    anything else phones.

    ``lexicon`` closes the vocabulary: a file (a word per line, with its spelling in units behind it if that
    is not the word itself), a list of words, or a mapping from words to one or several spellings. ``ngram``:
    an ARPA or KenLM file, or a :class:`WordNgram`. ``char_lm``: the file of a packed model with the same
    units, a :class:`CharModel`, or a :class:`CharLm`. ``hotwords``: phrases or (phrase, boost) pairs; a boost
    is added to the score at every occurrence, 5 unless told.

    ``beam`` prefixes are kept per frame, none worse than the best by more than ``beam_threshold``; at most
    ``depth`` units stay undecided behind the best prefix. Units whose log-probability is below the frame's
    highest by more than ``-symbol_threshold`` do not extend prefixes. ``word_bonus`` is per word,
    ``char_bonus`` per unit, ``oov_penalty`` (negative) per word that the n-gram does not know. The n-gram's
    score of a word that it knows replaces the character model's, or is added to it times
    ``known_char_lm_weight``. With ``char_lm_weight`` 0 a character model is left out; with ``ngram_weight`` 0
    an n-gram gives only its vocabulary.

    Raises ConfigError for options that are not valid, DataError for a lexicon or hotword that does not fit
    the units, ModelError for a language model that cannot be read and a character model with other units.
    """

    def __init__(
        self,
        units: Units | Sequence[str],
        *,
        lexicon: Lexicon | None = None,
        ngram: str | os.PathLike[str] | WordNgram | None = None,
        char_lm: str | os.PathLike[str] | CharModel | CharLm | None = None,
        beam: int = 64,
        beam_threshold: float = 20.0,
        depth: int = 60,
        symbol_threshold: float = -10.0,
        ngram_weight: float = 1.0,
        char_lm_weight: float = 1.0,
        known_char_lm_weight: float = 0.0,
        word_bonus: float = 0.0,
        char_bonus: float = 0.0,
        oov_penalty: float = -10.0,
        hotwords: Iterable[str | tuple[str, float]] | None = None,
    ) -> None:
        self.units = units if isinstance(units, Units) else _units_of(units)
        if ngram is not None and not isinstance(ngram, WordNgram):
            ngram = WordNgram(ngram)
        options: dict[str, Any] = {
            "beam": beam,
            "beam_threshold": beam_threshold,
            "depth": depth,
            "symbol_threshold": symbol_threshold,
            "ngram_weight": ngram_weight,
            "char_lm_weight": char_lm_weight,
            "known_char_lm_weight": known_char_lm_weight,
            "word_bonus": word_bonus,
            "char_bonus": char_bonus,
            "oov_penalty": oov_penalty,
        }
        _check_options(options)
        entries = None if lexicon is None else lexicon_entries(lexicon)
        try:
            self.native = _native.make_decoder(
                kind=self.units.kind,
                symbols=list(self.units.symbols),
                lexicon=entries,
                ngram=None if ngram is None else ngram.native,
                char_lm=_native_char_lm(char_lm, self.units),
                hotwords=_boosts(hotwords or ()),
                **options,
            )
        except ValueError as error:
            raise DataError(str(error)) from None

    def decode(self, log_probs: ArrayLike, n_best: int = 10) -> list[Hypothesis]:
        """The best texts of ``log_probs`` float32 [frames, len(units)], natural log, best first; at least
        one.

        The scores of the end of a sentence are applied. Raises DataError for NaN, values above 0 and wrong
        shapes.
        """
        stream = self.stream()
        stream.accept(log_probs)
        return stream.finish(n_best)

    def stream(self) -> DecoderStream:
        """A stream of its own; streams of one decoder may run in several threads, each in one at a time."""
        return DecoderStream(self)


class DecoderStream:
    """Decodes log-probabilities as they come. How they are cut does not change anything."""

    def __init__(self, decoder: BeamDecoder) -> None:
        self._units = len(decoder.units)
        self._native = _native.DecoderStream(decoder.native)

    def accept(self, log_probs: ArrayLike) -> None:
        """Take the next ``log_probs`` float32 [frames, len(units)]; none of them if it raises DataError."""
        rows = np.ascontiguousarray(log_probs, dtype=np.float32)
        if rows.ndim != 2 or rows.shape[1] != self._units:
            raise DataError(
                f"log-probabilities of shape {list(rows.shape)}: expected [frames, {self._units}]"
            )
        try:
            self._native.accept(rows)
        except ValueError as error:
            raise DataError(str(error)) from None

    @property
    def stable_text(self) -> str:
        """The text of the current segment that never changes again."""
        text: str = self._native.stable_text
        return text

    @property
    def partial(self) -> str:
        """What follows ``stable_text`` in the best prefix so far; it may change."""
        text: str = self._native.partial
        return text

    @property
    def frames(self) -> int:
        """Frames taken since the beginning of the stream."""
        count: int = self._native.frames
        return count

    @property
    def prefixes(self) -> int:
        """Prefixes in the beam."""
        count: int = self._native.prefixes
        return count

    @property
    def scored(self) -> int:
        """Prefixes that the character model has looked at since the beginning of the stream."""
        count: int = self._native.scored
        return count

    @property
    def bytes(self) -> int:
        """Memory of the stream without the text of the current segment."""
        count: int = self._native.bytes
        return count

    def best(self, n_best: int = 1) -> list[Hypothesis]:
        """The best texts of the current segment as if it ended here."""
        return [_hypothesis(value) for value in self._native.best(n_best)]

    def finish(self, n_best: int = 10) -> list[Hypothesis]:
        """End the segment and give its best texts; the next frames begin another one, counted on."""
        return [_hypothesis(value) for value in self._native.finish(n_best)]

    def reset(self) -> None:
        """Forget everything, as a new stream."""
        self._native.reset()


def _boosts(hotwords: Iterable[str | tuple[str, float]]) -> list[tuple[str, float]]:
    if isinstance(hotwords, str):
        raise ConfigError(f"hotwords: {hotwords!r} is one text; expected a list of phrases")
    pairs = ((item, HOTWORD_BOOST) if isinstance(item, str) else item for item in hotwords)
    # Of a phrase that is named twice the last boost counts.
    return list({" ".join(phrase.split()): float(boost) for phrase, boost in pairs}.items())


def _native_char_lm(char_lm: Any, units: Units) -> Any:
    if char_lm is None:
        return None
    if isinstance(char_lm, str | os.PathLike):
        char_lm = CharModel(char_lm)
    if isinstance(char_lm, CharModel):
        char_lm.check(units)
        return char_lm.native
    if not (hasattr(char_lm, "start") and hasattr(char_lm, "advance")):
        raise ConfigError(
            f"char_lm: {char_lm!r} is no character model; expected a file, a CharModel, or an object with "
            "start() and advance()"
        )
    return _native.PythonCharLm(char_lm, len(units))


def _units_of(symbols: Sequence[str]) -> Units:
    from speechq.text.units import BLANK

    names = symbols[1:]
    kind: UnitKind = "phones"
    if any(name.startswith(PIECE_SPACE) for name in names):
        kind = "pieces"
    elif all(len(name) == 1 for name in names):
        kind = "characters"
    return Units(kind, (BLANK, *names))


def _check_options(options: Mapping[str, Any]) -> None:
    """Raise ConfigError for the first option that cannot be used."""
    for name in ("beam", "depth"):
        if not isinstance(options[name], int) or not 1 <= options[name] <= 1_000_000:
            raise ConfigError(f"{name} is {options[name]!r}: expected a whole number from 1 to 1,000,000")
    for name, value in options.items():
        if not isinstance(value, int | float) or np.isnan(value):
            raise ConfigError(f"{name} is {value!r}: expected a number")
        if np.isinf(value) and not name.endswith("_threshold"):
            raise ConfigError(f"{name} is {value!r}: expected a finite number")
        if name.endswith("_weight") and value < 0:
            raise ConfigError(f"{name} is {value!r}: expected 0 or more")
    if options["beam_threshold"] <= 0:
        raise ConfigError(f"beam_threshold is {options['beam_threshold']!r}: expected a number above 0")
    if options["symbol_threshold"] >= 0:
        raise ConfigError(f"symbol_threshold is {options['symbol_threshold']!r}: expected a number below 0")


def _hypothesis(value: Any) -> Hypothesis:
    text, words, score, acoustic, char_lm, known_char_lm, ngram, units = value
    return Hypothesis(
        text,
        tuple(Word(*word) for word in words),
        score,
        acoustic,
        char_lm,
        known_char_lm,
        ngram,
        tuple(units),
    )
