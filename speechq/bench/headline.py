"""The result in a sentence or two, derived from the rows by a fixed rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from speechq.bench import formatting
from speechq.bench.wer import ALL, REFERENCES, summary_rows
from speechq.quant.scheme import parse_scheme

Row = dict[str, Any]
TARGET = 4  # bits


def main_rows(rows: Sequence[Row]) -> list[Row]:
    """One row per model over all corpora, for the one test set and decoder that the figures show.

    The split ``test`` and the decoder ``greedy`` where they exist, else the first by name.
    """
    found = [row for row in summary_rows(rows) if row["corpus"] == ALL and row["mode"] == "utterance"]
    for key, preferred in (("split", "test"), ("decoder", "greedy")):
        names = {str(row[key]) for row in found}
        chosen = preferred if preferred in names else min(names, default=preferred)
        found = [row for row in found if row[key] == chosen]
    return found


def headline(rows: Sequence[Row]) -> str:
    """``At 4 bits the retrained network is 8.0 times smaller than float and loses 0.3 points of WER ...``."""
    main = main_rows(rows)
    if not main:
        row = rows[0]
        return f"{row['model']} has a {formatting.metric(rows)} of {formatting.percent(row['wer'])} %."
    retrained = [row for row in main if row["method"] not in (*REFERENCES, "direct")]
    direct = [row for row in main if row["method"] == "direct"]
    chosen = _nearest(retrained or direct)
    if chosen is None:
        return _plain(main[0])
    sentences = [_against_float(chosen, main)]
    rounded = [row for row in direct if row["scheme"] == chosen["scheme"]]
    if retrained and rounded:
        sentences.append(_rounded(rounded[0]))
    fewest = min(retrained or direct, key=lambda row: (_bits(row), row["wer"]))
    if _bits(fewest) < _bits(chosen):
        sentences.append(_against_float(fewest, main))
    return " ".join([*sentences, *_with_language_models(chosen, rows)])


def decoder_rows(rows: Sequence[Row]) -> list[Row]:
    """A row per decoder of every network that was decoded in several ways, over all corpora."""
    found = [row for row in summary_rows(rows) if row["corpus"] == ALL and row["mode"] == "utterance"]
    split = "test" if any(row["split"] == "test" for row in found) else None
    found = [row for row in found if row["split"] == split or split is None]
    several = {row["model"] for row in found if row["decoder"] != "greedy"}
    return [row for row in found if row["model"] in several]


def _with_language_models(chosen: Row, rows: Sequence[Row]) -> list[str]:
    """The best decoder of the network ``chosen`` against its greedy decoding; nothing if it has no other."""
    found = [row for row in decoder_rows(rows) if row["model"] == chosen["model"]]
    beams = [row for row in found if row["decoder"] != "greedy"]
    if not beams:
        return []
    best = min(beams, key=lambda row: row["wer"])
    rates = f"{formatting.percent(best['wer'])} % instead of {formatting.percent(chosen['wer'])} %"
    return [
        f"The decoder {best['decoder']} gives the {_bits(chosen)}-bit network a "
        f"{formatting.metric([chosen])} of {rates} greedy; network and language models have "
        f"{formatting.size(best['total_bytes'])}."
    ]


def _bits(row: Row) -> int:
    bits = parse_scheme(row["scheme"]).weight_bits
    return 32 if bits is None else bits


def _nearest(rows: Sequence[Row]) -> Row | None:
    """Nearest to four bits; schemes without exceptions first, then the smaller error."""
    return min(
        rows,
        key=lambda row: (abs(_bits(row) - TARGET), _bits(row), "," in row["scheme"], row["wer"]),
        default=None,
    )


def _plain(row: Row) -> str:
    rate = formatting.percent(row["wer"])
    low, high = row["wer_low"], row["wer_high"]
    bounds = (
        "" if low is None else f" (95 % interval {formatting.percent(low)} to {formatting.percent(high)})"
    )
    return f"The network {row['model']} has a {formatting.metric([row])} of {rate} %{bounds}."


def _against_float(row: Row, main: Sequence[Row]) -> str:
    kind = "directly rounded" if row["method"] == "direct" else "retrained"
    base = [other for other in main if other["method"] in REFERENCES and other["model"] in _names(row)]
    if not base:
        rate = formatting.percent(row["wer"])
        return f"At {_bits(row)} bits the {kind} network has a {formatting.metric([row])} of {rate} %."
    ratio = base[0]["size_bytes"] / row["size_bytes"]
    rates = f"{formatting.percent(row['wer'])} % against {formatting.percent(base[0]['wer'])} %"
    size = f"is {ratio:.1f} times smaller than float"
    return f"At {_bits(row)} bits the {kind} network {size} and {_change(row)}: {rates}."


def _names(row: Row) -> tuple[str, ...]:
    """The reference's name, without and with its seeds."""
    name = row["reference"]
    return () if name is None else (name, *(f"{name}-s{seed}" for seed in row["reference_seeds"]))


def _rounded(row: Row) -> str:
    if row["delta_vs_float"] is None:
        rate = formatting.percent(row["wer"])
        return f"Rounded without retraining its {formatting.metric([row])} is {rate} %."
    return f"Rounded without retraining it {_change(row)}."


def _change(row: Row) -> str:
    """``loses 0.3 points of WER (95 % interval −0.2 to 0.8)``; a gain is put as a lower rate."""
    delta, low, high = row["delta_vs_float"], row["delta_low"], row["delta_high"]
    points = formatting.percent(abs(delta))
    metric = formatting.metric([row])
    bounds = (
        "" if low is None else f" (95 % interval {formatting.percent(low)} to {formatting.percent(high)})"
    )
    if float(points) == 0:
        return f"keeps its {metric} within 0.05 points{bounds}"
    if delta > 0:
        return f"loses {points} points of {metric}{bounds}"
    return f"has a {metric} lower by {points} points{bounds.replace('interval', 'interval of the change')}"
