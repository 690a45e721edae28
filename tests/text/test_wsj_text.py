from __future__ import annotations

import pytest

from speechq.errors import DataError
from speechq.text.normalize import ALPHABET
from speechq.text.wsj_text import has_verbalized_punctuation, normalize_dot, parse_dot_line, tokens_to_text

IBM = (
    "[loud_breath] And new hardware such as the set of personal computers I\\. B\\. M\\. introduced "
    "last week [door_slam]"
)


def test_line_of_a_dot_file():
    assert parse_dot_line("The sale of the hotels (4K0C0301)\n") == ("4k0c0301", "The sale of the hotels")
    assert parse_dot_line("He \\(sic\\) left (01ic0201)") == ("01ic0201", "He \\(sic\\) left")
    with pytest.raises(DataError, match="no id here"):
        parse_dot_line("no id here")


@pytest.mark.parametrize(
    ("raw", "tokens"),
    [
        ("there isn\\'t any", ["THERE", "ISN'T", "ANY"]),
        ("a %percent rise \\.point five", ["A", "PERCENT", "RISE", "POINT", "FIVE"]),
        ("[<door_slam] a [door_slam>] b [ring/] c [/ring] ~ .", ["A", "B", "C"]),
        ("so [tongue_click] <and> then", ["SO", "<NOISE>", "AND", "THEN"]),
        ("one --dash two", ["ONE", "-DASH", "TWO"]),
    ],
)
def test_tokens(raw, tokens):
    assert normalize_dot(raw) == tokens


def test_abbreviations_keep_their_periods_where_the_alphabet_has_one():
    tokens = normalize_dot(IBM)
    assert tokens[0] == tokens[-1] == "<NOISE>"
    assert tokens_to_text(tokens).endswith("COMPUTERS I B M INTRODUCED LAST WEEK")
    assert tokens_to_text(tokens, ALPHABET + ".").endswith("COMPUTERS I. B. M. INTRODUCED LAST WEEK")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("Yes ,comma he said \\.period", "YES COMMA HE SAID PERIOD"),
        ('\\"double\\-quote stop !exclamation\\-point', "DOUBLE QUOTE STOP EXCLAMATION POINT"),
        ("one --dash two (left\\-paren", "ONE DASH TWO LEFT PAREN"),
        ("well -hyphen known 'single-quote", "WELL HYPHEN KNOWN SINGLE QUOTE"),
    ],
)
def test_verbalized_punctuation(raw, text):
    tokens = normalize_dot(raw)
    assert has_verbalized_punctuation(tokens)
    assert tokens_to_text(tokens) == text


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("tell 'em I\\. B\\. M\\. rose five %percent", "TELL 'EM I B M ROSE FIVE PERCENT"),
        ("four \\.point two [misc_noise] percent", "FOUR POINT TWO PERCENT"),
        ("the !very *odd* a:nd <uh> rest", "THE VERY ODD AND UH REST"),
    ],
)
def test_plain_sentences_are_not_taken_for_verbalized_ones(raw, text):
    tokens = normalize_dot(raw)
    assert not has_verbalized_punctuation(tokens)
    assert tokens_to_text(tokens) == text
