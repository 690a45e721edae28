"""The decoder's scores as a slow formula over complete texts: all alignments of all unit sequences."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import kenlm
import numpy as np

MARKER = "\u2581"
Units = tuple[int, ...]
Scored = tuple[str, float, float, float, float, float]  # text, score, acoustic, char_lm, known_char_lm, ngram


def random_log_probs(rng: np.random.Generator, frames: int, symbols: int, scale: float = 2.0) -> np.ndarray:
    """Float32 [frames, symbols], natural log, rows that sum to 1."""
    x = rng.normal(size=(frames, symbols)) * scale
    return (x - np.logaddexp.reduce(x, axis=1, keepdims=True)).astype(np.float32)


class HistoryLm:
    """A character model whose scores are an arbitrary function of the whole history."""

    def __init__(self, symbols: int, seed: int) -> None:
        self.symbols, self.seed, self.calls = symbols, seed, 0
        self.rows: dict[Units, np.ndarray] = {}

    def row(self, history: Units) -> np.ndarray:
        if history in self.rows:
            return self.rows[history]
        digest = hashlib.sha256(repr((self.seed, history)).encode()).digest()
        rng = np.random.default_rng(int.from_bytes(digest[:8], "little"))
        self.rows[history] = random_log_probs(rng, 1, self.symbols)[0]
        return self.rows[history]

    def start(self) -> tuple[Units, np.ndarray]:
        return (), self.row(())

    def advance(self, states: list[Units], units: list[int]) -> tuple[list[Units], np.ndarray]:
        self.calls += 1
        after = [(*state, unit) for state, unit in zip(states, units, strict=True)]
        return after, np.stack([self.row(history) for history in after])


def write_arpa(path: Path, words: Sequence[str], rng: np.random.Generator) -> Path:
    """A bigram of random weights; every word may follow every other one."""
    unigrams = ["<unk>", "<s>", "</s>", *words]
    lines = ["\\data\\", f"ngram 1={len(unigrams)}"]
    pairs = [(a, b) for a in ("<s>", *words) for b in ("</s>", *words) if rng.random() < 0.6]
    lines += [f"ngram 2={len(pairs)}", "", "\\1-grams:"]
    for word in unigrams:
        score = -99.0 if word == "<s>" else -3 * rng.random() - 0.1
        lines.append(f"{score:.6f}\t{word}" + ("" if word == "</s>" else f"\t{-rng.random():.6f}"))
    lines += ["", "\\2-grams:"]
    lines += [f"{-2 * rng.random() - 0.1:.6f}\t{a} {b}" for a, b in pairs]
    path.write_text("\n".join([*lines, "", "\\end\\", ""]), encoding="utf-8")
    return path


@dataclass
class Parse:
    """Words of a unit sequence: units[begin:end] each, ended by the unit at `end` if that is a separator."""

    words: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]


@dataclass
class Reference:
    kind: str
    symbols: Sequence[str]
    ngram: kenlm.Model | None = None
    char_lm: HistoryLm | None = None
    lexicon: Mapping[str, Sequence[str]] | None = None  # word: spellings, as text of the units
    hotwords: Mapping[str, float] = field(default_factory=dict)
    ngram_weight: float = 1.0
    char_lm_weight: float = 1.0
    known_char_lm_weight: float = 0.0
    word_bonus: float = 0.0
    char_bonus: float = 0.0
    oov_penalty: float = -10.0
    vocabulary: Sequence[str] = ()  # of the n-gram

    def __post_init__(self) -> None:
        lone = {"characters": " ", "pieces": MARKER, "phones": None}[self.kind]
        self.separator = self.symbols.index(lone) if lone in self.symbols[1:] else 0
        marked = self.kind == "pieces" and any(s.startswith(MARKER) and s != MARKER for s in self.symbols)
        self.by_lexicon = self.lexicon is not None and not self.separator and not marked

    def decode(self, log_probs: np.ndarray) -> list[Scored]:
        """All possible texts, best first."""
        best: dict[str, Scored] = {}
        for units, acoustic in self.acoustics(log_probs).items():
            for parse in self.parses(units):
                text = " ".join(parse.words)
                result = (text, *self.score(units, parse, acoustic))
                if result[1] > -math.inf and (text not in best or best[text][1] < result[1]):
                    best[text] = result
        return sorted(best.values(), key=lambda result: -result[1])

    def acoustics(self, log_probs: np.ndarray) -> dict[Units, float]:
        """Log-probability of every unit sequence: the sum over all its alignments."""
        sums: dict[Units, float] = {}
        for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
            score = sum(float(row[symbol]) for row, symbol in zip(log_probs, path, strict=True))
            units = self.normalized(tuple(s for s, _ in itertools.groupby(path) if s))
            sums[units] = float(np.logaddexp(sums.get(units, -math.inf), score))
        return sums

    def normalized(self, units: Units) -> Units:
        """Without separators at the ends and next to another one."""
        if not self.separator:
            return units
        words = [tuple(w) for sep, w in itertools.groupby(units, lambda u: u == self.separator) if not sep]
        return tuple(itertools.chain(*((w if i == 0 else (self.separator, *w)) for i, w in enumerate(words))))

    def letters(self, units: Units) -> str:
        glue = " " if self.kind == "phones" else ""
        return glue.join(self.symbols[unit].removeprefix(MARKER) for unit in units)

    def parses(self, units: Units) -> Iterator[Parse]:
        if self.by_lexicon:
            yield from self.segmentations(units, 0)
            return
        if not units:
            yield Parse((), ())
            return
        starts = [0]
        for i in range(1, len(units)):
            after = units[i - 1] == self.separator and self.separator != 0
            marked = self.symbols[units[i]].startswith(MARKER) and units[i] != self.separator
            if after or marked or self.kind == "phones":
                starts.append(i)
        ends = [*starts[1:], len(units)]
        spans = [
            (begin, end - 1 if self.separator and units[end - 1] == self.separator else end)
            for begin, end in zip(starts, ends, strict=True)
        ]
        spelled = [self.letters(units[begin:end]) for begin, end in spans]
        if self.lexicon is None:
            yield Parse(tuple(spelled), tuple(spans))
            return
        choices = [[w for w, spellings in self.lexicon.items() if s in spellings] for s in spelled]
        for words in itertools.product(*choices):
            yield Parse(words, tuple(spans))

    def segmentations(self, units: Units, begin: int) -> Iterator[Parse]:
        if begin == len(units):
            yield Parse((), ())
            return
        assert self.lexicon is not None
        for end in range(begin + 1, len(units) + 1):
            spelled = self.letters(units[begin:end])
            for word, spellings in self.lexicon.items():
                if spelled in spellings:
                    for rest in self.segmentations(units, end):
                        yield Parse((word, *rest.words), ((begin, end), *rest.spans))

    def value(self, prefix: Units) -> float:
        """What a prefix of characters is worth beyond its acoustics, its last word not closed."""
        text = self.letters(prefix)
        *words, opened = text.split(" ")
        if self.lexicon is not None and not (
            all(word in self.lexicon for word in words) and any(w.startswith(opened) for w in self.lexicon)
        ):
            return -math.inf
        value = self.char_bonus * len(prefix) + self.word_bonus * len(words)
        rows = [] if self.char_lm is None else [self.char_lm.row(prefix[:i]) for i in range(len(prefix))]
        chars = [float(row[unit]) for row, unit in zip(rows, prefix, strict=False)]
        vocabulary = self.vocabulary if self.lexicon is None else tuple(self.lexicon)
        scores = [] if self.ngram is None else list(self.ngram.full_scores(" ".join(words), eos=False))
        begin = 0
        for i, word in enumerate(words):
            end = begin + len(word) + 1
            if self.ngram is not None and word in self.ngram:
                value += self.ngram_weight * math.log(10) * scores[i][0]
                value += self.known_char_lm_weight * sum(chars[begin:end])
            else:
                value += self.char_lm_weight * sum(chars[begin:end])
                value += self.oov_penalty if self.ngram is not None else 0.0
            begin = end
        if opened:
            value += self.char_lm_weight * sum(chars[begin:])
            ways = [word for word in vocabulary if word.startswith(opened)]
            if self.ngram is not None and not ways:
                value += self.oov_penalty
            elif self.ngram is not None and self.char_lm is None:
                value += max(self.unigram(word) for word in ways)
        padded = " " + text
        lent = 0.0
        for phrase, boost in self.hotwords.items():
            pattern = f" {phrase} "
            value += boost * sum(padded[i:].startswith(pattern) for i in range(len(padded)))
            for matched in range(1, len(pattern)):
                if padded.endswith(pattern[:matched]):
                    lent = max(lent, boost * matched / len(pattern))
        return value + lent

    def unigram(self, word: str) -> float:
        assert self.ngram is not None
        if word not in self.ngram:
            return self.oov_penalty
        return self.ngram_weight * math.log(10) * self.ngram.score(word, bos=False, eos=False)

    def score(self, units: Units, parse: Parse, acoustic: float) -> tuple[float, float, float, float, float]:
        scores = [] if self.ngram is None else list(self.ngram.full_scores(" ".join(parse.words)))
        known = [False] * len(parse.words) if self.ngram is None else [not oov for _, _, oov in scores[:-1]]
        ngram = math.log(10) * sum(
            log10 for (log10, _, _), counts in zip(scores, [*known, True], strict=False) if counts
        )
        chars = {False: 0.0, True: 0.0}  # by whether the n-gram knows the word
        if self.char_lm is not None:
            rows = [self.char_lm.row(units[:i]) for i in range(len(units) + 1)]
            each = [float(rows[i][unit]) for i, unit in enumerate(units)]
            for (begin, end), is_known in zip(parse.spans, known, strict=True):
                chars[is_known] += sum(each[begin:end])
                if end == len(units):
                    chars[is_known] += float(rows[end][0])
                elif self.separator and units[end] == self.separator:
                    chars[is_known] += each[end]
            if not units and self.ngram is None:
                chars[False] += float(rows[0][0])
        score = acoustic + self.char_lm_weight * chars[False] + self.known_char_lm_weight * chars[True]
        score += self.ngram_weight * ngram
        score += self.char_bonus * len(units) + self.word_bonus * len(parse.words)
        if self.ngram is not None:
            score += self.oov_penalty * known.count(False)
        for phrase, boost in self.hotwords.items():
            wanted = tuple(phrase.split())
            score += boost * sum(parse.words[i : i + len(wanted)] == wanted for i in range(len(parse.words)))
        return score, acoustic, chars[False], chars[True], ngram


def beam_search(
    reference: Reference, log_probs: np.ndarray, beam: int, beam_threshold: float, symbol_threshold: float
) -> dict[str, float]:
    """Scores of the texts that a search over characters ends with: every candidate, then the best ones."""
    separator, symbols = reference.separator, range(1, log_probs.shape[1])
    states: dict[Units, tuple[float, float]] = {(): (-math.inf, 0.0)}  # ending in the label, in a blank
    for row in log_probs.astype(np.float64):
        extending = [k for k in symbols if row[k] >= row.max() + symbol_threshold and row[k] > -math.inf]
        following: dict[Units, list[float]] = {}
        for prefix, (label, blank) in states.items():
            total = float(np.logaddexp(label, blank))
            own, waiting = following.setdefault(prefix, [-math.inf, -math.inf]), row[0] + total
            if not prefix:
                waiting = np.logaddexp(waiting, row[separator] + total)
            else:
                held = total if prefix[-1] == separator else label
                own[0] = float(np.logaddexp(own[0], row[prefix[-1]] + held))
            own[1] = float(waiting)
            for k in symbols:
                longer = (*prefix, k)
                if k == separator and (not prefix or prefix[-1] == separator):
                    continue
                if longer in states or k in extending:
                    came_in = row[k] + (blank if prefix and prefix[-1] == k else total)
                    place = following.setdefault(longer, [-math.inf, -math.inf])
                    place[0] = float(np.logaddexp(place[0], came_in))
        scored = [
            (float(np.logaddexp(*both)) + reference.value(prefix), prefix)
            for prefix, both in following.items()
        ]
        scored = sorted((s for s in scored if s[0] > -math.inf), reverse=True)[:beam]
        states = {
            prefix: (following[prefix][0], following[prefix][1])
            for score, prefix in scored
            if score >= scored[0][0] - beam_threshold
        }
    acoustics: dict[Units, float] = {}
    for prefix, both in states.items():
        units = reference.normalized(prefix)
        acoustics[units] = float(np.logaddexp(acoustics.get(units, -math.inf), np.logaddexp(*both)))
    return {
        " ".join(parse.words): reference.score(units, parse, acoustic)[0]
        for units, acoustic in acoustics.items()
        for parse in reference.parses(units)
    }
