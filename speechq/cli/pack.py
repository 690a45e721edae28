"""``speechq pack``"""

from __future__ import annotations

from pathlib import Path

import typer

HELP = """Pack the network of a checkpoint into a model file with integer weights.

Example: **speechq pack work/demo/train/w4a8-adaptive-s1/final.ckpt -o w4.sqm**
"""


def pack(
    checkpoint: Path = typer.Argument(
        ..., metavar="CHECKPOINT", help="A checkpoint of a training run (final.ckpt)."
    ),
    output: Path = typer.Option(..., "-o", "--output", metavar="MODEL.sqm", help="The model file to write."),
) -> None:
    from speechq.cli.needs import training

    with training():
        from speechq.train.pack import pack as write
    write(checkpoint, output)
    print(f"{output}: {output.stat().st_size:,} bytes")
