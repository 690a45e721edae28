from __future__ import annotations

import re
from itertools import chain, islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechq.data.corpora import grammar
from speechq.errors import ConfigError


def take(split: str, count: int, seed: int = 1) -> list[str]:
    return list(islice(grammar.sentences(split, seed), count))


@pytest.fixture(scope="module")
def corpus() -> dict[str, list[str]]:
    return {"train": take("train", 4000), "dev": take("dev", 300), "test": take("test", 300)}


def test_only_capitals_apostrophe_and_single_spaces(corpus: dict[str, list[str]]) -> None:
    for text in chain.from_iterable(corpus.values()):
        assert re.fullmatch(r"[A-Z']+( [A-Z']+)*", text), text
        assert 2 <= len(text.split()) <= 16


def test_at_least_300_word_types_and_all_letters(corpus: dict[str, list[str]]) -> None:
    words = {word for text in corpus["train"] for word in text.split()}
    assert len(words) >= 300
    assert set("ABCDEFGHIJKLMNOPQRSTUVWXYZ'") <= set("".join(words))
    for word in ("TWENTY", "SIXTEENTH", "FEBRUARY", "O'CLOCK", "HALF", "DON'T", "Z"):
        assert word in words


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_no_sentence_is_in_two_splits_whatever_the_seeds(first: int, second: int) -> None:
    chosen = {split: set(take(split, 150, first)) | set(take(split, 150, second)) for split in grammar.SPLITS}
    assert not chosen["train"] & chosen["dev"]
    assert not chosen["train"] & chosen["test"]
    assert not chosen["dev"] & chosen["test"]
    for split, texts in chosen.items():
        assert {grammar.split_of(text) for text in texts} == {split}


def test_sentences_of_one_stream_differ_and_depend_on_the_seed_only() -> None:
    first = take("train", 500)
    assert len(set(first)) == 500
    assert first == take("train", 500)
    assert first != take("train", 500, seed=2)
    assert first[:100] == take("train", 100)


@pytest.mark.parametrize("split", ["dev", "test"])
def test_share_of_words_that_training_never_hears(corpus: dict[str, list[str]], split: str) -> None:
    heard = {word for text in corpus["train"] for word in text.split()}
    tokens = [word for text in corpus[split] for word in text.split()]
    unknown = [word for word in tokens if word not in heard]
    assert 0.02 <= len(unknown) / len(tokens) <= 0.03
    other = "test" if split == "dev" else "dev"
    assert not set(tokens) & grammar.held_out_words(other)
    assert len(set(unknown)) >= 15  # not one word again and again


def test_held_out_words_never_occur_in_training(corpus: dict[str, list[str]]) -> None:
    heard = {word for text in corpus["train"] for word in text.split()}
    assert not heard & (grammar.held_out_words("dev") | grammar.held_out_words("test"))
    assert not grammar.held_out_words("dev") & grammar.held_out_words("test")
    assert grammar.held_out_words("train") == frozenset()


def test_spelled_names_are_their_letters(corpus: dict[str, list[str]]) -> None:
    named = [text for text in corpus["train"] if text.startswith("MY NAME IS ")]
    assert named
    for text in named:
        name, *letters = text.removeprefix("MY NAME IS ").split()
        assert "".join(letters) == name


def test_dates_are_in_the_calendar(corpus: dict[str, list[str]]) -> None:
    ordinals = """FIRST SECOND THIRD FOURTH FIFTH SIXTH SEVENTH EIGHTH NINTH TENTH ELEVENTH TWELFTH THIRTEENTH
    FOURTEENTH FIFTEENTH SIXTEENTH SEVENTEENTH EIGHTEENTH NINETEENTH TWENTIETH THIRTIETH"""
    names = re.findall(r"\w+", ordinals)
    days = {*names, *(f"TWENTY {word}" for word in names[:9]), "THIRTY FIRST"}
    found = {
        match[1]
        for text in corpus["train"]
        if (match := re.search(r" ON THE ((?:[A-Z]+ )?[A-Z]+) OF [A-Z]+", text))
    }
    assert len(found) > 25
    assert found <= days


def test_an_before_vowels(corpus: dict[str, list[str]]) -> None:
    texts = [text for text in corpus["train"] if "LETTERS" not in text and "SPELL" not in text]
    assert any(" AN ORANGE " in text for text in texts)
    assert not any(re.search(r"\bA [AEIOU][A-Z]", text) for text in texts)


def test_unknown_split_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no split 'valid'.*train, dev, test"):
        next(grammar.sentences("valid"))
