"""``speechq transcribe``"""

from __future__ import annotations

from pathlib import Path

import typer

from speechq.cli.arguments import MODEL_AND_RECORDINGS

HELP = """Write down what is said in recordings: WAV, FLAC, OGG, MP3 or NIST SPHERE, of any rate.

Folders are searched for recordings. Under torchrun each process does its share. A file that cannot be read is
reported, the rest goes on, and the exit code is 1.

Example: **speechq transcribe talk.flac interviews/ --format srt --output subtitles/**
"""


def transcribe(
    paths: list[Path] = MODEL_AND_RECORDINGS,
    form: str = typer.Option("txt", "--format", help="txt, json, srt, vtt or ctm."),
    output: Path | None = typer.Option(
        None, "--output", "-o", help="Folder for a file per recording, instead of standard output."
    ),
    jobs: int = typer.Option(0, min=0, help="Processes; 0: one a core."),
    endpointing: bool = typer.Option(
        False, "--endpointing", help="Begin a new sentence for the language models after pauses."
    ),
    beam: int | None = typer.Option(None, help="Prefixes that the beam search keeps per frame."),
) -> None:
    from speechq.progress import AUDIO, progress, say
    from speechq.runtime.batch import Outcome, find_recordings, share, transcribe_all
    from speechq.runtime.model_folder import divide
    from speechq.runtime.written import Writer

    model, files = divide(paths)
    write = Writer(form, output, len(files) > 1 or files[0].is_dir())
    recordings = find_recordings(files)
    write.check(recordings)
    recordings = share(recordings)
    failed = 0
    waiting: dict[int, Outcome] = {}
    shown = 0
    with progress("transcribe", sum(recording.seconds for recording in recordings), AUDIO) as bar:
        found = transcribe_all(model, recordings, jobs=jobs, endpointing=endpointing, beam=beam)
        for done, (k, outcome) in enumerate(found, 1):
            bar.advance(outcome.recording.seconds, f"{done:,} of {len(recordings):,} files")
            waiting[k] = outcome
            while shown in waiting:  # in the order in which they were named
                outcome = waiting.pop(shown)
                shown += 1
                if outcome.transcript is None:
                    failed += 1
                    typer.echo(f"speechq: {outcome.error}", err=True)
                else:
                    write(outcome.recording, outcome.transcript)
    if len(recordings) > 1:
        say(f"{len(recordings) - failed:,} of {len(recordings):,} files transcribed")
    if failed:
        raise typer.Exit(1)
