"""``speechq tune``"""

from __future__ import annotations

from pathlib import Path

import typer

HELP = """Find the weights of a model's decoder on a development set and write them to decoder.json beside it.

MODEL is a folder with am.sqm and language models (lm.sqm, words.bin or words.arpa). The log-probabilities of
the recordings are computed once. With true word times in the manifest the times are corrected as well.

Example: **speechq tune model dev.jsonl**
"""


def tune(
    model: Path = typer.Argument(..., metavar="MODEL", help="Model folder."),
    manifest: Path = typer.Argument(..., metavar="MANIFEST", help="Development set; never the test set."),
    rounds: int = typer.Option(6, min=1, help="Times that the set is decoded."),
    utterances: int = typer.Option(0, min=0, help="Take so many of the utterances; 0: all."),
    beam: int | None = typer.Option(None, min=1, help="Beam width; kept as it is if not given."),
) -> None:
    from speechq.cli.tables import show_tuning
    from speechq.config import TuneConfig
    from speechq.lm.tune_model import tune_folder

    config = TuneConfig(rounds=rounds, utterances=utterances)
    found = tune_folder(model, manifest, config, beam=beam)
    show_tuning(found)
    print(
        f"{model / 'decoder.json'}: dev error rate {100 * found.before.rate:.2f} % before, "
        f"{100 * found.after.rate:.2f} % after"
    )
