from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from slow_kneser_ney import largest_difference, parse_arpa, read_arpa, slow_kneser_ney

from speechq._native import Ngram
from speechq.errors import ConfigError, DataError
from speechq.lm.arpa import write_arpa
from speechq.lm.corpus import read_corpus
from speechq.lm.kneser_ney import estimate

WORDS = ["a", "b", "c", "d", "e", "ä"]
SENTENCES = st.lists(st.lists(st.sampled_from(WORDS), max_size=7), min_size=1, max_size=40).filter(any)
# In this text the last word occurs twice, but only after one word.
LAST_TWICE = "c e d a e a\ng i a e g c\nb a a\na a f\nc b a b a\na a\ng\na\na a a f\n"


def arpa(folder: Path, text: str, order: int = 3, **options: object) -> Path:
    """The ARPA file of a model of ``text``."""
    source, target = folder / "text.txt", folder / "words.arpa"
    source.write_text(text, encoding="utf-8")
    write_arpa(estimate(read_corpus([source]), order, **options), target)  # type: ignore[arg-type]
    return target


def lines(sentences: list[list[str]]) -> str:
    return "".join(" ".join(sentence) + "\n" for sentence in sentences)


@pytest.mark.parametrize(
    "text, oracle, order, prune",
    [
        ("data/lm_books/valid.txt", "valid.o3.arpa.gz", 3, []),
        ("data/lm_books/valid.txt", "valid.o4.prune0011.arpa.gz", 4, [0, 0, 1]),
        ("oracles/tiny.txt", "tiny.o3.fallback.arpa.gz", 3, []),
    ],
)
def test_equals_lmplz(
    shared: Path, tmp_path: Path, text: str, oracle: str, order: int, prune: list[int]
) -> None:
    ours = arpa(tmp_path, (shared / text).read_text(), order, prune=prune, discount_fallback=True)
    with gzip.open(shared / "oracles" / oracle, "rt") as theirs:
        assert largest_difference(read_arpa(ours), parse_arpa(theirs.read())) < 2e-6


def test_equals_lmplz_where_its_last_ngrams_count_differently(tmp_path: Path) -> None:
    # last_ngram.arpa: lmplz -o 3 (KenLM 0.3.0).
    oracle = read_arpa(Path(__file__).with_name("last_ngram.arpa"))
    assert largest_difference(read_arpa(arpa(tmp_path, LAST_TWICE)), oracle) < 2e-6


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sentences=SENTENCES,
    order=st.integers(2, 5),
    prune=st.lists(st.integers(0, 3), max_size=2).map(sorted),
    vocabulary=st.none() | st.sets(st.sampled_from(WORDS)),
)
@example(  # a discount of 3 exactly
    sentences=[[], ["a", "a", "c", "a", "d", "a"], ["d"], ["d", "b", "d"], ["d", "b", "d"]],
    order=2,
    prune=[],
    vocabulary=None,
)
def test_equals_the_slow_reference(
    tmp_path: Path, sentences: list[list[str]], order: int, prune: list[int], vocabulary: set[str] | None
) -> None:
    listed = None
    if vocabulary is not None:
        vocabulary |= {sentences[0][0] if sentences[0] else next(word for text in sentences for word in text)}
        listed = tmp_path / "vocabulary.txt"
        listed.write_text("\n".join(vocabulary), encoding="utf-8")
    options = {"prune": prune, "vocabulary": listed, "discount_fallback": True}
    ours = arpa(tmp_path, lines(sentences), order, **options)
    assert largest_difference(read_arpa(ours), slow_kneser_ney(sentences, order, prune, vocabulary)) < 1e-5


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sentences=SENTENCES,
    context=st.lists(st.sampled_from([*WORDS, "unknown"]), max_size=4),
    order=st.integers(2, 4),
    prune=st.lists(st.integers(0, 2), max_size=3).map(lambda found: [0, *sorted(found)][:2]),
    bos=st.booleans(),
)
def test_probabilities_sum_to_one(
    tmp_path: Path, sentences: list[list[str]], context: list[str], order: int, prune: list[int], bos: bool
) -> None:
    path = arpa(tmp_path, lines(sentences), order, prune=prune, discount_fallback=True)
    model = Ngram(str(path))
    words = {word for text in sentences for word in text} | {"</s>", "<unk>"}
    total = sum(10 ** model.word_scores([*context, word], bos, eos=False)[-1][0] for word in words)
    assert total == pytest.approx(1.0, abs=1e-4)


def test_a_small_text_needs_the_fallback(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"discounts of the 1-grams: 3, 0, 0, 0 .* --discount-fallback"):
        arpa(tmp_path, "a b\n")
    assert arpa(tmp_path, "a b\n", discount_fallback=True).is_file()


@pytest.mark.parametrize("order", [-1, 0, 1, 7])
def test_a_bad_order_is_refused(tmp_path: Path, order: int) -> None:
    with pytest.raises(ConfigError, match="2 to 6"):
        arpa(tmp_path, LAST_TWICE, order)


@pytest.mark.parametrize(
    "prune, message", [([1, 0], "decrease"), ([-1], "0 or more"), ([0] * 4, "at most 3")]
)
def test_bad_thresholds_are_refused(tmp_path: Path, prune: list[int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        arpa(tmp_path, LAST_TWICE, prune=prune)


def test_a_vocabulary_without_any_word_of_the_text_is_refused(tmp_path: Path) -> None:
    listed = tmp_path / "vocabulary.txt"
    listed.write_text("x y\n")
    with pytest.raises(DataError, match=r"vocabulary\.txt: none of its words"):
        arpa(tmp_path, LAST_TWICE, vocabulary=listed)
