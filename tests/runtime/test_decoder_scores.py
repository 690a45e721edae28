"""Hotwords, unknown words and language models in the scores of the beam search."""

from __future__ import annotations

import math
from pathlib import Path

import kenlm
import numpy as np
import pytest
from decoder_cases import LETTERS, spelled
from decoder_reference import HistoryLm, random_log_probs

from speechq.runtime import BeamDecoder
from speechq.runtime.decoder import WordNgram


def test_hotwords_are_taken_back(arpa: Path) -> None:
    plain = BeamDecoder(LETTERS, ngram=arpa)
    hot = BeamDecoder(LETTERS, ngram=arpa, hotwords=[("aba b", 4.0)])
    log_probs = spelled("aba ab", LETTERS, peak=0.99999)
    before, after = plain.decode(log_probs)[0], hot.decode(log_probs)[0]
    assert before.text == after.text == "aba ab"
    assert after.score == pytest.approx(before.score)
    complete = spelled("b aba b", LETTERS, peak=0.99999)
    assert hot.decode(complete)[0].score == pytest.approx(plain.decode(complete)[0].score + 4)


def test_hotwords_bring_out_unknown_words(arpa: Path) -> None:
    log_probs = spelled("abb", LETTERS, peak=0.99999)
    # Between the two b's hardly a blank: without help the known word wins.
    between = int(np.flatnonzero(np.argmax(log_probs, axis=1) == 3)[1]) + 1
    log_probs[between : between + 2] = np.log([0.2, 0.01, 0.01, 0.78])
    assert BeamDecoder(LETTERS, ngram=arpa).decode(log_probs)[0].text == "ab"
    boosted = BeamDecoder(LETTERS, ngram=arpa, hotwords=[("abb", 12.0)])
    assert boosted.decode(log_probs)[0].text == "abb"


def test_unknown_words_keep_the_score_of_the_character_model(arpa: Path) -> None:
    log_probs = spelled("bbb a", LETTERS, peak=0.999)
    model = HistoryLm(4, 3)
    weights = {"char_lm_weight": 0.5, "oov_penalty": -2.0}
    best = BeamDecoder(LETTERS, ngram=arpa, char_lm=model, **weights).decode(log_probs)[0]
    assert best.text == "bbb a"
    units = (3, 3, 3, 1)
    of_word = sum(float(model.row(units[:i])[unit]) for i, unit in enumerate(units))
    assert best.char_lm == pytest.approx(of_word)
    a, end = list(kenlm.Model(str(arpa)).full_scores("bbb a"))[1:]
    assert best.ngram == pytest.approx(math.log(10) * (a[0] + end[0]), rel=1e-6)
    assert best.score == pytest.approx(best.acoustic + 0.5 * of_word + best.ngram - 2)
    assert best.known_char_lm == pytest.approx(float(model.row(units)[2]) + float(model.row((*units, 2))[0]))


def test_an_unfinished_word_of_a_lexicon_stays_out() -> None:
    decoder = BeamDecoder(LETTERS, lexicon=["aab", "b"], beam=4, symbol_threshold=-1.0)
    best = decoder.decode(spelled("b aa", LETTERS, peak=0.9999))[0]
    assert best.text == "b"
    assert best.score == -math.inf


def test_the_character_model_is_called_once_per_frame() -> None:
    model = HistoryLm(4, 0)
    BeamDecoder(LETTERS, char_lm=model).decode(random_log_probs(np.random.default_rng(0), 30, 4))
    assert 0 < model.calls <= 30


def test_an_ngram_is_shared(arpa: Path) -> None:
    shared = WordNgram(arpa)
    log_probs = random_log_probs(np.random.default_rng(0), 20, 4)
    expected = BeamDecoder(LETTERS, ngram=arpa).decode(log_probs)
    assert BeamDecoder(LETTERS, ngram=shared).decode(log_probs) == expected
    assert BeamDecoder(LETTERS, ngram=shared, ngram_weight=2.0).decode(log_probs) != expected
