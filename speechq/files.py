"""Writing files so that a killed program never leaves a half-written one under its final name."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from speechq.errors import WriteError


def sha256(path: Path) -> str:
    """What tells the content of a file from any other, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """WriteError with the name of ``path`` for what the system says without one, as on a full disc."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.filename is not None:
            raise
        raise WriteError(f"{path}: cannot be written ({error.strerror or error})") from error


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, renamed to ``path`` when the block ends without an error."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        with naming(target):
            yield temporary
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``; it takes that name when the block ends without an error."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent))
    try:
        with naming(target):
            yield temporary
        temporary.chmod(0o755)
        if target.exists():
            # Moved away first: a half-deleted folder never stands under the final name.
            with tempfile.TemporaryDirectory(
                prefix=f".{target.name}.", suffix=".tmp", dir=target.parent, ignore_cleanup_errors=True
            ) as old:
                target.replace(Path(old) / "old")
                temporary.replace(target)
        else:
            temporary.replace(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_stale(folder: Path, name: str = "*") -> None:
    """Remove what writers of ``folder/name`` left there when they were killed. None may be at work."""
    for stale in folder.glob(f".{name}.*.tmp"):
        if stale.is_dir():
            shutil.rmtree(stale, ignore_errors=True)
        else:
            stale.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8 under a temporary name, then rename."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write ``value`` as indented JSON under a temporary name, then rename."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, sort_keys=False) + "\n")
