"""``speechq spot``"""

from __future__ import annotations

import json
from pathlib import Path

import typer

from speechq.cli.arguments import MODEL_AND_RECORDINGS

HELP = """Find keywords in recordings: a line per occurrence with file, start, end, score and keyword.

Keywords are texts of one word or more; nothing is trained for them. A file that cannot be read is reported,
the rest goes on, and the exit code is 1.

Example: **speechq spot --keyword "NEW YORK" --keyword BOSTON calls/**
"""


def spot(
    paths: list[Path] = MODEL_AND_RECORDINGS,
    keyword: list[str] = typer.Option(..., "--keyword", "-k", help="A word or phrase; may be repeated."),
    threshold: float = typer.Option(0.5, min=0.0, max=1.0, help="Least score, from 0 to 1."),
    as_json: bool = typer.Option(False, "--json", help="Print a JSON list instead of lines."),
) -> None:
    from speechq.errors import DataError
    from speechq.progress import AUDIO, progress
    from speechq.runtime.batch import find_recordings
    from speechq.runtime.model_folder import divide
    from speechq.runtime.recognizer import Recognizer

    model, files = divide(paths)
    recognizer = Recognizer.load_greedy(model)
    recognizer.create_stream().set_keywords(keyword)  # what is wrong with one is said before any file
    recordings = find_recordings(files)
    rows = []
    failed = False
    with progress("spot", sum(recording.seconds for recording in recordings), AUDIO) as bar:
        for recording in recordings:
            try:
                found = recognizer.spot(recording.path, keyword, threshold)
            except DataError as error:
                failed = True
                typer.echo(f"speechq: {error}", err=True)
                continue
            bar.advance(recording.seconds)
            for one in found:
                if not as_json:
                    times = f"{one.start:.2f}\t{one.end:.2f}\t{one.score:.3f}"
                    typer.echo(f"{recording.path}\t{times}\t{one.keyword}")
                rows.append(
                    {
                        "file": str(recording.path),
                        "start": round(one.start, 3),
                        "end": round(one.end, 3),
                        "score": round(one.score, 4),
                        "keyword": one.keyword,
                    }
                )
    if as_json:
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))
    if failed:
        raise typer.Exit(1)
