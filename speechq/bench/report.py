"""The report of a work folder: one HTML file with tables and figures that needs nothing beside itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speechq.bench import decoder_figures, figures, formatting, page, plots, sample_figure, study_table
from speechq.bench.engine import figures as engine_figures
from speechq.bench.engine.series import latency_rows, read_series
from speechq.bench.headline import decoder_rows, fullest, headline, main_rows
from speechq.bench.methods import methods
from speechq.bench.results import (
    read_comparisons,
    read_metrics,
    read_results,
    read_run,
    read_sample,
    read_sensitivity,
)
from speechq.bench.wer import ALL, summary_rows, wer_table
from speechq.bench.words import recognized_words
from speechq.errors import DataError
from speechq.files import write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = dict[str, Any]
WIDE, SMALL = 7.2, 4.0  # inches


def write_report(work_dir: str | Path) -> Path:
    """Write ``report.html`` into the work folder and return its path; it names what is missing."""
    folder = _existing(work_dir)
    run = read_run(folder)
    rows = _rows(folder)
    metric = formatting.metric(rows)
    name = str(run.get("recipe") or folder.resolve().name)
    numbers = count(1)
    with plots.style():
        body = [
            f"<h1>{escape(name)}: error rates at low precision</h1>",
            page.paragraph(_byline(run), "byline"),
            page.paragraph(headline(rows), "lead") if rows else "",
            page.facts(_facts(run, rows)),
            *_error_rates(rows, metric, numbers),
            *_decoders(folder, rows, metric, numbers),
            *_learning(folder, metric, numbers),
            *_sensitivity(folder, metric, numbers),
            *study_table.sections(folder, numbers),
            *_sample(folder, numbers),
            *_engine(folder, numbers),
            *_methods(folder, rows),
            *_details(run),
        ]
    path = folder / "report.html"
    write_text(path, page.document(f"{name}: speechq report", body))
    return path


def write_summary_svg(work_dir: str | Path, path: str | Path) -> Path:
    """Write the one picture for a README, error rate against bits, as an SVG file on white."""
    rows = main_rows(_rows(_existing(work_dir)))
    if not any(row["method"] not in figures.FLOATS for row in rows):
        raise DataError(
            f"{work_dir}: no quantized network was evaluated; run the recipe's stage evaluate first"
        )
    with plots.style(text_as_paths=True):
        text = plots.to_svg(figures.error_by_bits(rows, WIDE), "summary", standalone=True)
    write_text(path, text)
    return Path(path)


def _existing(work_dir: str | Path) -> Path:
    folder = Path(work_dir)
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no such work folder; make it with: speechq run RECIPE_DIR --work {folder}"
        )
    return folder


def _rows(folder: Path) -> list[Row]:
    found = any((folder / "evaluate").rglob("result.json")) if (folder / "evaluate").is_dir() else False
    return wer_table(folder, pooled=True) if found else []


def _byline(run: dict[str, Any]) -> str:
    """Where the numbers come from, in a line."""
    parts = ["speechq report"]
    if run.get("commit"):
        parts.append(
            f"commit {str(run['commit'])[:12]}" + (" with local changes" if run.get("dirty") else "")
        )
    if run.get("seed") is not None:
        parts.append(f"seed {run['seed']}")
    return " · ".join(parts)


def _facts(run: dict[str, Any], rows: Sequence[Row]) -> dict[str, str]:
    found = {}
    if run.get("parameters"):
        found["Parameters"] = f"{run['parameters']:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    for split, hours in (run.get("hours") or {}).items():
        if isinstance(hours, int | float):
            found[f"Speech, {split}"] = f"{hours:.2f} h"
    main = main_rows(rows)
    if main:
        found["Test set"] = f"{main[0]['utterances']} utterances"
        seeds = sorted({seed for row in main for seed in row["seeds"]})
        found["Seeds"] = ", ".join(map(str, seeds))
    seconds = [value for value in (run.get("wall_seconds") or {}).values() if isinstance(value, int | float)]
    if seconds:
        found["Time, all stages"] = formatting.duration(sum(seconds))
    return found


def _drawing(
    numbers: count[int],
    name: str,
    draw: Callable[[float], Figure],
    caption: str,
    narrow: bool = True,
    extra: str = "",
) -> str:
    wide = plots.to_svg(draw(WIDE), name)
    small = plots.to_svg(draw(SMALL), f"{name}-narrow") if narrow else None
    return page.figure(next(numbers), wide, small, caption, extra)


def _error_rates(rows: Sequence[Row], metric: str, numbers: count[int]) -> list[str]:
    parts = [page.heading("Error rates")]
    if not rows:
        return [
            *parts,
            page.missing("No network was evaluated yet. Make this part with", "speechq run RECIPE_DIR"),
        ]
    main = main_rows(rows)
    where = f"the {main[0]['split']} set, {main[0]['decoder']} decoder"
    bars = "Vertical bars are 95 % bootstrap intervals over utterances."
    if any(row["method"] not in figures.FLOATS for row in main):
        caption = (
            f"{metric} against bits per weight on {where}. Lines across are the float networks; the grey "
            "band is the interval of float+, the float network trained on for as long as retraining "
            f"takes. {bars}"
        )
        parts.append(_drawing(numbers, "bits", partial(figures.error_by_bits, main), caption))
        caption = f"{metric} against the bytes of the packed model file on {where}. {bars}"
        parts.append(_drawing(numbers, "size", partial(figures.error_by_size, main), caption))
    summary = summary_rows(rows)
    corpora = sorted({row["corpus"] for row in rows} - {ALL})
    tables = count(1)
    titles = {ALL: "All corpora together" if len(corpora) > 1 else f"Corpus {corpora[0]}"}
    titles |= {corpus: f"Corpus {corpus}" for corpus in corpora}
    for corpus in [ALL, *corpora] if len(corpora) > 1 else [ALL]:
        note = formatting.NOTE if corpus == ALL else ""
        caption = f"<b>Table {next(tables)}.</b> {escape(titles[corpus])}. {escape(note)}"
        parts.append(page.error_table([row for row in summary if row["corpus"] == corpus], caption))
    if rows:
        single = [row for row in formatting.shown(rows) if row["seed"] is not None]
        parts.append(page.details("Every seed alone, with counts", page.error_table(single, counts=True)))
    return parts


def _decoders(folder: Path, rows: Sequence[Row], metric: str, numbers: count[int]) -> list[str]:
    """Decoding with language models; left out where there was none."""
    found = decoder_rows(rows)
    if not found:
        return []
    caption = (
        f"{metric} of the networks with each decoder. Vertical bars are 95 % bootstrap intervals over "
        "utterances."
    )
    draw = partial(decoder_figures.error_by_decoder, found)
    parts = [page.heading("Decoders"), _drawing(numbers, "decoders", draw, caption)]
    best = fullest(found)
    models = [row["model"] for row in found if row["decoder"] == best]
    words = {
        result.model: recognized_words(result.utterances)
        for result in read_results(folder)
        if result.decoder == best and (result.model in models or result.family in models)
    }
    words = {name: one for name, one in words.items() if len(one.confidence)}
    if words:
        caption = (
            f"Confidence of the words of the decoder {best}, calibrated on dev, against the share of them "
            "that are right on the test set, in ten bins; beside it the number of words in each bin."
        )
        draw_words = partial(decoder_figures.reliability_diagram, words)
        parts.append(_drawing(numbers, "reliability", draw_words, caption))
    header, body = formatting.word_cells(found)
    if body:
        parts.append(page.plain_table(header, body, formatting.WORDS_NOTE))
    return parts


def _learning(folder: Path, metric: str, numbers: count[int]) -> list[str]:
    runs = [run for run in read_metrics(folder) if run.steps or run.epochs]
    parts = [page.heading("Learning curves")]
    if not runs:
        command = "speechq run RECIPE_DIR --until train"
        return [*parts, page.missing("No training was recorded. Make this part with", command)]
    caption = (
        f"Training loss and {metric} on the dev set. Retraining starts from the float network; runs that "
        "differ only in the seed share a colour."
    )
    return [
        *parts,
        _drawing(numbers, "learning", partial(figures.learning_curves, runs, metric=metric), caption),
    ]


def _sensitivity(folder: Path, metric: str, numbers: count[int]) -> list[str]:
    points = read_sensitivity(folder)
    parts = [page.heading("Sensitivity of the weight groups")]
    if not points:
        return [
            *parts,
            page.missing("The study was not run. Make this part with", "speechq study sensitivity WORK_DIR"),
        ]
    caption = (
        f"Change of {metric} when a single group of weights is quantized and all else stays float "
        f"({metric} of the float network {100 * points[0].base_wer:.1f} %). "
        "Open marks: rounded without retraining; filled marks: retrained."
    )
    return [
        *parts,
        _drawing(numbers, "sensitivity", partial(figures.sensitivity, points, metric=metric), caption),
    ]


def _sample(folder: Path, numbers: count[int]) -> list[str]:
    sample = read_sample(folder)
    parts = [page.heading("One utterance")]
    if sample is None:
        command = "speechq run RECIPE_DIR --from evaluate"
        return [*parts, page.missing("No utterance was kept. Make this part with", command)]
    caption = (
        "Log-mel spectrogram and, over the same time, the CTC outputs of the network. The grey area is "
        "the blank; each peak is labelled with its symbol (\N{OPEN BOX} is the space), and the labels in "
        "order are the greedy transcription."
    )
    texts = (("Spoken", sample.reference), ("Recognized", sample.hypothesis))
    entries = "".join(f"<dt>{name}</dt><dd>{escape(text) or formatting.NONE}</dd>" for name, text in texts)
    draw = partial(sample_figure.utterance, sample)
    extra = f'<dl class="transcript">{entries}</dl>'
    return [*parts, _drawing(numbers, "utterance", draw, caption, narrow=False, extra=extra)]


def _engine(folder: Path, numbers: count[int]) -> list[str]:
    """The speed of the engine; left out where it was not measured, since no stage of a recipe does that."""
    series = read_series(folder)
    if series is None:
        return []
    counted = "crosses are the processor's cache misses"
    if series.traffic_note:
        counted = f"cache misses were not counted ({series.traffic_note})"
    drawings: list[tuple[str, Callable[[Sequence[Row], float], Figure], list[Row], str]] = [
        (
            "traffic",
            engine_figures.traffic,
            series.traffic,
            "Bytes of weights per frame against the frames processed per weight read. Solid: from memory, if "
            "the cache keeps a layer's recurrent matrix for a block; dashed: loaded by the processor where "
            f"that is more; {counted}.",
        ),
        (
            "latency",
            engine_figures.latency,
            latency_rows(series.blocks),
            "Time per frame against the delay that waiting for a block adds.",
        ),
        (
            "widths",
            engine_figures.widths,
            series.widths,
            "Time per frame against the width of the network; dashed: the smallest block.",
        ),
        (
            "threads",
            engine_figures.threads,
            series.threads,
            "Speed relative to one thread; dashed: the smallest block, dotted: proportional.",
        ),
    ]
    parts = [
        page.heading("Speed of the engine"),
        page.paragraph(f"Networks with random weights, one stream. {series.machine}"),
    ]
    return parts + [
        _drawing(numbers, f"engine-{name}", partial(draw, rows), caption)
        for name, draw, rows, caption in drawings
    ]


def _methods(folder: Path, rows: Sequence[Row]) -> list[str]:
    if not rows:
        return []
    models = {row["model"] for row in rows}  # a folder of pack/ may be left of an earlier recipe
    comparisons = [comparison for comparison in read_comparisons(folder) if comparison.model in models]
    return [page.heading("How the numbers were computed"), page.bullets(methods(rows, comparisons))]


def _details(run: dict[str, Any]) -> list[str]:
    """Configuration, versions, machine and times, folded away."""
    parts = [page.heading("Configuration")]
    if not run:
        return [*parts, page.missing("run.json is missing. Make this part with", "speechq run RECIPE_DIR")]
    origin = {key: run.get(key) for key in ("recipe", "seed", "commit", "parameters", "hours")}
    origin["local changes"] = "yes" if run.get("dirty") else "no"
    times = {stage: formatting.duration(value) for stage, value in (run.get("wall_seconds") or {}).items()}
    sections = {
        "Origin": origin,
        "Recipe, all keys": run.get("config") or {},
        "Versions": run.get("versions") or {},
        "Machine": run.get("machine") or {},
        "Time per stage": times,
    }
    return [*parts, *(page.details(title, page.pairs(items)) for title, items in sections.items() if items)]
