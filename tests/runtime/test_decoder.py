"""The beam search against a sum over all alignments, and against a slow beam search."""

from __future__ import annotations

import math
from pathlib import Path

import kenlm
import numpy as np
import pytest
from decoder_cases import EXACT, LETTERS, PHONES, PIECES, WORDS, agrees, quick, seeds, signed
from decoder_reference import HistoryLm, Reference, beam_search, random_log_probs, write_arpa
from hypothesis import given
from hypothesis import strategies as st

from speechq.runtime import BeamDecoder
from speechq.text.units import Units


@pytest.fixture(scope="module")
def phone_arpa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lm") / "phones.arpa"
    return write_arpa(path, ["cat", "kat", "at", "K", "AE"], np.random.default_rng(2))


@given(seed=seeds, alpha=st.floats(0.125, 2, width=32), gamma=st.floats(0, 2, width=32), data=st.data())
@quick
@pytest.mark.parametrize("with_ngram", [False, True])
@pytest.mark.parametrize("with_char_lm", [False, True])
@pytest.mark.parametrize("kind", ["letters", "pieces", "each phone", "lexicon", "phone lexicon"])
def test_an_unbounded_beam_is_the_sum_over_all_alignments(
    arpa: Path,
    phone_arpa: Path,
    kind: str,
    with_char_lm: bool,
    with_ngram: bool,
    seed: int,
    alpha: float,
    gamma: float,
    data: st.DataObject,
) -> None:
    symbols = {"pieces": PIECES, "each phone": PHONES, "phone lexicon": PHONES}.get(kind, LETTERS)
    unit_kind = {"pieces": "pieces", "each phone": "phones", "phone lexicon": "phones"}.get(
        kind, "characters"
    )
    lexicon: dict[str, list[str]] | None = None
    if kind == "lexicon":
        lexicon = {"a": ["a"], "ab": ["ab"], "aba": ["aba"], "one": ["a", "ba"], "bb": ["bb"]}
    if kind == "phone lexicon":
        lexicon = {"cat": ["K AE T"], "kat": ["K AE T", "K T"], "at": ["AE T"], "k": ["K"], "tat": ["T AE T"]}
    hot = {"letters": ["a", "ab", "aa b", "b b", "abb"], "pieces": ["ab", "a b", "b"]}.get(
        kind, ["K AE", "K AE T", "T"] if kind == "each phone" else list(lexicon or ()) + ["a"][:0]
    )
    hotwords = data.draw(st.dictionaries(st.sampled_from(hot), signed, max_size=4))
    path = phone_arpa if unit_kind == "phones" else arpa
    weights = {
        "char_lm_weight": alpha,
        "ngram_weight": gamma,
        "word_bonus": data.draw(signed),
        "char_bonus": data.draw(signed),
        "known_char_lm_weight": data.draw(st.sampled_from([0.0, 0.3, 1.2])),
        "oov_penalty": data.draw(signed),
    }
    rng = np.random.default_rng(seed)
    log_probs = random_log_probs(rng, data.draw(st.integers(0, 5)), len(symbols))
    log_probs[rng.random(log_probs.shape) < 0.1] = -np.inf
    char_lm = HistoryLm(len(symbols), seed % 7) if with_char_lm else None
    decoder = BeamDecoder(
        Units(unit_kind, tuple(symbols)),
        lexicon=lexicon,
        ngram=path if with_ngram else None,
        char_lm=char_lm,
        hotwords=list(hotwords.items()),
        **weights,
        **EXACT,
    )
    reference = Reference(
        unit_kind,
        symbols,
        kenlm.Model(str(path)) if with_ngram else None,
        char_lm,
        lexicon,
        hotwords,
        **weights,
    )
    expected = reference.decode(log_probs)
    found = decoder.decode(log_probs, n_best=100_000)
    if expected:
        agrees(found, expected)
    else:
        assert [h.score for h in found] == [-math.inf]


@given(seed=seeds, beam=st.integers(1, 12), data=st.data())
@quick
@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("with_ngram", [False, True])
@pytest.mark.parametrize("with_char_lm", [False, True])
def test_a_narrow_beam_keeps_the_best_candidates(
    arpa: Path,
    with_char_lm: bool,
    with_ngram: bool,
    closed: bool,
    seed: int,
    beam: int,
    data: st.DataObject,
) -> None:
    rng = np.random.default_rng(seed)
    log_probs = random_log_probs(rng, 14, len(LETTERS), data.draw(st.floats(0.5, 4)))
    log_probs[rng.random(log_probs.shape) < 0.05] = -np.inf
    lexicon = WORDS if closed else None
    hot = WORDS if closed else [*WORDS, "ab a", "abb"]
    hotwords = data.draw(st.dictionaries(st.sampled_from(hot), signed, max_size=3))
    thresholds = {
        "beam_threshold": data.draw(st.floats(1, 12)),
        "symbol_threshold": data.draw(st.floats(-12, -1)),
    }
    weights = {
        "char_lm_weight": data.draw(st.floats(0.125, 2)),
        "ngram_weight": data.draw(st.floats(0, 2)),
        "word_bonus": data.draw(signed),
        "char_bonus": data.draw(signed),
        "known_char_lm_weight": data.draw(st.sampled_from([0.0, 0.3, 1.2])),
        "oov_penalty": data.draw(signed),
    }
    char_lm = HistoryLm(4, seed % 7) if with_char_lm else None
    reference = Reference(
        "characters",
        LETTERS,
        kenlm.Model(str(arpa)) if with_ngram else None,
        char_lm,
        {word: [word] for word in WORDS} if closed else None,
        hotwords,
        **weights,
        vocabulary=("a", "b", "ab", "ba", "aba"),
    )
    expected = beam_search(reference, log_probs, beam=beam, **thresholds)
    decoder = BeamDecoder(
        LETTERS,
        lexicon=lexicon,
        ngram=arpa if with_ngram else None,
        char_lm=char_lm,
        hotwords=list(hotwords.items()),
        beam=beam,
        **thresholds,
        **weights,
    )
    found = {h.text: h.score for h in decoder.decode(log_probs, n_best=1000)}
    if expected:
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-5)
    else:
        assert set(found.values()) == {-math.inf}


@given(seed=seeds, scale=st.floats(0.5, 6))
@quick
def test_a_large_depth_changes_nothing(arpa: Path, seed: int, scale: float) -> None:
    log_probs = random_log_probs(np.random.default_rng(seed), 50, 4, scale)
    deep, deeper = (BeamDecoder(LETTERS, ngram=arpa, beam=8, depth=depth) for depth in (60, 100_000))
    assert deep.decode(log_probs) == deeper.decode(log_probs)


@given(seed=seeds)
@quick
def test_a_wider_beam_is_no_worse_when_it_is_exact(arpa: Path, seed: int) -> None:
    log_probs = random_log_probs(np.random.default_rng(seed), 5, 4)
    exact = BeamDecoder(LETTERS, ngram=arpa, **EXACT).decode(log_probs)[0].score
    for beam in (1, 4, 16):
        assert BeamDecoder(LETTERS, ngram=arpa, beam=beam).decode(log_probs)[0].score <= exact + 1e-9
