"""Values out of the JSON header of a model file, each of exactly the JSON type that the format gives it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from speechq.errors import ModelError

T = TypeVar("T")

_NAMES: dict[type, str] = {dict: "an object", list: "a list", str: "a string", int: "an integer"}


def typed(what: str, value: Any, kind: type[T]) -> T:
    """``value`` itself, a dict, list, str or int; ModelError naming ``what`` if it is anything else.

    A truth value is no integer, and neither is a number with a fraction, be it zero.
    """
    if type(value) is not kind:
        raise ModelError(f"{what} is {value!r}: expected {_NAMES[kind]}")
    return value


def member(header: Mapping[str, Any], key: str, kind: type[T]) -> T:
    """The value of ``key``; KeyError where there is none, ModelError where it has another type."""
    return typed(key, header[key], kind)


def number(header: Mapping[str, Any], key: str) -> float:
    """The number at ``key``, with or without a fraction; errors as ``member``."""
    value = header[key]
    if type(value) not in (int, float):
        raise ModelError(f"{key} is {value!r}: expected a number")
    return float(value)
