"""``speechq lm``"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import typer
from typer.core import TyperCommand

HELP = """Language models: train character networks, estimate word n-grams, convert them, measure perplexity.

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
def train(
    recipe: Path = typer.Argument(
        ..., metavar="RECIPE_DIR", help="Folder with a recipe.yaml that has task: language."
    ),
    data: Path | None = typer.Option(None, help="Folder of the texts; overrides data.source."),
    work: Path | None = typer.Option(
        None, help="Work folder; if not given, work/NAME with the recipe's name."
    ),
    assign: list[str] = typer.Option(
        [], "--set", metavar="KEY=VALUE", help="Override a key, such as model.hidden=256."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print a JSON list instead of a table."),
) -> None:
    """Train, retrain, pack and score the character language models of a recipe.

    What is up to date is skipped; a killed run goes on where it stood.

    Example: **speechq lm train recipes/charlm --data books --work work/charlm**
    """
    from speechq.cli.needs import training
    from speechq.cli.tables import show_language_models

    with training():
        from speechq.recipes.language import run_language_recipe
    try:
        rows = run_language_recipe(recipe, data=data, work=work, assignments=tuple(assign))
    except KeyboardInterrupt:
        print("speechq: stopped; the same command goes on from here", file=sys.stderr)
        raise typer.Exit(130) from None
    if not rows:  # not the first process of torchrun
        return
    if as_json:
        print(json.dumps(rows, indent=1))
    else:
        show_language_models(rows)


@app.command()
def score(
    model: Path = typer.Argument(
        ..., metavar="LM", help="An ARPA or KenLM binary file, or a packed model (*.sqm)."
    ),
    text: Path = typer.Argument(..., metavar="TEXT", help="Text, one sentence a line, plain or gzip."),
    as_json: bool = typer.Option(False, "--json", help="Print a JSON list instead of a table."),
) -> None:
    """Perplexity of a language model on a text, with and without unknown words.

    Of a packed character model: bits per character and perplexity per word.

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
        "word_perplexity": result.word_perplexity,
        "bits_per_character": result.bits_per_character,
    }
    if as_json:
        print(json.dumps([facts], indent=1))
    else:
        show_text_score(facts)
