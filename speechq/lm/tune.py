"""The weights of a beam search, found on a development set: ``speechq tune``.

Och, "Minimum error rate training in statistical machine translation" (ACL 2003): the set is decoded, the
weights that rank its lists of hypotheses best are searched for, and the set is decoded again with them. The
lists of all rounds are kept, so that a search never returns to weights that were seen to fail.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from speechq.progress import progress
from speechq.runtime.decoder import BeamDecoder, Hypothesis
from speechq.text.error_rates import ErrorCounts, character_errors

Floats = NDArray[np.float64]
Weights = dict[str, float]

# What is searched, and where: weights of natural logs, bonuses in natural logs.
RANGES = {
    "char_lm_weight": (0.0, 2.0),
    "known_char_lm_weight": (0.0, 1.0),
    "ngram_weight": (0.0, 3.0),
    "char_bonus": (-1.0, 3.0),
    "word_bonus": (-6.0, 5.0),
    "oov_penalty": (-20.0, 0.0),
}
OF_CHAR_LM = ("char_lm_weight", "char_bonus")
OF_NGRAM = ("ngram_weight", "word_bonus", "oov_penalty")
OF_BOTH = ("known_char_lm_weight",)
# Near what the dev set of the mixed recipe likes. Words that no model has judged must cost much; where two
# models judge the known words, each has less to say.
_START_OF_CHAR_LM: Weights = {"char_lm_weight": 0.8, "char_bonus": 1.5}
_START_OF_NGRAM: Weights = {"ngram_weight": 0.7, "word_bonus": 0.5, "oov_penalty": -15.0}
_START_OF_BOTH: Weights = {
    "char_lm_weight": 0.8,
    "known_char_lm_weight": 0.5,
    "ngram_weight": 0.4,
    "char_bonus": 2.0,
    "word_bonus": -3.0,
    "oov_penalty": -5.0,
}
_LISTED = 40  # hypotheses per utterance and round
_DRAWS = 1200  # weights that are tried on the lists per round
_AT_A_TIME = 64
_CHARACTER = 0.05  # what a character error counts beside a word error: it orders weights of equal WER
# What weights at the other end of their ranges cost, in word errors per reference word: a small set should
# not push a weight far for a word or two.
_PULL = 0.001


@dataclass(frozen=True)
class DevSet:
    """Utterances of a development set: ``log_probs`` float32 [frames, units] and what was said."""

    log_probs: Sequence[NDArray[np.float32]]
    references: Sequence[str]


@dataclass(frozen=True)
class Round:
    """Dev decoded with ``weights``: error rate, fraction; ``cost`` is what is made small."""

    weights: Weights
    rate: float
    cost: float
    best: list[Hypothesis]


@dataclass(frozen=True)
class Tuned:
    """All rounds; ``before`` is the first, ``after`` the one with the lowest cost."""

    rounds: list[Round]

    @property
    def before(self) -> Round:
        return self.rounds[0]

    @property
    def after(self) -> Round:
        return min(self.rounds, key=lambda one: one.cost)


@dataclass
class _List:
    """Hypotheses of one utterance: ``features`` per text as ``_features`` has them, and its cost."""

    texts: dict[str, int] = field(default_factory=dict)
    features: list[list[float]] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)


def tuned_names(ngram: bool, char_lm: bool) -> tuple[str, ...]:
    """The options that matter to a decoder with these models."""
    both = OF_BOTH if ngram and char_lm else ()
    return (*(OF_CHAR_LM if char_lm else ()), *both, *(OF_NGRAM if ngram else ()))


def start_weights(names: Sequence[str]) -> Weights:
    """Where the search for the weights of these names begins, and what it is drawn to."""
    if set(OF_BOTH) <= set(names):
        start = _START_OF_BOTH
    else:
        start = _START_OF_CHAR_LM | _START_OF_NGRAM
    return {name: start[name] for name in names}


def tune(
    make_decoder: Callable[[Weights], BeamDecoder],
    dev: DevSet,
    start: Weights,
    *,
    known: Callable[[str], bool],
    count: Callable[[str, str], ErrorCounts],
    rounds: int,
    seed: int = 1,
) -> Tuned:
    """Search the weights named in ``start`` from there, decoding ``dev`` ``rounds`` times.

    ``known`` says whether the n-gram has a word, ``count`` gives the errors of (reference, hypothesis). The
    same input gives the same weights.
    """
    rng = np.random.default_rng(seed)
    lists = [_List() for _ in dev.references]
    done: list[Round] = []
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        with progress("tuning", rounds * len(lists), "utterances") as bar:
            weights = dict(start)
            for _ in range(rounds):
                decode = partial(make_decoder(weights).decode, n_best=_LISTED)
                total, cost, best = ErrorCounts(), 0.0, []
                decoded = pool.map(decode, dev.log_probs)
                for found, hypotheses, reference in zip(lists, decoded, dev.references, strict=True):
                    _add(found, hypotheses, reference, known, count)
                    total += count(reference, hypotheses[0].text)
                    cost += _cost(reference, hypotheses[0].text, count)
                    best.append(hypotheses[0])
                    bar.advance(1, _note(done))
                done.append(Round(weights, total.rate, cost, best))
                weights = _search(lists, min(done, key=lambda one: one.cost).weights, total.reference, rng)
                if any(weights == one.weights for one in done):
                    break
    finally:
        pool.shutdown(cancel_futures=True)  # what is stopped does not decode the rest of the set
    return Tuned(done)


def _note(done: Sequence[Round]) -> str:
    return f"WER {100 * min(one.rate for one in done):.2f} %" if done else ""


def _add(
    found: _List,
    hypotheses: Sequence[Hypothesis],
    reference: str,
    known: Callable[[str], bool],
    count: Callable[[str, str], ErrorCounts],
) -> None:
    for hypothesis in hypotheses:
        if not np.isfinite(hypothesis.score):
            continue
        features = _features(hypothesis, known)
        if hypothesis.text in found.texts:  # another search may have found more of its alignments
            place = found.texts[hypothesis.text]
            if features[0] > found.features[place][0]:
                found.features[place] = features
            continue
        found.texts[hypothesis.text] = len(found.features)
        found.features.append(features)
        found.costs.append(_cost(reference, hypothesis.text, count))


def _cost(reference: str, text: str, count: Callable[[str, str], ErrorCounts]) -> float:
    return count(reference, text).errors + _CHARACTER * character_errors(reference, text).errors


def _features(hypothesis: Hypothesis, known: Callable[[str], bool]) -> list[float]:
    """Acoustic score, then what each option of ``RANGES`` is multiplied with (docs/decoder.md)."""
    words = hypothesis.words
    unknown = sum(not known(word.text) for word in words)
    return [
        hypothesis.acoustic,
        hypothesis.char_lm,
        hypothesis.known_char_lm,
        hypothesis.ngram,
        float(len(hypothesis.alignment)),
        float(len(words)),
        float(unknown),
    ]


def _search(lists: Sequence[_List], center: Weights, words: int, rng: np.random.Generator) -> Weights:
    """The weights that rank the lists best: half drawn over the ranges, half ever nearer to the best.

    ``words``: in all references.
    """
    names = list(center)
    features, costs = _padded(lists, names)
    low = np.array([RANGES[name][0] for name in names])
    high = np.array([RANGES[name][1] for name in names])
    best = np.array([center[name] for name in names])
    home = np.array(list(start_weights(names).values()))

    def cost(weights: Floats) -> Floats:
        pull = np.square((weights - home) / (high - low)).mean(axis=1)
        return np.asarray(_costs(features, costs, weights) + _PULL * words * pull, np.float64)

    lowest = float(cost(best[None])[0])
    for draw in range(0, _DRAWS, _AT_A_TIME):
        if draw < _DRAWS // 2:
            tried = rng.uniform(low, high, (_AT_A_TIME, len(names)))
        else:
            width = 0.3 * (high - low) * 0.03 ** ((draw - _DRAWS / 2) / (_DRAWS / 2))
            tried = np.clip(best + width * rng.standard_normal((_AT_A_TIME, len(names))), low, high)
        tried = np.round(tried, 3)
        found = cost(tried)
        if found.min() < lowest:
            lowest, best = float(found.min()), tried[int(found.argmin())]
    return {name: float(value) for name, value in zip(names, best, strict=True)}


def _padded(lists: Sequence[_List], names: Sequence[str]) -> tuple[Floats, Floats]:
    """``features`` [utterances, hypotheses, 1 + names] and ``costs`` [utterances, hypotheses].

    The hypotheses of shorter lists are repeated.
    """
    longest = max((len(one.costs) for one in lists), default=0)
    columns = [0, *(1 + list(RANGES).index(name) for name in names)]
    kept = [one for one in lists if one.costs]
    features = np.zeros((len(kept), longest, len(columns)))
    costs = np.zeros((len(kept), longest))
    for row, one in enumerate(kept):
        index = np.minimum(np.arange(longest), len(one.costs) - 1)
        features[row] = np.array(one.features)[index][:, columns]
        costs[row] = np.array(one.costs)[index]
    return features, costs


def _costs(features: Floats, costs: Floats, weights: Floats) -> Floats:
    """Total cost [tried] of the texts that each row of ``weights`` [tried, names] puts first."""
    full = np.concatenate([np.ones((len(weights), 1)), weights], axis=1)
    first = np.argmax(features @ full.T, axis=1)  # [utterances, tried]
    return np.asarray(np.take_along_axis(costs, first, axis=1).sum(axis=0), np.float64)
