"""Low-precision recurrent networks for speech: train, quantize to 2 to 8 bits by retraining, compare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from speechq.runtime.recognizer import Recognizer as Recognizer
    from speechq.runtime.transcript import Transcript as Transcript
    from speechq.runtime.transcript import Word as Word

__version__ = "0.1.0"
__all__ = ["Recognizer", "Transcript", "Word"]

_HOMES = {"Recognizer": "recognizer", "Transcript": "transcript", "Word": "transcript"}


def __getattr__(name: str) -> Any:
    """What runs a model, loaded when it is asked for: importing speechq alone takes no time."""
    if name not in _HOMES:
        raise AttributeError(f"module 'speechq' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"speechq.runtime.{_HOMES[name]}"), name)
