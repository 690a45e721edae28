"""Finding files on corpus discs, whose copies differ in upper and lower case."""

from __future__ import annotations

from pathlib import Path


def entries(folder: Path) -> dict[str, Path]:
    """The entries of a folder by their lower-case name, sorted; empty where there is no such folder."""
    try:
        return {path.name.lower(): path for path in sorted(folder.iterdir())}
    except OSError:
        return {}


def find(folder: Path, relative: str) -> Path | None:
    """``folder / relative`` whatever the case of each part on the disc, or None."""
    exact = folder / relative
    if exact.exists():
        return exact
    found = folder
    for part in relative.split("/"):
        below = entries(found).get(part.lower())
        if below is None:
            return None
        found = below
    return found
