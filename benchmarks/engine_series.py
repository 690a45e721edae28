"""Measures the engine over block sizes, widths and threads, and draws it.

Writes ``engine.json`` into a work folder, from where ``speechq report`` takes it, and the figures of
docs/memory-traffic.md as SVG files.

    python benchmarks/engine_series.py --work work/mixed --figures docs/figures
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from speechq.bench import plots
from speechq.bench.engine import figures
from speechq.bench.engine.run import machine_note
from speechq.bench.engine.series import Series, latency_rows, measure_series, read_series, write_series
from speechq.bench.engine.synthetic import Shape
from speechq.bench.report import WIDE
from speechq.errors import SpeechqError
from speechq.files import write_text
from speechq.recipes.provenance import run_facts

ROUNDS = 3  # of a series of 200 measurements: minutes


def write_figures(series: Series, folder: Path) -> list[Path]:
    """The figures as files of their own: engine-traffic.svg, -latency, -widths, -threads."""
    drawings = {
        "engine-traffic": (figures.traffic, series.traffic),
        "engine-latency": (figures.latency, latency_rows(series.blocks)),
        "engine-widths": (figures.widths, series.widths),
        "engine-threads": (figures.threads, series.threads),
    }
    written = []
    with plots.style(text_as_paths=True):
        for name, (draw, rows) in drawings.items():
            path = folder / f"{name}.svg"
            write_text(path, plots.to_svg(draw(rows, WIDE), name, standalone=True))
            written.append(path)
    return written


def main() -> int:
    """Measure, write, and say where."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="the folder for engine.json")
    parser.add_argument("--figures", type=Path, help="the folder for the figures")
    parser.add_argument("--draw-only", action="store_true", help="take what engine.json holds")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    args = parser.parse_args()
    try:
        series = read_series(args.work) if args.draw_only else None
        if series is None:
            machine = run_facts()["machine"]
            note = machine_note(Shape("sru", 4, 1024), 1)
            series = measure_series(f"{machine['processor']}: {note}.", rounds=args.rounds)
            print(write_series(args.work, series))
        if args.figures is not None:
            print(*write_figures(series, args.figures), sep="\n")
    except SpeechqError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
