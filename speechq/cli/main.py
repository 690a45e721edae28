"""The command ``speechq``."""

from __future__ import annotations

import sys

import typer

from speechq import __version__
from speechq.cli import bench, info, listen, lm, pack, report, run, serve, spot, study, transcribe, tune
from speechq.errors import SpeechqError

HELP = """Train small recurrent networks for speech, quantize them to 2 to 8 bits by retraining, compare error
rates.

Example: **speechq run recipes/demo**
"""
app = typer.Typer(
    name="speechq",
    help=HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="markdown",
)
app.command("run", help=run.HELP)(run.run)
app.command("pack", help=pack.HELP)(pack.pack)
app.command("transcribe", help=transcribe.HELP)(transcribe.transcribe)
app.command("listen", help=listen.HELP)(listen.listen)
app.command("serve", help=serve.HELP)(serve.serve)
app.command("spot", help=spot.HELP)(spot.spot)
app.command("info", help=info.HELP)(info.info)
app.command("tune", help=tune.HELP)(tune.tune)
app.command("study", help=study.HELP)(study.study)
app.command("report", help=report.HELP)(report.report)
app.add_typer(lm.app, name="lm")
app.add_typer(bench.app, name="bench")


def _version(value: bool) -> None:
    if value:
        print(f"speechq {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    pass


def main() -> None:
    """Run the command line: 0 on success, 2 for an error of the user, 130 for Ctrl-C."""
    try:
        app()
    except SpeechqError as error:
        print(f"speechq: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # a reader such as head has enough
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:  # no permission, no space left: the sentence names the file
        print(f"speechq: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
