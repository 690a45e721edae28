"""``speechq info``"""

from __future__ import annotations

import json
from pathlib import Path

import typer

from speechq.cli.arguments import MODEL

HELP = """Show what a model file holds: layers, word lengths, sizes, units, features, where it came from.

Of a model folder the same of its acoustic model, and which language models and weights go with it.

Example: **speechq info recipes/mixed/models/w4a8.sqm**
"""


def info(
    model: Path | None = MODEL,
    as_json: bool = typer.Option(False, "--json", help="Print a JSON object instead of tables."),
) -> None:
    from speechq.runtime.info import describe, describe_folder
    from speechq.runtime.model_file import read_model
    from speechq.runtime.model_folder import find_model

    files = find_model(model)
    facts = describe(read_model(files.acoustic))
    if model is None or model.is_dir():
        facts["folder"] = describe_folder(files)
    if as_json:
        print(json.dumps(facts, indent=1))
        return
    from speechq.cli.tables import show_model

    show_model(facts)
