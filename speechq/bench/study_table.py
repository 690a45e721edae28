"""Table, figure and page section of a study."""

from __future__ import annotations

from html import escape
from itertools import count
from pathlib import Path
from typing import Any

from speechq.bench import page, plots
from speechq.bench.studies import NAMES, read_study, table
from speechq.bench.study_figures import study_figure
from speechq.errors import DataError
from speechq.files import write_text

_WIDE, _SMALL = 7.2, 4.0  # inches
_CAPTIONS = {
    "sensitivity": "Loss above float+, seed by seed, when one group of weights is quantized and retrained, "
    "the others float.",
    "capacity": "Loss against bytes: networks of several widths, float and retrained at each scheme.",
    "depth-width": "Loss above float+ of the same size and seed over the width of the layers; one panel per "
    "scheme.",
    "methods": "Loss by method of retraining, for as many steps each; orange: the plain one.",
    "landscape": "Loss on the plane through three networks, weights quantized at every point.",
}
_BARS = " Bars are 95 % intervals of the mean over seeds (Student's t)."


def _found(work: Path, name: str) -> dict[str, Any]:
    if (found := read_study(work, name)) is None:
        raise DataError(f"{work}: the study was not run; make it with speechq study {name} {work}")
    return found


def rows_of(work: Path, name: str) -> tuple[list[str], list[list[str]]]:
    """Column names and rows."""
    return table(name, _found(work, name))


def write_figure(work: Path, name: str) -> Path:
    """``study/NAME/figure.svg``, on white."""
    found = _found(work, name)
    with plots.style(text_as_paths=True):
        text = plots.to_svg(study_figure(name, found, _WIDE), name, standalone=True)
    path = work / "study" / name / "figure.svg"
    write_text(path, text)
    return path


def sections(work: Path, numbers: count[int]) -> list[str]:
    """The studies that were run, as sections of the page. Call within ``plots.style``."""
    parts = []
    for name in NAMES:
        if (found := read_study(work, name)) is None:
            continue
        wide, small = (plots.to_svg(study_figure(name, found, w), f"{name}-{w}") for w in (_WIDE, _SMALL))
        header, rows = table(name, found)
        chosen = _chosen(found) if "chosen" in found else ""
        bars = "" if name == "landscape" else _BARS
        parts += [
            page.heading(f"Study: {name}"),
            page.figure(next(numbers), wide, small, _CAPTIONS[name] + bars + chosen),
            page.details("Table", _html(header, rows)),
        ]
    return parts


def _chosen(found: dict[str, Any]) -> str:
    """What the search of a sensitivity study found."""
    cheapest, affordable = (found.get(key) or "none" for key in ("chosen", "affordable"))
    return f" The cheapest scheme within the margin: {cheapest}; the best within the budget: {affordable}."


def _html(header: list[str], rows: list[list[str]]) -> str:
    names = "".join(f'<th scope="col">{escape(column)}</th>' for column in header)
    lines = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    inner = f"<table><thead><tr>{names}</tr></thead><tbody>{lines}</tbody></table>"
    return f'<div class="scroll" tabindex="0">{inner}</div>'
