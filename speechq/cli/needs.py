"""Clear errors where an optional part of the installation is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from speechq.errors import ConfigError


@contextmanager
def training() -> Iterator[None]:
    """Imports that need the extra ``train``."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "speechq":
            raise
        raise ConfigError(f"this needs the package {error.name}: pip install 'speechq[train]'") from error
