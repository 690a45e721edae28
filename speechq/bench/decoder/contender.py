"""A decoder with its settings, and what one run of the benchmark measures of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from speechq.bench.decoder.inputs import FloatArray
from speechq.runtime.decoder import DecoderStream

Counts = dict[str, float]


@dataclass(frozen=True)
class Weights:
    """Natural logs, as of :class:`BeamDecoder`; the same for all decoders.

    ``known_char_lm`` and ``char_bonus`` are of those with a character model.
    """

    ngram: float = 1.0
    char_lm: float = 0.5
    known_char_lm: float = 0.0
    char_bonus: float = 0.0
    word_bonus: float = 0.0
    oov_penalty: float = -30.0


BEAM_THRESHOLD = 20.0


@dataclass(frozen=True)
class Contender:
    """``decode`` gives the best text of one utterance; ``count`` what it holds, summed over its frames.

    Counts are ``prefixes``, entries of the beam after each frame, and for a character model ``scored``, the
    prefixes that it looked at. ``guess`` is False where texts mean nothing, since a model has random weights.
    """

    engine: str
    beam: int
    lm: str
    decode: Callable[[FloatArray], str]
    count: Callable[[FloatArray], Counts]
    stream: Callable[[], DecoderStream] | None = None  # ours alone
    closed: bool = False  # only words of the lexicon
    guess: bool = True


@dataclass
class Measured:
    """Seconds of processor time per utterance and round, and what was found."""

    contender: Contender
    texts: list[str] = field(default_factory=list)
    counts: Counts = field(default_factory=dict)
    seconds: list[list[float]] = field(default_factory=list)
