"""The search for decoder weights: it finds what was hidden, and the scores are linear in what it varies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechq import _native
from speechq.bench.results import Utterance
from speechq.bench.words import calibration_error, recognized_words, reliability, time_errors
from speechq.lm.calibrate import fit_calibration, fit_times
from speechq.lm.tune import OF_NGRAM, RANGES, DevSet, _features, start_weights, tune, tuned_names
from speechq.runtime import BeamDecoder
from speechq.runtime.decoder_settings import Calibration, logit
from speechq.text.error_rates import matches, word_errors
from speechq.text.units import Units

UNITS = Units.characters(" AB")
WORDS = ["A", "B", "AB", "BA", "ABA"]


@pytest.fixture(scope="module")
def arpa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A unigram that likes AB and BA."""
    path = tmp_path_factory.mktemp("lm") / "words.arpa"
    chances = {"<unk>": -3.0, "</s>": -0.7, "A": -1.6, "B": -1.6, "AB": -0.5, "BA": -0.5}
    lines = [f"{value}\t{word}\t0" for word, value in chances.items()]
    pairs = ["-0.3\tAB BA", "-0.4\tBA AB"]
    head = ["\\data\\", f"ngram 1={len(lines) + 1}", f"ngram 2={len(pairs)}", "", "\\1-grams:", "-99\t<s>\t0"]
    path.write_text("\n".join([*head, *lines, "", "\\2-grams:", *pairs, "", "\\end\\", ""]))
    return path


def noisy(text: str, rng: np.random.Generator, noise: float) -> np.ndarray:
    """Log-probabilities in which each unit of ``text`` sounds for a frame between blanks."""
    path = [0]
    for unit in UNITS.encode(text):
        path += [unit, 0]
    logits = noise * rng.standard_normal((len(path), len(UNITS)))
    logits[np.arange(len(path)), path] += 2.0
    return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)


class Counting:
    """A character model whose scores depend on how many units came before."""

    def __init__(self, rng: np.random.Generator) -> None:
        chances = rng.dirichlet(np.ones(len(UNITS)), size=100)
        self.rows = np.log(chances).astype(np.float32)

    def start(self) -> tuple[int, np.ndarray]:
        return 0, self.rows[0]

    def advance(self, states: list[int], units: list[int]) -> tuple[list[int], np.ndarray]:
        return [state + 1 for state in states], self.rows[[state + 1 for state in states]]


def dev_set(count: int, noise: float, seed: int = 1) -> DevSet:
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(["AB", "BA"], rng.integers(1, 6))) for _ in range(count)]
    return DevSet([noisy(text, rng, noise) for text in texts], texts)


def test_tuning_takes_weights_that_recognize_more(arpa: Path) -> None:
    dev = dev_set(40, 1.2)
    start = start_weights(OF_NGRAM) | {"ngram_weight": 0.0, "word_bonus": -3.0}
    known = _native.Ngram(str(arpa)).__contains__

    def decoder(weights: dict[str, float]) -> BeamDecoder:
        return BeamDecoder(UNITS, ngram=arpa, beam=16, **weights)

    found = tune(decoder, dev, start, known=known, count=word_errors, rounds=4)
    assert found.before.weights == start
    assert found.after.rate < 0.6 * found.before.rate
    for name, value in found.after.weights.items():
        low, high = RANGES[name]
        assert low <= value <= high
    # What is said of the rounds is what their weights give, and the same input gives the same weights.
    for one in found.rounds:
        texts = [decoder(one.weights).decode(log_probs)[0].text for log_probs in dev.log_probs]
        errors = [word_errors(a, b) for a, b in zip(dev.references, texts, strict=True)]
        total = sum(error.errors for error in errors) / sum(error.reference for error in errors)
        assert one.rate == pytest.approx(total)
    again = tune(decoder, dev, start, known=known, count=word_errors, rounds=4)
    assert [one.weights for one in again.rounds] == [one.weights for one in found.rounds]


def test_only_what_a_decoder_has_is_tuned() -> None:
    assert set(tuned_names(ngram=True, char_lm=True)) == set(RANGES)
    assert set(start_weights(tuple(RANGES))) == set(RANGES)
    assert not set(tuned_names(ngram=True, char_lm=False)) & set(tuned_names(ngram=False, char_lm=True))


@given(seed=st.integers(0, 999))
@settings(max_examples=25, deadline=None)
def test_scores_are_linear_in_the_features(arpa: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    known = _native.Ngram(str(arpa)).__contains__
    weights = {name: float(rng.uniform(*RANGES[name])) for name in RANGES}
    text = " ".join(rng.choice(WORDS, rng.integers(1, 4)))
    decoder = BeamDecoder(UNITS, ngram=arpa, char_lm=Counting(rng), beam=32, **weights)
    row = [1.0, *weights.values()]
    for found in decoder.decode(noisy(text, rng, 1.5)):
        assert np.dot(row, _features(found, known)) == pytest.approx(found.score, abs=1e-4)


# Calibration and times


def test_a_distorted_confidence_is_straightened() -> None:
    rng = np.random.default_rng(2)
    true = rng.uniform(0.02, 0.98, 20_000)
    right = rng.random(20_000) < true
    shown = Calibration(scale=2.5, offset=1.0).apply(true)  # too sure
    fitted = fit_calibration(shown, right)
    assert fitted.scale == pytest.approx(1 / 2.5, rel=0.05)
    assert fitted.offset == pytest.approx(-1 / 2.5, abs=0.05)
    assert logit(fitted.apply(shown)) == pytest.approx(logit(true), abs=0.3)


@given(
    seed=st.integers(0, 99),
    sure=st.sampled_from([0.0, 0.5, 0.999, 1.0]),
    wrong=st.sampled_from([0, 5, 20, 400]),
)
@settings(max_examples=40, deadline=None)
def test_calibration_is_finite_whatever_the_words_are(seed: int, sure: float, wrong: int) -> None:
    rng = np.random.default_rng(seed)
    right = rng.permutation(np.arange(500) >= wrong)
    confidence = np.where(rng.random(500) < 0.9, sure, rng.random(500))
    fitted = fit_calibration(confidence, right)
    assert np.isfinite(fitted.apply(confidence)).all()
    assert fitted.scale >= 0
    if wrong < 20:
        assert fitted == Calibration()


def test_a_constant_delay_is_taken_off() -> None:
    true = [(0.1 * k, 0.1 * k + 0.08) for k in range(50)]
    late = [(start + 0.06, end - 0.02) for start, end in true]
    late[7] = (9.0, 9.5)  # a gross error does not move a median
    found = fit_times(late, true)
    assert (found.start, found.end) == (pytest.approx(-0.06), pytest.approx(0.02))
    assert fit_times([], []).start == 0


def utterance(reference: str, words: list[tuple[str, float, float, float]], times: object) -> Utterance:
    text = " ".join(word for word, *_ in words)
    return Utterance("u", "c", reference, text, 1.0, tuple(words), times)  # type: ignore[arg-type]


def test_words_of_a_result_are_counted_by_hand() -> None:
    words = recognized_words(
        [
            utterance(
                "A B C",
                [("A", 0.1, 0.2, 0.95), ("X", 0.3, 0.4, 0.95), ("C", 0.5, 0.7, 0.25)],
                ((0.0, 0.2), (0.3, 0.4), None),
            ),
            utterance("B", [("B", 1.0, 1.5, 0.25)], ()),
        ]
    )
    assert words.right.tolist() == [True, False, True, True]
    np.testing.assert_allclose(words.errors, [[0.1, 0.0]])
    assert time_errors(words) == (pytest.approx(0.1), pytest.approx(0.0))
    count, sure, right = reliability(words).T
    assert count.tolist() == [0, 0, 2, 0, 0, 0, 0, 0, 0, 2]
    assert (sure[2], right[2], sure[9], right[9]) == (0.25, 1.0, 0.95, 0.5)
    assert calibration_error(words) == pytest.approx((2 * 0.75 + 2 * 0.45) / 4)
    nothing = recognized_words([utterance("A", [], ())])
    assert calibration_error(nothing) is None
    assert time_errors(nothing) is None


def test_matches_are_places_of_equal_words() -> None:
    assert matches(["A", "B", "C", "D"], ["A", "X", "C"]) == [(0, 0), (2, 2)]
    assert matches([], ["A"]) == []
