from __future__ import annotations

import pytest

from speechq.errors import ConfigError
from speechq.quant.scheme import parse_scheme


def test_base() -> None:
    scheme = parse_scheme("w6a8")
    assert [scheme.weight(group) for group in ("l0.in", "l3.rec", "l1.conv", "l0.skip", "out")] == [6] * 5
    assert [scheme.signal(group) for group in ("feat", "l0.h", "l0.gate", "l0.cell")] == [8, 8, None, None]
    assert not scheme.is_float


def test_parts() -> None:
    assert parse_scheme("w4").weight("out") == 4 and parse_scheme("w4").signal("feat") is None
    assert parse_scheme("a8").weight("out") is None and parse_scheme("a8").signal("feat") == 8
    scheme = parse_scheme("float")
    assert scheme.is_float and scheme.weight("l0.in") is None and scheme.signal("feat") is None
    assert parse_scheme("float,l0.h=a4").signal("l0.h") == 4 and not parse_scheme("float,l0.h=a4").is_float


def test_design_example() -> None:
    scheme = parse_scheme(" w2a8, first=w8, out=w8, gate=a8, cell=a16 ")
    assert scheme.text == "w2a8,first=w8,out=w8,gate=a8,cell=a16"
    assert scheme.weight("l0.in") == 8 and scheme.weight("l1.in") == 2 and scheme.weight("l0.rec") == 2
    assert scheme.weight("out") == 8 and scheme.signal("l2.gate") == 8 and scheme.signal("l2.cell") == 16


@pytest.mark.parametrize("text", ["w2a8,l1.in=w8,in=w4", "w2a8,in=w4,l1.in=w8"])
def test_a_full_name_beats_a_wildcard_in_any_order(text: str) -> None:
    scheme = parse_scheme(text)
    assert [scheme.weight(f"l{k}.in") for k in range(3)] == [4, 8, 4]


def test_later_beats_earlier_of_the_same_kind() -> None:
    assert parse_scheme("w2a8,in=w4,in=w6").weight("l0.in") == 6
    assert parse_scheme("w2a8,in=w4,first=w6").weight("l0.in") == 6
    assert parse_scheme("w2a8,first=w6,l0.in=w3").weight("l0.in") == 3
    assert parse_scheme("w2a8,l0.in=w3,first=w6").weight("l0.in") == 3
    assert parse_scheme("w2a8,l0.h=a4,l0.h=a6").signal("l0.h") == 6


def test_float_override() -> None:
    scheme = parse_scheme("w2a8,out=w32,feat=a32")
    assert scheme.weight("out") is None and scheme.signal("feat") is None and scheme.weight("l0.in") == 2


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "expected float"),
        ("w", "'w'"),
        ("q8", "'q8'"),
        ("a8w6", "'a8w6'"),
        ("w1a8", "w1"),
        ("w9a8", "w9"),
        ("w16a8", "w16"),
        ("w6a1", "a1"),
        ("w6a17", "a17"),
        ("w6a8,", "''"),
        ("w6a8,out", "'out'"),
        ("w6a8,out=8", "'out=8'"),
        ("w6a8,out=w8=w8", "out=w8=w8"),
        ("w6a8,out=a8", "out: not a group of signals"),
        ("w6a8,h=w8", "h: not a group of weights"),
        ("w6a8,gate=w8", "gate"),
        ("w6a8,l0.first=w8", "l0.first"),
        ("w6a8,l0.out=w8", "l0.out"),
        ("w6a8,l0.feat=a8", "l0.feat"),
        ("w6a8,l.in=w8", "l.in"),
        ("w6a8,lx.in=w8", "lx.in"),
        ("w6a8,out=w1", "w1"),
        ("float8", "'float8'"),
    ],
)
def test_errors_name_the_part(text: str, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_scheme(text)
    assert part in str(caught.value) and f"scheme {text!r}" in str(caught.value)
