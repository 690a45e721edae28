"""Names of retraining methods."""

from __future__ import annotations

import pytest

from speechq.config import RetrainConfig
from speechq.methods import RULES, TECHNIQUES, TechniqueConfig, parse_method


def test_a_name_is_a_rule_and_its_techniques() -> None:
    for rule in RULES:
        assert parse_method(rule) == (rule, ())
    assert parse_method("adaptive+kd+ssgd") == ("adaptive", ("kd", "ssgd"))
    assert parse_method("lsq+sam+kd") == ("lsq", ("sam", "kd"))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "'' is no rule for the steps; expected one of direct, fixed"),
        ("kd", "'kd' is no rule"),
        ("adaptive+", "'' is no technique; expected one of kd"),
        ("adaptive+kd+kd", "occurs twice"),
        ("direct+kd", "direct does not train"),
        ("adaptive+ssgd+sam", "ssgd and sam exclude each other"),
        ("adaptive+seqkd+kd", "seqkd and kd exclude each other"),
    ],
)
def test_a_wrong_name_is_explained(name: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_method(name)
    with pytest.raises(ValueError, match=sentence):
        RetrainConfig(methods=(name,))


def test_every_technique_has_its_settings() -> None:
    assert set(TECHNIQUES.values()) == set(TechniqueConfig.model_fields)
