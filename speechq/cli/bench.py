"""``speechq bench``"""

from __future__ import annotations

import json
from pathlib import Path

import typer

from speechq.cli.arguments import NAMED_MODEL
from speechq.errors import ConfigError

HELP = """Measure: error rates of the networks of a work folder, the speed of the engine and of the decoder.

Example: **speechq bench wer work/demo**
"""
app = typer.Typer(help=HELP, no_args_is_help=True)


@app.command()
def wer(
    work: Path = typer.Argument(..., metavar="WORK_DIR", help="Work folder of a recipe."),
    as_json: bool = typer.Option(False, "--json", help="Print a JSON list instead of a table."),
    markdown: bool = typer.Option(False, "--markdown", help="Print the table as Markdown."),
) -> None:
    """Error rates of float and quantized networks with 95 % intervals, per corpus and pooled.

    Example: **speechq bench wer work/demo --json**
    """
    from speechq.bench.wer import markdown_table, render_tables, wer_table
    from speechq.cli.tables import show

    if as_json:
        print(json.dumps(wer_table(work), indent=1))
        return
    rows = wer_table(work, pooled=True)
    if markdown:
        print(markdown_table(rows))
    else:
        for table in render_tables(rows):
            show(table)


@app.command()
def engine(
    cell: str = typer.Option("sru", help="sru, lstm or qrnn."),
    layers: int = typer.Option(4, help="Recurrent layers."),
    hidden: int = typer.Option(1024, help="Units per layer."),
    bits: str = typer.Option(
        "1,2,4,8,32",
        help="Bits per weight, 2 to 8; 32 is float, 1 ternary weights of which two of eight are not zero.",
    ),
    block: str = typer.Option("1,4,16", help="Frames per weight read, 1 to 64."),
    threads: int = typer.Option(1, help="Threads, for the peers as well."),
    peers: bool = typer.Option(False, "--peers", help="Measure other programs too (extra bench)."),
    as_json: bool = typer.Option(False, "--json", help="Print a JSON list instead of a table."),
) -> None:
    """Speed of the engine on one stream with random weights, against the bounds of this machine.

    "% of bound" is the share reached of the tighter one of two bounds measured in the same run: reading the
    weights once per block, and the multiply-adds with all operands in registers.

    Example: **speechq bench engine --cell lstm --bits 4,8 --peers**
    """
    from typing import cast

    from speechq.bench.engine.rows import render_table, to_row
    from speechq.bench.engine.run import machine_note, run
    from speechq.bench.engine.synthetic import Cell, Shape
    from speechq.cli.tables import show
    from speechq.progress import say

    shape = Shape(cast(Cell, cell), layers, hidden)
    measured = run(shape, _numbers("bits", bits), _numbers("block", block), threads=threads, peers=peers)
    rows = [to_row(one) for one in measured]
    say(machine_note(shape, threads))
    if as_json:
        print(json.dumps(rows, indent=1))
    else:
        show(render_table(rows))


@app.command()
def decoder(
    source: Path = typer.Argument(
        ..., metavar="TEXT|MODEL", help="A text, one sentence a line, or an acoustic model (.sqm)."
    ),
    manifest: Path | None = typer.Option(None, help="What the model hears."),
    ngram: Path | None = typer.Option(None, help="Word n-gram: ARPA or KenLM binary file."),
    char_lm: list[Path] = typer.Option(
        [], help="Packed character model; without one, LSTMs of random weights."
    ),
    beams: str = typer.Option("50,100,500", help="Beam widths."),
    char_beams: str = typer.Option("32", help="Beam widths with a character model."),
    lm: list[str] = typer.Option([], help="Only these language models, as the table names them."),
    utterances: int = typer.Option(60, help="How many are decoded."),
    ngram_weight: float = typer.Option(1.0),
    char_lm_weight: float = typer.Option(0.5),
    known_char_lm_weight: float = typer.Option(0.0, help="Of the character model in the n-gram's words."),
    char_bonus: float = typer.Option(0.0, help="Natural log, per character, with a character model."),
    word_bonus: float = typer.Option(0.0, help="Natural log, per word."),
    oov_penalty: float = typer.Option(-30.0, help="Natural log, per word that the n-gram does not know."),
    hotwords: int = typer.Option(0, min=0, help="Decode with so many hotwords too."),
    peers: bool = typer.Option(False, "--peers", help="Measure flashlight-text too (extra bench)."),
    hours: float = typer.Option(
        0.0, help="Instead: one stream of that length, its end against its beginning."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print a JSON list instead of a table."),
) -> None:
    """Speed and errors of the decoder in one thread, all on the same log-probabilities.

    For a text they are simulated. "Score" is the mean of the common objective in natural logs, for closed
    vocabularies; "Char LM" the prefixes per frame that a character model looks at; "x peer" the time as a
    share of that of the fastest flashlight-text with the same beam.

    Example: **speechq bench decoder books.txt --ngram words.bin --peers**
    """
    from speechq.bench.decoder import endless
    from speechq.bench.decoder.contender import Weights
    from speechq.bench.decoder.inputs import speech_inputs
    from speechq.bench.decoder.ours import our_contenders
    from speechq.bench.decoder.rows import render_table
    from speechq.bench.decoder.run import chosen, language_models, note, run, units_of
    from speechq.bench.decoder.simulated import text_inputs
    from speechq.cli.tables import show
    from speechq.progress import say

    if utterances < 1:
        raise ConfigError(f"--utterances {utterances}: expected at least 1")
    if (source.suffix == ".sqm") != (manifest is not None):
        raise ConfigError(f"{source}: expected a text, or a model (.sqm) and --manifest")
    weights = Weights(ngram_weight, char_lm_weight, known_char_lm_weight, char_bonus, word_bonus, oov_penalty)
    if manifest is None:
        inputs = text_inputs(source, units_of(char_lm), utterances)
    else:
        inputs = speech_inputs(source, manifest, utterances)
    models = language_models(inputs.units, ngram, char_lm, hotwords)
    widths, char_widths = _numbers("beams", beams), _numbers("char-beams", char_beams)
    say(note(inputs, models, weights))
    if hours > 0:
        ours = chosen(our_contenders(inputs.units, models, widths, char_widths, weights), lm)
        rows, table = [endless.endless(one, inputs, hours) for one in ours], endless.render_table
    else:
        rows = run(inputs, models, ngram, widths, char_widths, weights, only=lm, peers=peers)
        table = render_table
    if as_json:
        print(json.dumps(rows, indent=1))
    else:
        show(table(rows))


@app.command()
def spot(
    model: Path = NAMED_MODEL,
    manifest: Path = typer.Argument(..., metavar="MANIFEST", help="Utterances with their texts."),
    keywords: int = typer.Option(20, min=1, help="Keywords drawn from the transcripts."),
    seed: int = typer.Option(1, help="What they are drawn from."),
    figure: Path | None = typer.Option(None, "--plot", help="Write the curve as SVG."),
    as_json: bool = typer.Option(False, "--json", help="Print a JSON list instead of a table."),
) -> None:
    """Misses of keyword spotting against its false alarms, over thresholds.

    Example: **speechq bench spot model.sqm test.jsonl --plot roc.svg**
    """
    from speechq.bench.online_figures import check_drawing, write_misses
    from speechq.bench.spotting import measure
    from speechq.cli.tables import show_curve
    from speechq.progress import say

    if figure is not None:
        check_drawing()
    found = measure(model, manifest, keywords, seed)
    if figure is not None:
        write_misses(found, figure)
    if as_json:
        print(json.dumps(found["curve"], indent=1))
        return
    say(f"{', '.join(found['keywords'])}: {found['occurrences']} occurrences in {found['hours']:.2f} hours")
    show_curve(found["curve"])


@app.command()
def serve(
    model: Path = NAMED_MODEL,
    manifest: Path = typer.Argument(..., metavar="MANIFEST", help="What the clients say."),
    streams: str = typer.Option("1,25,50,100", help="Numbers of clients at a time."),
    seconds: float = typer.Option(20.0, min=1.0, help="How long each of them speaks."),
    max_streams: int = typer.Option(100, min=1, help="Streams that the server takes."),
    figure: Path | None = typer.Option(None, "--plot", help="Write lag against clients as SVG."),
    as_json: bool = typer.Option(False, "--json", help="Print a JSON list instead of a table."),
) -> None:
    """Lag of the server with many clients that speak in real time, and whether every word is right.

    Example: **speechq bench serve model/ test.jsonl --streams 50,100,110 --plot lag.svg**
    """
    from speechq.bench.online_figures import check_drawing, write_load
    from speechq.bench.serving import measure
    from speechq.cli.needs import extra
    from speechq.cli.tables import show_load

    with extra("serve"):
        import uvicorn  # noqa: F401
        import websockets  # noqa: F401
    if figure is not None:
        check_drawing()
    rows = measure(model, manifest, _numbers("streams", streams), seconds, max_streams)
    if figure is not None:
        write_load(rows, figure)
    if as_json:
        print(json.dumps(rows, indent=1))
    else:
        show_load(rows)


@app.command()
def latency(
    model: Path = NAMED_MODEL,
    manifest: Path = typer.Argument(..., metavar="MANIFEST", help="Utterances to be recognized."),
    block: str = typer.Option("1,4,16", help="Frames per weight read: audio comes in pieces of so many."),
    depth: str = typer.Option("20,60", help="Units that the beam search may leave undecided."),
    most: int = typer.Option(0, min=0, help="Take only so many utterances; 0: all."),
    as_json: bool = typer.Option(False, "--json", help="Print a JSON list instead of a table."),
) -> None:
    """Time from the end of a word in the audio to its appearance, and to its becoming stable.

    Example: **speechq bench latency model/ test.jsonl --block 1,16 --depth 20,60**
    """
    from speechq.bench.latency import measure
    from speechq.cli.tables import show_latency

    rows = measure(model, manifest, _numbers("block", block), _numbers("depth", depth), most)
    if as_json:
        print(json.dumps(rows, indent=1))
    else:
        show_latency(rows)


@app.command()
def soak(
    model: Path = NAMED_MODEL,
    manifest: Path = typer.Argument(..., metavar="MANIFEST", help="What is said, again and again."),
    hours: float = typer.Option(10.0, min=0.1, help="Hours of audio."),
    as_json: bool = typer.Option(False, "--json", help="Print a JSON list instead of a table."),
) -> None:
    """Hours of audio through one stream as fast as it goes: memory and speed along the way.

    Example: **speechq bench soak model/ test.jsonl --hours 10**
    """
    from speechq.bench.soak import measure
    from speechq.cli.tables import show_soak

    rows = measure(model, manifest, hours)
    if as_json:
        print(json.dumps(rows, indent=1))
    else:
        show_soak(rows)


def _numbers(name: str, text: str) -> list[int]:
    """The whole numbers of an option such as ``--bits 2,4``."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise ConfigError(f"--{name} {text}: expected whole numbers with commas between") from error
