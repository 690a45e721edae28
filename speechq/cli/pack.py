"""``speechq pack``"""

from __future__ import annotations

from pathlib import Path

import typer

HELP = """Pack the network of a checkpoint into a model file with integer weights.

The packed model and the network in training are then compared on a dev set: that of the work folder which the
checkpoint lies in, or the one that --dev names.

Example: **speechq pack work/demo/train/w2a8-lsq-s1/final.ckpt -o w2.sqm**
"""


def pack(
    checkpoint: Path = typer.Argument(
        ..., metavar="CHECKPOINT", help="A checkpoint of a training run (final.ckpt)."
    ),
    output: Path = typer.Option(..., "-o", "--output", metavar="MODEL.sqm", help="The model file to write."),
    dev: Path | None = typer.Option(
        None, metavar="MANIFEST", help="Compare on these utterances (JSON lines)."
    ),
    compress: bool = typer.Option(
        False, "--compress", help="Range-code the weights: a smaller file, the same model."
    ),
) -> None:
    from speechq.cli.needs import training
    from speechq.errors import ConfigError, DataError
    from speechq.progress import say

    with training():
        from speechq.recipes.compare import compare_packed, sentence, warning
        from speechq.train.pack import pack as write
    write(checkpoint, output, compress=compress)
    print(f"{output}: {output.stat().st_size:,} bytes")
    try:
        comparison = compare_packed(checkpoint, output, dev)
    except (ConfigError, DataError) as error:
        if dev is not None:
            raise
        print(f"not compared with the network in training: {error}")
        print("name a dev set for that with --dev MANIFEST")
        return
    print(sentence(comparison))
    if (text := warning(comparison)) is not None:
        say(text)
