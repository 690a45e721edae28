"""Clear errors where an optional part of the installation is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from speechq.errors import ConfigError


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Imports that need the extra ``name``."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "speechq":
            raise
        raise ConfigError(f"this needs the package {error.name}: pip install 'speechq[{name}]'") from error


def training() -> AbstractContextManager[None]:
    """Imports that need the extra ``train``."""
    return extra("train")
