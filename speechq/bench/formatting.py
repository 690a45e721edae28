"""Numbers as people read them: percent, points, intervals, file sizes; the cells of the error rate table."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"
NONE = DASH
TEXT_COLUMNS = ("Model", "Corpus", "Decoder", "Split", "network", "scheme", "method")
NOTE = (
    "Rates in percent with 95 % bootstrap intervals over utterances; the change against the float network is "
    "paired, in points, positive is worse."
)
WORDS_NOTE = (
    "Calibration error: the distance between confidence and the share of right words, averaged over ten bins "
    "of confidence. Start and end: median absolute error against the true times."
)
EDITS = ("substitutions", "deletions", "insertions")
_SEED = re.compile(r"-s\d+$")


def markdown(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, without a line break at its end."""
    rule = [":--" if name in TEXT_COLUMNS else "--:" for name in header]
    lines = [header, rule, *body]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def family(model: str) -> str:
    """A model's name without its seed."""
    return _SEED.sub("", model)


def number(value: float, digits: int = 1, sign: bool = False) -> str:
    """With a true minus sign; never ``-0.0``."""
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    return (MINUS if value < 0 else "+" if sign else "") + text


def percent(value: float | None, digits: int = 1, sign: bool = False) -> str:
    """A fraction in percent, without the sign %; a dash for None."""
    return NONE if value is None else number(100 * value, digits, sign)


def rate_with_interval(value: float | None, low: float | None, high: float | None) -> str:
    """``12.3 (11.2–13.4)``."""
    if low is None or high is None:
        return percent(value)
    return f"{percent(value)} ({percent(low)}{DASH}{percent(high)})"


def change_with_interval(value: float | None, low: float | None, high: float | None) -> str:
    """``+0.3 (−0.2 to +0.8)``."""
    if low is None or high is None:
        return percent(value, sign=True)
    return f"{percent(value, sign=True)} ({percent(low, sign=True)} to {percent(high, sign=True)})"


def size(count: int) -> str:
    """Bytes as kB or MB (powers of ten), three figures."""
    for unit, scale in (("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            value = count / scale
            return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} {unit}"
    return f"{count} B"


def size_axis(count: float) -> str:
    """``200 kB``, ``1 MB``: a round number of bytes on an axis."""
    return (
        f"{count / 1e6:g} MB" if count >= 1e6 else f"{count / 1e3:g} kB" if count >= 1e3 else f"{count:g} B"
    )


def duration(seconds: float) -> str:
    """``1 h 12 min``, ``3 min 20 s`` or ``4.2 s``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def real_time(factor: float) -> str:
    """A real-time factor with two figures, or three decimals where it is larger: ``0.00031``, ``0.213``."""
    return f"{factor:.{max(3, 1 - math.floor(math.log10(factor)))}f}" if factor > 0 else "0.000"


def metric(rows: Sequence[dict[str, Any]]) -> str:
    """``WER``, or ``PER`` where phones were recognized; both names where some rows are of either kind."""
    units = {row["unit"] for row in rows}
    return "PER/WER" if len(units) > 1 else "PER" if "phone" in units else "WER"


def decoder(row: dict[str, Any]) -> str:
    """The decoder, marked where the test set was one endless stream."""
    name = str(row["decoder"])
    return name if row["mode"] == "utterance" or "stream" in name else f"{name} (stream)"


def setting(row: dict[str, Any]) -> str:
    """Test set and decoder: what may stand above rows that share it."""
    return f"{row['split']} set, {decoder(row)} decoder"


def model(row: dict[str, Any]) -> str:
    """The model; a mean over seeds says so."""
    return (
        str(row["model"])
        if row["seed"] is not None
        else f"{row['model']} (mean of {len(row['seeds'])} seeds)"
    )


def title(rows: Sequence[dict[str, Any]]) -> str:
    """What was tested, in words."""
    names = {"PER": "Phone error rate", "WER": "Word error rate"}
    name = names.get(metric(rows), "Phone error rate (greedy) and word error rate")
    splits = sorted({row["split"] for row in rows})
    return f"{name} on {', '.join(splits)}" if splits else name


def shown(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows worth showing: a single corpus and ``all`` are the same utterances and stand there once."""
    if len({row["corpus"] for row in rows} - {"all"}) == 1:
        return [row for row in rows if row["corpus"] == "all"] or list(rows)
    return list(rows)


def cells(
    rows: Sequence[dict[str, Any]], counts: bool = True, page: bool = False
) -> tuple[list[str], list[list[str]]]:
    """Header and body of the table. Columns that would say the same in every row are left out.

    ``counts`` adds the edit operations. ``page`` is the report's form: the seeds have a column of their
    own, the relative change is there, and the decoder is left to a line above the rows.
    """
    rate = metric(rows)
    found: dict[str, list[str]] = {"Model": [family(row["model"]) if page else model(row) for row in rows]}
    if not page and len({row["split"] for row in rows}) > 1:
        found["Split"] = [str(row["split"]) for row in rows]
    if len({row["corpus"] for row in rows}) > 1:
        found["Corpus"] = [str(row["corpus"]) for row in rows]
    if not page and len({decoder(row) for row in rows}) > 1:
        found["Decoder"] = [decoder(row) for row in rows]
    if page:
        found["Seeds"] = [
            str(len(row["seeds"])) if row["seed"] is None else f"#{row['seed']}" for row in rows
        ]
    found["Size"] = [size(row["size_bytes"]) for row in rows]
    if any(row["total_bytes"] != row["size_bytes"] for row in rows):
        found["With LMs"] = [size(row["total_bytes"]) for row in rows]
    found[f"{rate} %"] = [rate_with_interval(row["wer"], row["wer_low"], row["wer_high"]) for row in rows]
    if any(row["wer_integer"] is not None for row in rows):
        found[f"{rate} % integer"] = [percent(row["wer_integer"]) for row in rows]
    if rate == "WER":
        found["CER %"] = [percent(row["cer"]) for row in rows]
    if any(row["oov_recall"] is not None for row in rows):
        found["OOV recall %"] = [percent(row["oov_recall"]) for row in rows]
    if counts:
        found["S/D/I"] = ["/".join(str(row[kind]) for kind in EDITS) for row in rows]
    found["Change vs float"] = [change(row) for row in rows]
    if page:
        found["Relative %"] = [
            NONE if is_reference(row) else percent(row["relative_delta"], sign=True) for row in rows
        ]
    found["RTF"] = [real_time(row["rtf"]) for row in rows]
    return list(found), [list(line) for line in zip(*found.values(), strict=True)]


def word_cells(rows: Sequence[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Header and body of the table of what decoders say about their words; no body where none says it."""
    told = [row for row in rows if row["calibration_error"] is not None]
    found = {
        "Model": [model(row) for row in told],
        "Corpus": [str(row["corpus"]) for row in told],
        "Decoder": [decoder(row) for row in told],
        "Calibration error %": [percent(row["calibration_error"]) for row in told],
        "Start, ms": [_milliseconds(row["start_error"]) for row in told],
        "End, ms": [_milliseconds(row["end_error"]) for row in told],
        "Words with true times": [str(row["timed_words"]) for row in told],
    }
    if len({row["corpus"] for row in told}) < 2:
        del found["Corpus"]
    return list(found), [list(line) for line in zip(*found.values(), strict=True)]


def _milliseconds(seconds: float | None) -> str:
    return NONE if seconds is None else number(1000 * seconds, 0)


def change(row: dict[str, Any]) -> str:
    """The change against the float network; the float network itself is marked as what others refer to."""
    if is_reference(row):
        return "reference"
    return change_with_interval(row["delta_vs_float"], row["delta_low"], row["delta_high"])


def is_reference(row: dict[str, Any]) -> bool:
    """Whether others are compared with this very row."""
    return family(row["model"]) == row["reference"] and set(row["seeds"]) <= set(row["reference_seeds"])
