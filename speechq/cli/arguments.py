"""Arguments that several commands take."""

import typer

MODEL = typer.Argument(
    None,
    metavar="[MODEL]",
    help="A model file (.sqm) or a model folder; by default the one that comes along.",
)
NAMED_MODEL = typer.Argument(..., metavar="MODEL", help="A model file (.sqm) or a model folder.")
MODEL_AND_RECORDINGS = typer.Argument(
    ...,
    metavar="[MODEL] FILE...",
    help="A model file (.sqm) or model folder, by default the one that comes along; recordings and "
    "folders with them.",
)
