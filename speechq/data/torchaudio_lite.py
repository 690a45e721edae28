"""The only place that imports torchaudio.

PyPI's Linux wheel of torchaudio carries a shared library that is linked to CUDA. Beside a CPU-only torch the
dynamic loader cannot resolve it, and ``import torchaudio`` raises OSError, although the augmentation, feature
and download code that speechq uses is pure Python. Here the genuine import is tried first; only if the
library is what fails, ``torchaudio._extension`` (the module that loads it) is replaced by a stand-in that
says "no compiled extension", a state that torchaudio itself supports, and the import is repeated.

Use the accessor functions ``functional()``, ``transforms()``, ``datasets()``: each returns torchaudio's
module of that name. Importing this module imports neither torch nor torchaudio.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

from speechq.errors import ConfigError

_EXTENSION = "torchaudio._extension"
_lock = threading.RLock()


def functional() -> ModuleType:
    """``torchaudio.functional``"""
    return _submodule("functional")


def transforms() -> ModuleType:
    """``torchaudio.transforms``"""
    return _submodule("transforms")


def datasets() -> ModuleType:
    """``torchaudio.datasets``"""
    return _submodule("datasets")


def _submodule(name: str) -> ModuleType:
    _load()
    return importlib.import_module(f"torchaudio.{name}")


def _load() -> ModuleType:
    """Import torchaudio, without its compiled extension where that cannot be loaded."""
    with _lock:
        try:
            return importlib.import_module("torchaudio")
        except ModuleNotFoundError as error:
            if error.name in ("torchaudio", "torch"):
                raise ConfigError(
                    f"this needs the package {error.name}: pip install 'speechq[train]'"
                ) from None
            raise
        except (OSError, RuntimeError, ImportError):
            return _load_without_extension()


def _load_without_extension() -> ModuleType:
    for name in [name for name in sys.modules if name == "torchaudio" or name.startswith("torchaudio.")]:
        del sys.modules[name]
    stand_in = _stand_in()
    sys.modules[_EXTENSION] = stand_in
    try:
        module = importlib.import_module("torchaudio")
    except BaseException:
        sys.modules.pop(_EXTENSION, None)
        raise
    # An import that finds its module in sys.modules does not bind it in the parent package.
    module._extension = stand_in  # type: ignore[attr-defined]
    return module


def _stand_in() -> ModuleType:
    """What ``torchaudio._extension`` is in a build without compiled code."""
    module: Any = ModuleType(
        _EXTENSION, "Stand-in: the compiled extension cannot be loaded beside this torch."
    )
    module._IS_TORCHAUDIO_EXT_AVAILABLE = False
    module._IS_ALIGN_AVAILABLE = False
    module._load_lib = lambda lib: False
    module._check_cuda_version = lambda: None
    module.fail_if_no_align = _unavailable
    return module  # type: ignore[no-any-return]


def _unavailable(function: Callable[..., Any]) -> Callable[..., Any]:
    def refuse(*_args: Any, **_kwargs: Any) -> Any:
        raise RuntimeError(
            f"torchaudio's {function.__name__} needs its compiled extension, which cannot be loaded"
        )

    refuse.__name__ = function.__name__
    refuse.__doc__ = function.__doc__
    return refuse
