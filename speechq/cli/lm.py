"""``speechq lm``"""

from __future__ import annotations

import json
from pathlib import Path

import typer
from typer.core import TyperCommand

HELP = """Language models: estimate word n-grams, convert them, measure perplexity.

Example: **speechq lm ngram books.txt.gz -o words.arpa --order 3**
"""
app = typer.Typer(help=HELP, no_args_is_help=True)


class _ManyThresholds(TyperCommand):
    """``--prune 0 1 1`` stands for ``--prune 0 --prune 1 --prune 1``."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        spread: list[str] = []
        within = False
        for argument in args:
            if within and argument.isdigit() and spread[-1] != "--prune":
                spread.append("--prune")
            within = argument == "--prune" or (within and argument.isdigit())
            spread.append(argument)
        return super().parse_args(ctx, spread)


@app.command(cls=_ManyThresholds)
def ngram(
    texts: list[Path] = typer.Argument(
        ..., metavar="TEXT...", help="Text, one sentence a line, plain or gzip."
    ),
    output: Path = typer.Option(..., "-o", "--output", metavar="WORDS.arpa", help="The ARPA file to write."),
    order: int = typer.Option(3, "--order", help="Longest n-grams, 2 to 6 words."),
    prune: list[int] = typer.Option(
        [],
        "--prune",
        metavar="N...",
        help="Leave out n-grams that occur at most N times: one N per order, the last for all higher orders.",
    ),
    vocab: Path | None = typer.Option(
        None, "--vocab", metavar="FILE", help="Leave out n-grams with a word that is not in this file."
    ),
    discount_fallback: bool = typer.Option(
        False,
        "--discount-fallback",
        help="Discount 0.5, 1, 1.5 where the text is too small.",
    ),
) -> None:
    """Estimate a word n-gram by interpolated modified Kneser-Ney smoothing.

    Example: **speechq lm ngram books.txt.gz -o words.arpa --order 3 --prune 0 0 1**
    """
    from speechq.lm.arpa import write_arpa
    from speechq.lm.corpus import read_corpus
    from speechq.lm.kneser_ney import estimate

    write_arpa(estimate(read_corpus(texts), order, prune, vocab, discount_fallback), output)
    print(f"{output}: {output.stat().st_size:,} bytes")


@app.command()
def binary(
    arpa: Path = typer.Argument(..., metavar="WORDS.arpa", help="An ARPA file."),
    output: Path = typer.Option(..., "-o", "--output", metavar="WORDS.bin", help="The binary file to write."),
    bits: int = typer.Option(8, "--bits", help="Bits of each probability and back-off, 2 to 25."),
) -> None:
    """Turn an ARPA file into KenLM's quantized trie, which is small and loads at once.

    Example: **speechq lm binary words.arpa -o words.bin**
    """
    from speechq.lm.binary import write_binary

    write_binary(arpa, output, bits)
    print(f"{output}: {output.stat().st_size:,} bytes")


@app.command()
def score(
    model: Path = typer.Argument(..., metavar="LM", help="An ARPA or KenLM binary file."),
    text: Path = typer.Argument(..., metavar="TEXT", help="Text, one sentence a line, plain or gzip."),
    as_json: bool = typer.Option(False, "--json", help="Print a JSON list instead of a table."),
) -> None:
    """Perplexity of a language model on a text, with and without unknown words.

    Example: **speechq lm score words.bin test.txt**
    """
    from speechq.cli.tables import show_text_score
    from speechq.lm.score import score_text

    result = score_text(model, text)
    facts = {
        "model": str(model),
        "text": str(text),
        "sentences": result.sentences,
        "words": result.words,
        "characters": result.characters,
        "oov_words": result.unknown,
        "oov_rate": result.unknown_rate,
        "log10": result.log10,
        "perplexity": result.perplexity,
        "perplexity_without_oov": result.perplexity_known,
        "bits_per_character": result.bits_per_character,
    }
    if as_json:
        print(json.dumps([facts], indent=1))
    else:
        show_text_score(facts)
