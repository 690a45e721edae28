"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from speechq.bench.formatting import size
from speechq.lm.tune import Tuned

_WIDEST = 1000
_FACTS = ("recipe", "corpus", "method", "seed", "commit")


def show(table: Table) -> None:
    """Print a table with all its columns, however narrow the terminal or pipe."""
    console = Console()
    needed = console.measure(table, options=console.options.update(max_width=_WIDEST)).maximum
    Console(width=max(console.width, needed)).print(table)


def show_model(facts: Mapping[str, Any]) -> None:
    """Print what ``speechq.runtime.info.describe`` found."""
    show(_summary(facts))
    show(_matrices(facts))
    Console().print(facts["card"], highlight=False, markup=False)


def show_text_score(facts: Mapping[str, Any]) -> None:
    """Print what ``speechq lm score`` measured."""
    table = Table(show_header=False, box=None, pad_edge=False)
    rows = {
        "perplexity": f"{facts['perplexity']:,.2f} per word, sentence ends included",
        "without unknown words": f"{facts['perplexity_without_oov']:,.2f}",
        "per word alone": f"{facts['word_perplexity']:,.2f}, sentence ends in the sum but not counted",
        "unknown words": f"{facts['oov_words']:,} of {facts['words']:,}, {100 * facts['oov_rate']:.2f} %",
        "bits per character": f"{facts['bits_per_character']:.4f}",
        "sentences": f"{facts['sentences']:,}",
        "characters": f"{facts['characters']:,}",
    }
    for name, value in rows.items():
        table.add_row(f"[bold]{name}[/bold]", value)
    show(table)


def show_language_models(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print what ``speechq lm train`` measured."""
    table = Table()
    for name in ("Model", "Scheme", "Method"):
        table.add_column(name)
    for name in ("Bits per character", "Against float+", "Word perplexity", "Bytes"):
        table.add_column(name, justify="right")
    for row in rows:
        delta = row["delta_vs_float"]
        table.add_row(
            row["model"],
            row["scheme"],
            row["method"],
            f"{row['bits_per_character']:.4f}",
            "" if delta is None else f"{delta:+.4f}",
            f"{row['word_perplexity']:,.1f}",
            f"{row['size_bytes']:,}",
        )
    show(table)


def show_tuning(found: Tuned) -> None:
    """Print the rounds of ``speechq tune``, the one that was taken in bold."""
    table = Table()
    for name in ("Round", *found.before.weights, "Dev error rate %"):
        table.add_column(name, justify="right")
    for number, one in enumerate(found.rounds, 1):
        cells = [str(number), *(f"{value:.2f}" for value in one.weights.values()), f"{100 * one.rate:.2f}"]
        table.add_row(*cells, style="bold" if one is found.after else "")
    show(table)


def show_curve(rows: Sequence[Mapping[str, float]]) -> None:
    """Print what ``speechq bench spot`` measured."""
    table = Table()
    for name in ("Threshold", "Misses", "False alarms per hour and keyword"):
        table.add_column(name, justify="right")
    for row in rows:
        shares = f"{row['threshold']:.2f}", f"{100 * row['misses']:.1f} %"
        table.add_row(*shares, f"{row['false_alarms_per_hour']:.2f}")
    show(table)


def show_load(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print what ``speechq bench serve`` measured."""
    table = Table()
    for name in ("Streams", "Served", "Refused", "Equal to offline", "Lag median", "95 %", "Highest"):
        table.add_column(name, justify="right")
    for row in rows:
        counts = (str(row[key]) for key in ("streams", "served", "refused", "equal_to_offline"))
        lags = (f"{1000 * row[key]:.0f} ms" for key in ("lag_median", "lag_95", "lag_highest"))
        table.add_row(*counts, *lags)
    show(table)


def show_latency(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print what ``speechq bench latency`` measured."""
    table = Table()
    for name in ("Block", "Depth", "Words", "Appears median", "95 %", "Stable median", "95 % "):
        table.add_column(name, justify="right")
    for row in rows:
        counts = (str(row[key]) for key in ("block", "depth", "words"))
        keys = ("appears_median", "appears_95", "stable_median", "stable_95")
        table.add_row(*counts, *(f"{1000 * row[key]:.0f} ms" for key in keys))
    show(table)


def show_soak(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print what ``speechq bench soak`` measured."""
    table = Table()
    for name in ("Audio", "Resident memory", "Since 5 minutes", "Speed", "Segments"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            f"{row['audio_seconds'] / 60:,.0f} min",
            f"{row['resident_bytes'] / 2**20:,.2f} MiB",
            f"{row['growth_bytes'] / 2**20:+,.2f} MiB",
            f"{row['times_real_time']:,.0f} x real time",
            f"{row['segments']:,}",
        )
    show(table)


def _summary(facts: Mapping[str, Any]) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    kinds = [layer["kind"] for layer in facts["layers"]]
    rows = {
        "scheme": facts["scheme"],
        "network": ", ".join(f"{kinds.count(kind)} x {kind}" for kind in dict.fromkeys(kinds)),
        "parameters": f"{facts['parameters']:,}",
        "size": f"{facts['bytes']:,} bytes, {100 * facts['float_share']:.1f} % of float",
    }
    rows |= _audio(facts) if "features" in facts else _language(facts)
    rows |= _folder(facts["folder"]) if "folder" in facts else {}
    rows["signals"] = ", ".join(f"{name} {bits} bit" for name, bits in facts["signals"].items()) or "float"
    rows |= {key: str(facts["provenance"][key]) for key in _FACTS if key in facts["provenance"]}
    for name, value in rows.items():
        table.add_row(f"[bold]{name}[/bold]", value)
    return table


def _audio(facts: Mapping[str, Any]) -> dict[str, str]:
    features, units = facts["features"], facts["units"]
    rate = facts["frames_per_second"]
    reads = (f"{size(round(c))} at block {block}" for block, c in facts["weight_bytes_per_second"].items())
    return {
        "work": f"{facts['multiply_adds_per_second'] / 1e6:,.1f} million multiply-adds per second of audio",
        "weights read": f"{', '.join(reads)}, per second of audio",
        "look-ahead": f"{1000 * facts['look_ahead_seconds']:.0f} ms",
        "features": f"{features['mels']} mel bins, {features['dim']} values a frame, {rate:.1f} frames/s",
        "units": f"{units['count']} {units['kind']}, blank included",
    }


def _folder(facts: Mapping[str, Any]) -> dict[str, str]:
    options = ", ".join(f"{name} {value:g}" for name, value in facts["decoder"].items())
    return {
        "files": ", ".join(f"{name} {size(count)}" for name, count in facts["files"].items()),
        "decoder": options or "the options that are there unless others are asked for",
    }


def _language(facts: Mapping[str, Any]) -> dict[str, str]:
    units = facts["units"]
    work = f"{facts['multiply_adds'] / 1e6:,.1f} million multiply-adds per symbol"
    if "hierarchy" in facts:
        work += f", {facts['word_multiply_adds'] / 1e6:,.1f} million more per word"
    return {
        "work": work,
        "units": f"{units['count']} {units['kind']}, the end of a sentence included",
    }


def _matrices(facts: Mapping[str, Any]) -> Table:
    table = Table()
    for name in ("Layer", "Kind", "Part"):
        table.add_column(name)
    for name in ("Shape", "Bits", "Parameters", "Bytes"):
        table.add_column(name, justify="right")
    for row in facts["matrices"]:
        shape = " x ".join(str(size) for size in row["shape"])
        numbers = [str(row["bits"]), f"{row['parameters']:,}", f"{row['bytes']:,}"]
        table.add_row(row["layer"], row["kind"], row["part"], shape, *numbers)
    return table
