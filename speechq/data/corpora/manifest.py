"""Any corpus that comes as manifests: they are checked and rewritten with paths that fit their new place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from speechq.data.manifest import read_manifest, write_manifest
from speechq.errors import DataError
from speechq.text.units import Units


def prepare(
    source: Path,
    out: Path,
    *,
    splits: Mapping[str, str] | None = None,
    alphabet: str | Mapping[str, str] | None = None,
    check_audio: bool = True,
) -> dict[str, Path]:
    """Copy manifests to ``out/<split>.jsonl``.

    ``source`` is a folder or one manifest; ``splits`` names the file of each split relative to the folder
    (default: every ``*.jsonl`` under its own name). With ``alphabet``, for all splits or by split, texts may
    hold nothing else. Nothing is written unless all of them are sound; a DataError names the problems of all.
    """
    folder = source if source.is_dir() else source.parent
    if splits is not None:
        files = {split: folder / name for split, name in splits.items()}
    elif source.is_dir():
        files = {path.stem: path for path in sorted(source.glob("*.jsonl"))}
    else:
        files = {source.stem: source}
    if not files:
        raise DataError(
            f"{source}: holds no manifest; expected files such as train.jsonl, dev.jsonl, test.jsonl"
        )
    for split, path in files.items():
        if not path.is_file():
            raise DataError(f"{path}: there is no such manifest (split {split!r})")
    if isinstance(alphabet, str):
        alphabet = dict.fromkeys(files, alphabet)
    units = {split: Units.characters(letters) for split, letters in (alphabet or {}).items()}
    read = {}
    problems = []
    for split, path in files.items():
        try:
            read[split] = read_manifest(path, units.get(split), check_audio=check_audio)
        except DataError as error:
            problems.append(str(error))
    if problems:
        raise DataError("\n".join(problems))
    written = {}
    for split, utterances in read.items():
        written[split] = out / f"{split}.jsonl"
        write_manifest(written[split], utterances)
    return written
